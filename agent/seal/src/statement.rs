//! Whose key is whose: a short statement by the fleet's CA, which travels with each record.
//!
//! A certificate in X.509 says the same and is ten times as long; this one goes in every record of gossip. It is
//! signed by the CA's Ed25519 key (RFC 8032) over the fleet, the host, the key and the last second of its time.

use std::fmt;

use kerf_membership::ClusterId;
use kerf_types::HostId;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Length of an Ed25519 public key.
pub(crate) const PUBLIC_KEY: usize = 32;

/// Length of an Ed25519 signature.
pub(crate) const SIGNATURE: usize = 64;

/// Length of a statement: version, key, time, signature. The host stands in the record.
pub const STATEMENT_BYTES: usize = 1 + PUBLIC_KEY + 8 + SIGNATURE;

/// The layout.
const VERSION: u8 = 1;

/// First bytes of what the CA signs, so that its signature over anything else never fits.
const DOMAIN: &[u8] = b"kerf statement v1\0";

/// How long after its time a statement is still taken: clocks of two hosts may differ by minutes.
const SKEW_S: u64 = 300;

/// A statement that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Its bytes are no statement.
    #[error("a statement has {STATEMENT_BYTES} bytes and begins with {VERSION}")]
    Malformed,
    /// Its time is over.
    #[error("it was good until second {not_after_s}")]
    Expired {
        /// Seconds since 1970.
        not_after_s: u64,
    },
    /// The CA has not signed it, for this host and this fleet.
    #[error("the CA of this fleet has not signed it for this host")]
    Signature,
    /// Bytes that are no Ed25519 key.
    #[error("it is no Ed25519 key")]
    Key,
}

/// "This key is this host's, until then", by the CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The host's Ed25519 key.
    pub public_key: [u8; PUBLIC_KEY],
    /// The last second of its time, since 1970.
    pub not_after_s: u64,
    signature: [u8; SIGNATURE],
}

impl Statement {
    /// Its bytes: version, key, time big-endian, signature.
    pub fn to_bytes(&self) -> [u8; STATEMENT_BYTES] {
        let time = self.not_after_s.to_be_bytes();
        let parts = [
            &[VERSION],
            self.public_key.as_slice(),
            &time,
            &self.signature,
        ];
        let mut bytes = [0; STATEMENT_BYTES];
        for (byte, from) in bytes.iter_mut().zip(parts.concat()) {
            *byte = from;
        }
        bytes
    }

    /// Reads a statement. It is not verified.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        Self::read(bytes).ok_or(StatementError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (public_key, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        Some(Self {
            public_key: *public_key,
            not_after_s: u64::from_be_bytes(*time),
            signature: rest.try_into().ok()?,
        })
    }

    /// Whether its time is over at this second since 1970.
    pub fn is_over(&self, now_s: u64) -> bool {
        now_s > self.not_after_s.saturating_add(SKEW_S)
    }

    /// Whether the CA with this key has said so of this host of this fleet, and it still holds.
    pub fn verify(
        &self,
        authority: &[u8; PUBLIC_KEY],
        cluster: ClusterId,
        host: HostId,
        now_s: u64,
    ) -> Result<(), StatementError> {
        if self.is_over(now_s) {
            let not_after_s = self.not_after_s;
            return Err(StatementError::Expired { not_after_s });
        }
        let signed = signed(cluster, host, &self.public_key, self.not_after_s);
        verify(authority, &signed, &self.signature).ok_or(StatementError::Signature)
    }
}

/// The CA's key, on the host that issues.
pub struct Authority {
    cluster: ClusterId,
    pair: Ed25519KeyPair,
}

impl Authority {
    /// The CA of this fleet, by the 32 random bytes of an Ed25519 key.
    pub fn from_seed(cluster: ClusterId, seed: &[u8; 32]) -> Result<Self, StatementError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| StatementError::Key)?;
        Ok(Self { cluster, pair })
    }

    /// The CA of this fleet, by its Ed25519 key in PKCS #8 (RFC 8410), as certificates' tools keep it.
    pub fn from_pkcs8(cluster: ClusterId, key: &[u8]) -> Result<Self, StatementError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key);
        let pair = pair.map_err(|_| StatementError::Key)?;
        Ok(Self { cluster, pair })
    }

    /// What every member must know of it.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY] {
        public_key(&self.pair)
    }

    /// States that a key is a host's until a second since 1970. The caller has made sure that it is.
    pub fn issue(&self, host: HostId, public_key: [u8; PUBLIC_KEY], not_after_s: u64) -> Statement {
        let bytes = signed(self.cluster, host, &public_key, not_after_s);
        Statement {
            public_key,
            not_after_s,
            signature: sign(&self.pair, &bytes),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

fn signed(cluster: ClusterId, host: HostId, key: &[u8; PUBLIC_KEY], not_after_s: u64) -> Vec<u8> {
    let (cluster, host) = (cluster.0.to_be_bytes(), host.bits().to_be_bytes());
    [DOMAIN, &cluster, &host, key, &not_after_s.to_be_bytes()].concat()
}

pub(crate) fn public_key(pair: &Ed25519KeyPair) -> [u8; PUBLIC_KEY] {
    let bytes = pair.public_key().as_ref().try_into();
    // ring's Ed25519 keys have 32 bytes; of another length none would verify anything.
    bytes.unwrap_or([0; PUBLIC_KEY])
}

pub(crate) fn sign(pair: &Ed25519KeyPair, bytes: &[u8]) -> [u8; SIGNATURE] {
    // As above: 64 bytes, and zeros verify nowhere.
    pair.sign(bytes)
        .as_ref()
        .try_into()
        .unwrap_or([0; SIGNATURE])
}

pub(crate) fn verify(key: &[u8; PUBLIC_KEY], bytes: &[u8], signature: &[u8]) -> Option<()> {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(bytes, signature)
        .ok()
}
