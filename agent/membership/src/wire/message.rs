//! The body of a datagram.

use kerf_types::HostId;

use super::{
    Confirm, Delta, Malformed, Profile, Reader, Silent, Swim, Versions, Write, extras, parts,
};
use crate::Life;
use crate::digest::BUCKETS;

/// Length of a hello's body: no welcome is longer (a name of 63 bytes and two IPv6 addresses make 103).
pub const HELLO_BYTES: usize = 128;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// SWIM's own.
    Swim(Swim),
    /// A host that wants to join asks who is there.
    Hello(Profile),
    /// The answer to a hello.
    Welcome(Profile),
    /// Hashes of all that the sender knows.
    Digest([u32; BUCKETS]),
    /// What the sender knows of the buckets that differ.
    Versions(Versions),
    /// Members, offers, wants, records.
    Delta(Delta),
    /// The receiver is suspected in this life, at this refutation.
    Suspected(HostId, Life, u16),
    /// Whom the receiver had us probe is silent here as well.
    Silent(Silent),
    /// A suspect did not answer another host either.
    Confirm(Confirm),
    /// Hosts that an operator had removed from the fleet's lists, each in the life that it was dead in.
    Forgotten(Vec<(HostId, Life)>),
}

impl Message {
    /// The version of the layout that knows this message. Whoever does not read it must not get it.
    pub fn version(&self) -> u8 {
        match self {
            Self::Silent(_) | Self::Confirm(_) | Self::Forgotten(_) => 2,
            _ => 1,
        }
    }

    /// Appends the body.
    pub fn write(&self, out: &mut impl Write) {
        match self {
            Self::Swim(swim) => {
                out.put_u8(1);
                swim.write(out);
            }
            Self::Hello(profile) => {
                let mut length = super::Measure::default();
                parts::put_profile(&mut length, &profile.name, profile.gossip, profile.api);
                out.put_u8(2);
                parts::put_profile(out, &profile.name, profile.gossip, profile.api);
                for _ in length.0 + 1..HELLO_BYTES {
                    out.put_u8(0);
                }
            }
            Self::Welcome(profile) => {
                out.put_u8(3);
                parts::put_profile(out, &profile.name, profile.gossip, profile.api);
            }
            Self::Digest(hashes) => {
                out.put_u8(4);
                for hash in hashes {
                    out.put_u32(*hash);
                }
            }
            Self::Versions(versions) => {
                out.put_u8(5);
                versions.write(out);
            }
            Self::Delta(delta) => {
                out.put_u8(6);
                delta.write(out);
            }
            Self::Suspected(host, life, refutation) => {
                out.put_u8(7);
                parts::put_host(out, *host);
                parts::put_life(out, *life);
                out.put_u16(*refutation);
            }
            Self::Silent(silent) => {
                out.put_u8(8);
                silent.write(out);
            }
            Self::Confirm(confirm) => {
                out.put_u8(9);
                confirm.write(out);
            }
            Self::Forgotten(hosts) => {
                out.put_u8(10);
                extras::put_forgotten(out, hosts);
            }
        }
    }

    /// Reads a body that is one message and nothing else.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let message = Self::read_kind(&mut reader, body.len())?;
        reader.finish()?;
        Ok(message)
    }

    fn read_kind(reader: &mut Reader, length: usize) -> Result<Self, Malformed> {
        Ok(match reader.u8()? {
            1 => Self::Swim(Swim::read(reader)?),
            2 => {
                let profile = parts::profile(reader)?;
                if length != HELLO_BYTES || reader.rest().iter().any(|byte| *byte != 0) {
                    return Err(Malformed::Trailing);
                }
                Self::Hello(profile)
            }
            3 => Self::Welcome(parts::profile(reader)?),
            4 => {
                let mut hashes = [0; BUCKETS];
                for hash in &mut hashes {
                    *hash = reader.u32()?;
                }
                Self::Digest(hashes)
            }
            5 => Self::Versions(Versions::read(reader)?),
            6 => Self::Delta(Delta::read(reader)?),
            7 => Self::Suspected(parts::host(reader)?, parts::life(reader)?, reader.u16()?),
            8 => Self::Silent(Silent::read(reader)?),
            9 => Self::Confirm(Confirm::read(reader)?),
            10 => Self::Forgotten(extras::forgotten(reader)?),
            _ => return Err(Malformed::Tag),
        })
    }
}
