//! The header of a datagram: what may be known before anything is opened.

use kerf_types::HostId;

use super::{Malformed, OLDEST_VERSION, Reader, VERSION, Write};
use crate::{ClusterId, DropReason, Incarnation, Life};

/// Length of the header.
pub const HEADER_BYTES: usize = 48;

/// First bytes of every datagram, so that a stray one of another protocol is told from a broken one.
const MAGIC: [u8; 2] = *b"kg";

/// Who sent a datagram, in which layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The layout of this datagram.
    pub version: u8,
    /// The newest layout that the sender reads.
    pub reads: u8,
    /// The fleet.
    pub cluster: ClusterId,
    /// The sender.
    pub sender: HostId,
    /// The sender's life.
    pub life: Life,
}

impl Header {
    /// A header of this release, for messages that its oldest version knows already.
    pub fn new(cluster: ClusterId, sender: HostId, life: Life) -> Self {
        Self {
            version: OLDEST_VERSION,
            reads: VERSION,
            cluster,
            sender,
            life,
        }
    }

    /// Appends [`HEADER_BYTES`] bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.put(&MAGIC);
        out.put_u8(self.version);
        out.put_u8(self.reads);
        out.put_u128(self.cluster.0);
        out.put_u128(self.sender.bits());
        out.put_u64(self.life.incarnation.0);
        out.put_u32(self.life.renewal);
    }

    /// Splits a datagram into its header, the header's bytes and the sealed body.
    ///
    /// The version is looked at before anything that may lie elsewhere in another version.
    pub fn split(datagram: &[u8]) -> Result<(Self, &[u8], &[u8]), DropReason> {
        let (bytes, body) = datagram
            .split_at_checked(HEADER_BYTES)
            .ok_or(DropReason::Malformed(Malformed::Truncated))?;
        let mut reader = Reader::new(bytes);
        if reader.bytes(MAGIC.len())? != MAGIC {
            return Err(DropReason::NotGossip);
        }
        let (version, reads) = (reader.u8()?, reader.u8()?);
        if !(OLDEST_VERSION..=VERSION).contains(&version) || reads < version {
            return Err(DropReason::Version);
        }
        let header = Self {
            version,
            reads,
            cluster: ClusterId(reader.u128()?),
            sender: HostId::from_bits(reader.u128()?),
            life: Life {
                incarnation: Incarnation(reader.u64()?),
                renewal: reader.u32()?,
            },
        };
        Ok((header, bytes, body))
    }
}
