//! The seam where datagrams are sealed: everything after the header goes through a [`Sealer`].
//!
//! The header is handed in as associated data, so a sealer binds the cluster, the sender and its life to
//! the body without sending anything twice. Keys, nonces and replay windows are the sealer's own.

use std::fmt;

use crate::wire::Header;

/// Why a body could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum OpenError {
    /// It is shorter than what sealing adds.
    #[error("it is too short to be sealed")]
    Truncated,
    /// It names a key that is not in the keyring: a stranger's, one that was removed, or one not here yet.
    #[error("its key is not known here")]
    UnknownKey,
    /// It was changed on its way, or its maker does not have the key that it names.
    #[error("it is forged")]
    Forged,
    /// It came before.
    #[error("it came before")]
    Replayed,
    /// So many came after it that nobody can tell whether it came before.
    #[error("it is too old to tell whether it came before")]
    TooOld,
    /// Its sender has begun a later life since.
    #[error("it is of an earlier life of its sender")]
    EarlierLife,
    /// No more senders are remembered, and this one is new.
    #[error("no more senders can be remembered")]
    Full,
}

impl OpenError {
    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Truncated => "too_short",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Replayed => "replayed",
            Self::TooOld => "too_old",
            Self::EarlierLife => "earlier_life",
            Self::Full => "senders_full",
        }
    }
}

/// Why a body could not be sealed. It is not sent then: never in the clear, never under a nonce that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Every nonce of this life was used. A used one must never come again.
    #[error("every nonce of this life was used")]
    Exhausted,
    /// There is no key that seals.
    #[error("there is no key to seal with")]
    NoKey,
}

/// Seals and opens the bodies of datagrams.
pub trait Sealer: fmt::Debug + Send {
    /// Bytes that sealing adds to a body, the same for all. The size of every datagram is computed with it.
    fn overhead(&self) -> usize;

    /// Appends the sealed `body` to `out`. `header` is what will stand before it, byte by byte, and says what
    /// `sender` says.
    fn seal(
        &mut self,
        sender: &Header,
        header: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError>;

    /// Appends the opened body to `out`, if it was sealed by a holder of the key for the sender that `sender`
    /// names under these `header` bytes, and was not seen before.
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

    fn seal(
        &mut self,
        _sender: &Header,
        _header: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        out.extend_from_slice(body);
        Ok(())
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
