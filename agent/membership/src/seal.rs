//! The seam where datagrams are sealed: everything after the header goes through a [`Sealer`].
//!
//! The header is handed in as associated data, so a sealer binds the cluster, the sender and its life to
//! the body without sending anything twice. Keys, nonces and replay windows are the sealer's own.

use std::fmt;

use crate::wire::Header;

/// A body that could not be opened: forged, replayed, or sealed with a key that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the datagram cannot be opened")]
pub struct OpenError;

/// Seals and opens the bodies of datagrams.
pub trait Sealer: fmt::Debug + Send {
    /// Bytes that sealing adds to a body, the same for all. The size of every datagram is computed with it.
    fn overhead(&self) -> usize;

    /// Appends the sealed `body` to `out`. `header` is what will stand before it, byte by byte.
    fn seal(&mut self, header: &[u8], body: &[u8], out: &mut Vec<u8>);

    /// Appends the opened body to `out`, if it was sealed by the sender that `sender` names under these
    /// `header` bytes and was not seen before.
    fn open(
        &mut self,
        sender: &Header,
        header: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OpenError>;
}

/// How the fleet's datagrams are protected.
#[derive(Debug)]
pub enum Security {
    /// By a sealer.
    Sealed(Box<dyn Sealer>),
    /// Not at all: whoever reaches the port can say anything in any host's name. For a developer's own
    /// machine and for the simulation.
    InsecurePlain,
}

impl Security {
    pub(crate) fn into_sealer(self) -> Box<dyn Sealer> {
        match self {
            Self::Sealed(sealer) => sealer,
            Self::InsecurePlain => Box::new(Plain),
        }
    }
}

/// Leaves bodies as they are. Private: it is reached by [`Security::InsecurePlain`] alone.
#[derive(Debug)]
struct Plain;

impl Sealer for Plain {
    fn overhead(&self) -> usize {
        0
    }

    fn seal(&mut self, _header: &[u8], body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(body);
    }

    fn open(
        &mut self,
        _sender: &Header,
        _header: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        out.extend_from_slice(sealed);
        Ok(())
    }
}
