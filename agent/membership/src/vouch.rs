//! The seam where records are signed: each by its writer, and looked at before it is taken.
//!
//! A key that the fleet shares proves that a datagram is a member's, never which member's: whoever can open
//! can seal. Records pass through many hands, so each carries a proof of its own that its writer made, and no
//! relay can make another's. What a proof is, and how a host's key is known to be its own, is the [`Voucher`]'s.

use std::fmt;
use std::sync::Arc;

use crate::{ClusterId, Record};

/// Longest proof in bytes: its length is one byte. With a proof this long, two records of 200 bytes fit in a datagram.
pub const MAX_PROOF: usize = 255;

/// First bytes of what is signed, so that a signature over anything else never fits.
const DOMAIN: &[u8] = b"kerf record v1\0";

/// What shows that a record is its writer's. Opaque here; empty where records are not signed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof(Arc<[u8]>);

impl Proof {
    /// Takes these bytes, if there are at most [`MAX_PROOF`].
    pub fn try_new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_PROOF).then(|| Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a record's proof was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ProofError {
    /// It has none, and here every record must have one.
    #[error("it is not signed")]
    Missing,
    /// It is not made of what a proof is made of.
    #[error("its proof is malformed")]
    Malformed,
    /// Nobody whom this fleet trusts has said that the key is the host's.
    #[error("its key is not known to be its writer's")]
    Unbound,
    /// It was said, for a time that is over.
    #[error("the word that its key is its writer's has expired")]
    Expired,
    /// It was said and taken back.
    #[error("its writer was revoked")]
    Revoked,
    /// The key did not sign this.
    #[error("its signature is wrong")]
    Signature,
}

impl ProofError {
    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "unsigned",
            Self::Malformed => "proof",
            Self::Unbound => "key",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Signature => "signature",
        }
    }
}

/// Signs this host's records and looks at others'.
pub trait Voucher: fmt::Debug + Send {
    /// Longest proof that [`Voucher::prove`] makes. What fits in a datagram is computed with it.
    fn proof_bytes(&self) -> usize;

    /// The proof for these bytes of this host's own record. Bytes are those of [`signed_bytes`].
    fn prove(&mut self, bytes: &[u8]) -> Proof;

    /// Whether `proof` shows that the host signed these bytes.
    fn check(
        &mut self,
        host: kerf_types::HostId,
        bytes: &[u8],
        proof: &Proof,
    ) -> Result<(), ProofError>;
}

/// How records are known to be their writers'.
#[derive(Debug, Default)]
pub enum Vouching {
    /// By a voucher.
    Signed(Box<dyn Voucher>),
    /// Not at all: a member may invent any other's records. They still misplace no more than a hint can.
    #[default]
    Unsigned,
}

impl Vouching {
    pub(crate) fn into_voucher(self) -> Box<dyn Voucher> {
        match self {
            Self::Signed(voucher) => voucher,
            Self::Unsigned => Box::new(Credulous),
        }
    }
}

/// Signs nothing and believes everything. Private: it is reached by [`Vouching::Unsigned`] alone.
#[derive(Debug)]
struct Credulous;

impl Voucher for Credulous {
    fn proof_bytes(&self) -> usize {
        0
    }

    fn prove(&mut self, _bytes: &[u8]) -> Proof {
        Proof::default()
    }

    fn check(
        &mut self,
        _host: kerf_types::HostId,
        _bytes: &[u8],
        _proof: &Proof,
    ) -> Result<(), ProofError> {
        Ok(())
    }
}

/// What a writer signs: the fleet, itself, the stamp, whether it leaves, and the payload, each of a fixed
/// length but the last. The age is not in it: every relay adds to that.
pub fn signed_bytes(cluster: ClusterId, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DOMAIN.len() + 49 + record.payload.len());
    bytes.extend_from_slice(DOMAIN);
    bytes.extend_from_slice(&cluster.0.to_be_bytes());
    bytes.extend_from_slice(&record.host.bits().to_be_bytes());
    bytes.extend_from_slice(&record.stamp.incarnation.0.to_be_bytes());
    bytes.extend_from_slice(&record.stamp.version.to_be_bytes());
    bytes.push(u8::from(record.left));
    bytes.extend_from_slice(record.payload.as_bytes());
    bytes
}
