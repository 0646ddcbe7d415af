//! Parts of which messages are made.

use std::net::SocketAddr;

use foca::State;
use kerf_types::{HostId, HostName};

use super::{Malformed, Reader, Write};
use crate::identity::is_address_of_one_host;
use crate::record::MAX_PAYLOAD;
use crate::{Aged, Identity, Incarnation, Life, Payload, Proof, Record, Stamp};

/// Flags of a record.
const LEFT: u8 = 1;
/// A proof follows the payload.
const SIGNED: u8 = 2;

/// A member as SWIM's updates carry it.
pub type Peer = foca::Member<Identity>;

/// The state of such a member.
pub use foca::State as PeerState;

/// The shortest member: id, life, the shortest profile, refutation, state.
pub const MIN_MEMBER: usize = 16 + 2 + (2 + 7 + 1) + 2 + 1;

/// The shortest record: id, stamp, flags, age, length.
pub const MIN_RECORD: usize = 16 + 2 + 1 + 1 + 1;

/// The shortest entry of a list of versions: id, life, stamp, length.
pub const MIN_KNOWN: usize = 16 + 2 + 2 + 1;

/// What a host says of itself beside its id and life, which stand in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: HostName,
    /// Where its gossip listens.
    pub gossip: SocketAddr,
    /// Where its API listens.
    pub api: SocketAddr,
}

impl Profile {
    /// The profile of an identity.
    pub fn of(identity: &Identity) -> Self {
        Self {
            name: identity.name.clone(),
            gossip: identity.gossip,
            api: identity.api,
        }
    }

    /// The identity that has it.
    pub fn into_identity(self, host: HostId, life: Life) -> Identity {
        Identity {
            host,
            name: self.name,
            gossip: self.gossip,
            api: self.api,
            life,
        }
    }
}

/// What a host knows of another: which life, which record, how long its payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The other host.
    pub host: HostId,
    /// Its life.
    pub life: Life,
    /// Its newest record, if any has come.
    pub stamp: Option<Stamp>,
    /// Length of the record's payload in bytes.
    pub payload_bytes: usize,
}

pub fn put_host(out: &mut impl Write, host: HostId) {
    out.put_u128(host.bits());
}

pub fn host(reader: &mut Reader) -> Result<HostId, Malformed> {
    reader.u128().map(HostId::from_bits)
}

pub fn put_life(out: &mut impl Write, life: Life) {
    out.put_varint(life.incarnation.0);
    out.put_varint(u64::from(life.renewal));
}

pub fn life(reader: &mut Reader) -> Result<Life, Malformed> {
    Ok(Life {
        incarnation: Incarnation(reader.varint()?),
        renewal: reader.varint32()?,
    })
}

pub fn put_profile(out: &mut impl Write, name: &HostName, gossip: SocketAddr, api: SocketAddr) {
    let name = name.as_str().as_bytes();
    out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.put(name);
    out.put_address(gossip);
    if api == gossip {
        out.put_u8(0);
    } else if api.ip() == gossip.ip() {
        out.put_u8(1);
        out.put_u16(api.port());
    } else {
        out.put_address(api);
    }
}

pub fn profile(reader: &mut Reader) -> Result<Profile, Malformed> {
    let length = usize::from(reader.u8()?);
    let name = std::str::from_utf8(reader.bytes(length)?).map_err(|_| Malformed::Name)?;
    let name = name.parse().map_err(|_| Malformed::Name)?;
    let family = reader.u8()?;
    let gossip = reader.address(family)?;
    let api = match reader.u8()? {
        0 => gossip,
        1 => SocketAddr::new(gossip.ip(), reader.u16()?),
        family => reader.address(family)?,
    };
    if !is_address_of_one_host(gossip) || !is_address_of_one_host(api) {
        return Err(Malformed::Address);
    }
    Ok(Profile { name, gossip, api })
}

pub fn put_identity(out: &mut impl Write, identity: &Identity) {
    put_host(out, identity.host);
    put_life(out, identity.life);
    put_profile(out, &identity.name, identity.gossip, identity.api);
}

pub fn identity(reader: &mut Reader) -> Result<Identity, Malformed> {
    let (host, life) = (host(reader)?, life(reader)?);
    Ok(profile(reader)?.into_identity(host, life))
}

pub fn put_member(out: &mut impl Write, member: &Peer) {
    put_identity(out, member.id());
    out.put_u16(member.incarnation());
    out.put_u8(match member.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    });
}

pub fn member(reader: &mut Reader) -> Result<Peer, Malformed> {
    let (identity, refutation) = (identity(reader)?, reader.u16()?);
    let state = match reader.u8()? {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Down,
        _ => return Err(Malformed::Tag),
    };
    Ok(Peer::new(identity, refutation, state))
}

pub fn put_stamp(out: &mut impl Write, stamp: Stamp) {
    out.put_varint(stamp.incarnation.0);
    out.put_varint(stamp.version);
}

pub fn stamp(reader: &mut Reader) -> Result<Stamp, Malformed> {
    Ok(Stamp {
        incarnation: Incarnation(reader.varint()?),
        version: reader.varint()?,
    })
}

pub fn put_known(out: &mut impl Write, known: &Known) {
    const NO_RECORD: Stamp = Stamp {
        incarnation: Incarnation(0),
        version: 0,
    };
    put_host(out, known.host);
    put_life(out, known.life);
    put_stamp(out, known.stamp.unwrap_or(NO_RECORD));
    out.put_varint(known.payload_bytes as u64);
}

pub fn known(reader: &mut Reader) -> Result<Known, Malformed> {
    let (host, life, stamp) = (host(reader)?, life(reader)?, stamp(reader)?);
    Ok(Known {
        host,
        life,
        stamp: (stamp.version > 0).then_some(stamp),
        payload_bytes: payload_length(reader)?,
    })
}

pub fn put_record(out: &mut impl Write, aged: &Aged) {
    let record = &aged.record;
    put_host(out, record.host);
    put_stamp(out, record.stamp);
    let signed = if record.proof.is_empty() { 0 } else { SIGNED };
    out.put_u8(u8::from(record.left) | signed);
    out.put_varint(aged.age_ms);
    out.put_varint(record.payload.len() as u64);
    out.put(record.payload.as_bytes());
    if signed != 0 {
        out.put_u8(u8::try_from(record.proof.len()).unwrap_or(u8::MAX));
        out.put(record.proof.as_bytes());
    }
}

pub fn record(reader: &mut Reader) -> Result<Aged, Malformed> {
    let (host, stamp) = (host(reader)?, stamp(reader)?);
    let flags = reader.u8()?;
    if flags & !(LEFT | SIGNED) != 0 {
        return Err(Malformed::Tag);
    }
    if stamp.version == 0 {
        return Err(Malformed::Number);
    }
    let age_ms = reader.varint()?;
    let length = payload_length(reader)?;
    let payload = Payload::try_new(reader.bytes(length)?).map_err(|_| Malformed::Record)?;
    let mut proof = Proof::default();
    if flags & SIGNED != 0 {
        let length = usize::from(reader.u8()?);
        let bytes = reader.bytes(length)?;
        // One form for one thing: no proof is never written as an empty one.
        let some = Proof::try_new(bytes).filter(|proof| !proof.is_empty());
        proof = some.ok_or(Malformed::Record)?;
    }
    let record = Record {
        host,
        stamp,
        left: flags & LEFT != 0,
        payload,
        proof,
    };
    Ok(Aged { record, age_ms })
}

fn payload_length(reader: &mut Reader) -> Result<usize, Malformed> {
    match usize::try_from(reader.varint()?) {
        Ok(length) if length <= MAX_PAYLOAD => Ok(length),
        _ => Err(Malformed::Record),
    }
}

/// A list: its count, then its items, each with at least `min` bytes.
pub fn list<T>(
    reader: &mut Reader,
    min: usize,
    item: impl Fn(&mut Reader) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count(min)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(item(reader)?);
    }
    Ok(items)
}

/// Writes what [`list`] reads.
pub fn put_list<T, W: Write>(out: &mut W, items: &[T], put: impl Fn(&mut W, &T)) {
    out.put_count(items.len());
    for item in items {
        put(out, item);
    }
}
