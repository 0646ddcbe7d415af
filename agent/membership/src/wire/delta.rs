//! The last words of anti-entropy, and of every push: members, offers, wants and records.

use kerf_types::HostId;

use super::parts::{self, MIN_KNOWN, MIN_MEMBER, MIN_RECORD};
use super::{Known, Malformed, Peer, Reader, Write};
use crate::Aged;

/// What one host tells another beyond versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// Members that the receiver does not know, or holds for something else.
    pub members: Vec<Peer>,
    /// Records that the receiver may pull, since they are too long for a datagram.
    pub offers: Vec<Known>,
    /// Hosts of which the sender wants the member and the record.
    pub wants: Vec<HostId>,
    /// Records.
    pub records: Vec<Aged>,
}

impl Delta {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
            && self.offers.is_empty()
            && self.wants.is_empty()
            && self.records.is_empty()
    }

    pub(super) fn write(&self, out: &mut impl Write) {
        parts::put_list(out, &self.members, parts::put_member);
        parts::put_list(out, &self.offers, parts::put_known);
        parts::put_list(out, &self.wants, |out, host| parts::put_host(out, *host));
        parts::put_list(out, &self.records, parts::put_record);
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            members: parts::list(reader, MIN_MEMBER, parts::member)?,
            offers: parts::list(reader, MIN_KNOWN, parts::known)?,
            wants: parts::list(reader, 16, parts::host)?,
            records: parts::list(reader, MIN_RECORD, parts::record)?,
        })
    }
}
