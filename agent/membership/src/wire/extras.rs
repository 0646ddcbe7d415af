//! What version 2 added: help that found nothing either, suspicions of more than one, hosts that are forgotten.

use kerf_types::HostId;

use super::parts::{self, put_host, put_life};
use super::{Malformed, Reader, Write};
use crate::Life;

/// The receiver had us probe somebody, and no answer came here either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    /// Who did not answer.
    pub target: HostId,
    /// The number of the receiver's probe.
    pub probe_number: u8,
}

/// Somebody got no answer from a host that was suspected already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confirm {
    /// Who got none.
    pub accuser: HostId,
    /// Whom it had asked.
    pub suspect: HostId,
    /// In which life.
    pub life: Life,
    /// The refutation number that the suspicion is of.
    pub refutation: u16,
}

impl Silent {
    pub(super) fn write(&self, out: &mut impl Write) {
        put_host(out, self.target);
        out.put_u8(self.probe_number);
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            target: parts::host(reader)?,
            probe_number: reader.u8()?,
        })
    }
}

impl Confirm {
    pub(super) fn write(&self, out: &mut impl Write) {
        put_host(out, self.accuser);
        put_host(out, self.suspect);
        put_life(out, self.life);
        out.put_u16(self.refutation);
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            accuser: parts::host(reader)?,
            suspect: parts::host(reader)?,
            life: parts::life(reader)?,
            refutation: reader.u16()?,
        })
    }
}

/// The shortest entry of a list of forgotten hosts: id and life.
const MIN_FORGOTTEN: usize = 16 + 2;

pub(super) fn put_forgotten(out: &mut impl Write, hosts: &[(HostId, Life)]) {
    parts::put_list(out, hosts, |out, (host, life)| {
        put_host(out, *host);
        put_life(out, *life);
    });
}

pub(super) fn forgotten(reader: &mut Reader) -> Result<Vec<(HostId, Life)>, Malformed> {
    parts::list(reader, MIN_FORGOTTEN, |reader| {
        Ok((parts::host(reader)?, parts::life(reader)?))
    })
}
