//! SWIM messages: foca's, taken apart so that nothing in them reaches it unseen.
//!
//! foca writes and reads a layout of its own making through [`Codec`], with sender and receiver in full. On
//! the wire the sender's id and life stand in the header already, and the receiver knows itself, so
//! [`Swim`] leaves them out; that is 60 bytes less in the message that is sent most.

use bytes::{Buf, BufMut};
use foca::{Header as FocaHeader, Message as FocaMessage};
use kerf_types::HostId;

use super::parts::{self, MIN_MEMBER};
use super::{Malformed, Peer, Profile, Reader, Write};
use crate::{Identity, Life};

/// A SWIM message with the updates that ride on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swim {
    /// The sender's profile; its id and life stand in the header.
    pub sender: Profile,
    /// The sender's refutation number.
    pub refutation: u16,
    /// The receiver.
    pub to: (HostId, Life),
    /// What it asks or answers.
    pub message: FocaMessage<Identity>,
    /// What the sender heard of others.
    pub updates: Vec<Peer>,
}

impl Swim {
    pub(super) fn write(&self, out: &mut impl Write) {
        let sender = &self.sender;
        parts::put_profile(out, &sender.name, sender.gossip, sender.api);
        out.put_u16(self.refutation);
        parts::put_host(out, self.to.0);
        parts::put_life(out, self.to.1);
        put_message(out, &self.message);
        parts::put_list(out, &self.updates, parts::put_member);
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            sender: parts::profile(reader)?,
            refutation: reader.u16()?,
            to: (parts::host(reader)?, parts::life(reader)?),
            message: message(reader)?,
            updates: parts::list(reader, MIN_MEMBER, parts::member)?,
        })
    }

    /// Takes what foca wrote apart.
    pub fn from_foca(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(data);
        let header = foca_header(&mut reader)?;
        let updates = if reader.left() == 0 {
            Vec::new()
        } else {
            parts::list(&mut reader, MIN_MEMBER, parts::member)?
        };
        reader.finish()?;
        Ok(Self {
            sender: Profile::of(&header.src),
            refutation: header.src_incarnation,
            to: (header.dst.host, header.dst.life),
            message: header.message,
            updates,
        })
    }

    /// What foca reads: the sender and the receiver in full again.
    pub fn into_foca(self, from: HostId, life: Life, to: Identity) -> Vec<u8> {
        let header = FocaHeader {
            src: self.sender.into_identity(from, life),
            src_incarnation: self.refutation,
            dst: to,
            message: self.message,
        };
        let mut out = Vec::new();
        put_foca_header(&mut out, &header);
        if !self.updates.is_empty() {
            parts::put_list(&mut out, &self.updates, parts::put_member);
        }
        out
    }
}

/// The layout that foca sees.
#[derive(Debug, Clone, Copy)]
pub struct Codec;

/// An item is longer than the room that foca has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No room is left in the datagram.
    #[error("no room is left in the datagram")]
    Full,
    /// What was to be read is malformed.
    #[error("it is malformed")]
    Malformed(#[source] Malformed),
}

impl foca::Codec<Identity> for Codec {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &FocaHeader<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        put_whole(buf, |out| put_foca_header(out, header))
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<FocaHeader<Identity>, CodecError> {
        get(buf, foca_header)
    }

    fn encode_member(&mut self, member: &Peer, buf: impl BufMut) -> Result<(), CodecError> {
        put_whole(buf, |out| parts::put_member(out, member))
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Peer, CodecError> {
        get(buf, parts::member)
    }
}

/// Writes an item whole or not at all.
fn put_whole(mut buf: impl BufMut, write: impl Fn(&mut Vec<u8>)) -> Result<(), CodecError> {
    let mut item = Vec::new();
    write(&mut item);
    if buf.remaining_mut() < item.len() {
        return Err(CodecError::Full);
    }
    buf.put_slice(&item);
    Ok(())
}

fn get<T>(
    mut buf: impl Buf,
    read: impl Fn(&mut Reader) -> Result<T, Malformed>,
) -> Result<T, CodecError> {
    let mut reader = Reader::new(buf.chunk());
    let before = reader.left();
    let item = read(&mut reader).map_err(CodecError::Malformed)?;
    let used = before - reader.left();
    buf.advance(used);
    Ok(item)
}

fn put_foca_header(out: &mut impl Write, header: &FocaHeader<Identity>) {
    parts::put_identity(out, &header.src);
    out.put_u16(header.src_incarnation);
    parts::put_identity(out, &header.dst);
    put_message(out, &header.message);
}

fn foca_header(reader: &mut Reader) -> Result<FocaHeader<Identity>, Malformed> {
    Ok(FocaHeader {
        src: parts::identity(reader)?,
        src_incarnation: reader.u16()?,
        dst: parts::identity(reader)?,
        message: message(reader)?,
    })
}

fn put_message(out: &mut impl Write, message: &FocaMessage<Identity>) {
    let mut about = |tag, who: &Identity, number| {
        out.put_u8(tag);
        parts::put_identity(out, who);
        out.put_u8(number);
    };
    match message {
        FocaMessage::Ping(number) => out.put(&[1, *number]),
        FocaMessage::Ack(number) => out.put(&[2, *number]),
        FocaMessage::PingReq {
            target,
            probe_number,
        } => about(3, target, *probe_number),
        FocaMessage::IndirectPing {
            origin,
            probe_number,
        } => about(4, origin, *probe_number),
        FocaMessage::IndirectAck {
            target,
            probe_number,
        } => about(5, target, *probe_number),
        FocaMessage::ForwardedAck {
            origin,
            probe_number,
        } => about(6, origin, *probe_number),
        FocaMessage::Announce => out.put_u8(7),
        FocaMessage::Feed => out.put_u8(8),
        FocaMessage::Gossip => out.put_u8(9),
        FocaMessage::TurnUndead => out.put_u8(10),
        // Never sent: foca's own broadcasts are not used. Reading it is refused.
        FocaMessage::Broadcast => out.put_u8(0),
    }
}

fn message(reader: &mut Reader) -> Result<FocaMessage<Identity>, Malformed> {
    let tag = reader.u8()?;
    let (target, probe_number) = match tag {
        1 => return Ok(FocaMessage::Ping(reader.u8()?)),
        2 => return Ok(FocaMessage::Ack(reader.u8()?)),
        3..=6 => (parts::identity(reader)?, reader.u8()?),
        7 => return Ok(FocaMessage::Announce),
        8 => return Ok(FocaMessage::Feed),
        9 => return Ok(FocaMessage::Gossip),
        10 => return Ok(FocaMessage::TurnUndead),
        _ => return Err(Malformed::Tag),
    };
    let origin = target.clone();
    Ok(match tag {
        3 => FocaMessage::PingReq {
            target,
            probe_number,
        },
        4 => FocaMessage::IndirectPing {
            origin,
            probe_number,
        },
        5 => FocaMessage::IndirectAck {
            target,
            probe_number,
        },
        _ => FocaMessage::ForwardedAck {
            origin,
            probe_number,
        },
    })
}
