//! Pulls: what does not fit in a datagram is asked for in a stream between authenticated peers.

use foca::State;
use kerf_types::HostId;

use crate::wire::{
    Known, MIN_KNOWN, MIN_MEMBER, MIN_RECORD, Malformed, Peer, Reader, Write, parts,
};
use crate::{Aged, Identity};

/// Most hosts that one question names. The rest is asked for in the next round.
pub const MAX_WANTED: usize = 512;

/// The layout of an answer.
const VERSION: u8 = 1;

/// The question of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Every member and every record: a joining host asks for it.
    Everything,
    /// These hosts' members and records; at most [`MAX_WANTED`].
    Hosts(Vec<HostId>),
    /// Whatever this host lacks, who knows this much: asked when most buckets differ.
    Newer(Vec<Known>),
}

impl Wanted {
    /// The question in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Everything => out.put_u8(0),
            Self::Hosts(hosts) => {
                out.put_u8(1);
                put_long_list(&mut out, hosts, |out, host| parts::put_host(out, *host));
            }
            Self::Newer(known) => {
                out.put_u8(2);
                put_long_list(&mut out, known, parts::put_known);
            }
        }
        out
    }

    /// Reads a question. The caller bounds the length of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let wanted = match reader.u8()? {
            0 => Self::Everything,
            1 => Self::Hosts(long_list(&mut reader, 16, parts::host)?),
            2 => Self::Newer(long_list(&mut reader, MIN_KNOWN, parts::known)?),
            _ => return Err(Malformed::Tag),
        };
        reader.finish()?;
        match &wanted {
            Self::Hosts(hosts) if hosts.len() > MAX_WANTED => Err(Malformed::Count),
            _ => Ok(wanted),
        }
    }
}

/// The answer to a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    pub(crate) members: Vec<Peer>,
    pub(crate) records: Vec<Aged>,
}

impl Answer {
    /// The members in it, those that are down included.
    pub fn identities(&self) -> impl Iterator<Item = (&Identity, bool)> {
        let down = |member: &Peer| member.state() == State::Down;
        self.members
            .iter()
            .map(move |member| (member.id(), down(member)))
    }

    /// The records in it.
    pub fn records(&self) -> &[Aged] {
        &self.records
    }

    /// The answer in bytes: with 10,000 hosts of 8 KiB records, 80 MiB; with 1,000 of 600 bytes, 0.7 MiB.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u8(VERSION);
        put_long_list(&mut out, &self.members, parts::put_member);
        put_long_list(&mut out, &self.records, parts::put_record);
        out
    }

    /// Reads an answer. The caller bounds the length of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Malformed::Tag);
        }
        let answer = Self {
            members: long_list(&mut reader, MIN_MEMBER, parts::member)?,
            records: long_list(&mut reader, MIN_RECORD, parts::record)?,
        };
        reader.finish()?;
        Ok(answer)
    }
}

fn put_long_list<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    out.put_u32(count);
    for item in items {
        put(out, item);
    }
}

fn long_list<T>(
    reader: &mut Reader,
    min: usize,
    item: impl Fn(&mut Reader) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = usize::try_from(reader.u32()?).map_err(|_| Malformed::Count)?;
    if count.saturating_mul(min) > reader.left() {
        return Err(Malformed::Count);
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(item(reader)?);
    }
    Ok(items)
}
