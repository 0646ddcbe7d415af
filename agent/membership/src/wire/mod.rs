//! The bytes of gossip, versions 1 and 2: how they are laid out, written, and read from hands that nobody vouches for.
//!
//! It owns the layout of datagrams and of the answers to pulls. It never decides what a message means. Numbers
//! are big-endian; `varint` is seven bits a byte, low ones first, in its shortest form, at most 64 bits.
//! Reading allocates no more than a small multiple of the datagram, whatever its counts say.
//!
//! # Datagram
//! At most [`MAX_DATAGRAM`] bytes. The header is associated data of the seal, the rest is the sealed body.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 2 | `6b 67`, "kg" |
//! | 2 | 1 | version of this datagram's layout: between [`OLDEST_VERSION`] and [`VERSION`] of the reader |
//! | 3 | 1 | newest version that the sender reads; at least the byte before. A sender of a newer release uses the older of both sides' newest, so that releases N and N-1 understand each other |
//! | 4 | 16 | cluster id |
//! | 20 | 16 | host id of the sender |
//! | 36 | 8 | incarnation of the sender |
//! | 44 | 4 | renewal of the sender |
//! | 48 | n | body, as the sealer left it (plain: as it is) |
//!
//! # Parts
//! | part | layout |
//! |---|---|
//! | `address` | family `04` or `06` u8, IP 4 or 16, port u16 |
//! | `profile` | length of the name u8 (1 to 63), the name, gossip `address`, then the API's: `00` = the same, `01` + port u16 = the same IP, else `address` |
//! | `life` | incarnation varint, renewal varint (at most 32 bits) |
//! | `identity` | host 16, `life`, `profile` |
//! | `member` | `identity`, refutation u16 (SWIM's own incarnation), state u8: 0 alive, 1 suspect, 2 down |
//! | `stamp` | incarnation varint, version varint |
//! | `known` | host 16, `life`, `stamp` (version 0: no record), length of the payload varint |
//! | `record` | host 16, `stamp`, flags u8 (bit 0: left, bit 1: signed), age in ms varint, length varint (at most 8,192), payload, then if signed: length u8 (at least 1), proof |
//! | `list of x` | count u16, then the items |
//!
//! # Body
//! One byte of kind, then:
//!
//! | kind | name | layout |
//! |---|---|---|
//! | 1 | swim | `profile` of the sender, refutation u16, host 16 and `life` of the receiver, one SWIM message, `list of member` |
//! | 2 | hello | `profile`, then zeros up to [`HELLO_BYTES`] of body: an answer is never longer than the question, so that nobody is flooded by way of us |
//! | 3 | welcome | `profile` |
//! | 4 | digest | 64 × u32: XOR over the hosts of each bucket |
//! | 5 | versions | count of spans u8; a span is bucket u8, flags u8 (bit 0: a part), then for a part the first and last host id 16 + 16, then `list of known`: all that the sender knows of it |
//! | 6 | delta | `list of member`, `list of known` (offers), list of host ids (wants), `list of record` |
//! | 7 | suspected | host 16 and `life` of the receiver, refutation u16 |
//! | 8 | silent | host 16 of whom the receiver had us probe, number u8 of that probe: no answer came here either |
//! | 9 | confirm | host 16 of one who got no answer, then of the suspect: host 16, `life`, refutation u16 |
//! | 10 | forgotten | list of: host 16, `life` |
//!
//! Kinds 8 and on are of version 2. They are sent in datagrams of that version, and only to hosts that read it; all
//! others are laid out as in version 1 and sent as such.
//!
//! A SWIM message is a tag u8 and: 1 ping, 2 ack: number u8; 3 ping-req, 4 indirect ping, 5 indirect ack,
//! 6 forwarded ack: `identity`, number u8; 7 announce, 8 feed, 9 gossip, 10 turn-undead: nothing.
//!
//! # Pull
//! The question is `00` for everything, `01` with a list of host ids, or `02` with a list of `known` for whatever
//! is newer; the answer is version u8, a list of `member`, a list of `record`. Their lists are counted by u32.
//! Both travel in a stream between authenticated peers.

mod delta;
mod envelope;
mod extras;
mod message;
pub(crate) mod parts;
mod read;
mod swim;
mod versions;
mod write;

pub use delta::Delta;
pub use envelope::{HEADER_BYTES, Header};
pub use extras::{Confirm, Silent};
pub use message::{HELLO_BYTES, Message};
pub(crate) use parts::MIN_KNOWN;
pub use parts::{Known, MIN_MEMBER, MIN_RECORD, Peer, PeerState, Profile};
pub use read::Reader;
pub use swim::{Codec, Swim};
pub use versions::{Span, Versions};
pub use write::{Measure, Write};

/// Longest datagram in bytes: an Ethernet frame less the headers of IPv6, UDP and a tunnel around them. A
/// longer one would be cut in pieces, and is lost when one of them is.
pub const MAX_DATAGRAM: usize = 1_400;

/// Newest layout that is read and written.
pub const VERSION: u8 = 2;

/// Oldest layout that is still read.
pub const OLDEST_VERSION: u8 = 1;

/// What is wrong with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    /// They end in the middle of something.
    #[error("it ends in the middle")]
    Truncated,
    /// Something follows the end.
    #[error("something follows its end")]
    Trailing,
    /// A number is not in its shortest form or too large.
    #[error("a number is not well formed")]
    Number,
    /// More things are announced than can be there.
    #[error("a count exceeds what is there")]
    Count,
    /// A kind, tag, state or flag that has no meaning.
    #[error("a tag has no meaning")]
    Tag,
    /// A name that no host can have.
    #[error("a host name is not one")]
    Name,
    /// An address that is not one host's.
    #[error("an address is not one host's")]
    Address,
    /// A payload longer than a record may have.
    #[error("a record is too large")]
    Record,
    /// A list is not sorted, or names something outside of its bounds.
    #[error("a list is not in order")]
    Order,
}
