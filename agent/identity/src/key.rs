//! A secret Ed25519 key, of a host or of the CA.
//!
//! The 32 bytes that it is made of are zeroed when it is dropped and never shown. What `ring` keeps of it is not, as
//! that crate offers no way.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::hex;

/// Length of the random bytes that a key is made of.
pub const SEED_BYTES: usize = 32;

/// What stands before the 32 bytes in PKCS #8 of version 1 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The public half of a key.
pub type PublicKey = [u8; 32];

/// Something is no key. What it is stays unsaid: it may be most of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Text that is no key.
    #[error("a key is {} hexadecimal digits in lower case", SEED_BYTES * 2)]
    Digits,
    /// Bytes that ring does not take.
    #[error("it is no Ed25519 key")]
    Refused,
}

/// A secret key.
pub struct SecretKey {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SecretKey {
    /// The key of these bytes, which must be random.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Refused)?;
        let public = pair.public_key().as_ref().try_into();
        Ok(Self {
            seed: Zeroizing::new(*seed),
            public: public.map_err(|_| KeyError::Refused)?,
            pair,
        })
    }

    /// Reads what [`SecretKey::to_text`] has written.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let seed = hex::read(text.trim_end_matches('\n')).ok_or(KeyError::Digits)?;
        Self::from_seed(&seed)
    }

    /// Its 64 hexadecimal digits and a line feed. They are secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        // With room for all, so that no shorter copy is left behind when it grows.
        let mut out = Zeroizing::new(String::with_capacity(SEED_BYTES * 2 + 1));
        hex::put(self.seed.as_slice(), &mut out);
        out.push('\n');
        out
    }

    /// PKCS #8 (RFC 8410), as TLS libraries take it. It is secret.
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(PKCS8.len() + SEED_BYTES));
        out.extend_from_slice(&PKCS8);
        out.extend_from_slice(self.seed.as_slice());
        out
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", hex::text(&self.public))
    }
}

impl rcgen::PublicKeyData for SecretKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for SecretKey {
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Self::sign(self, bytes))
    }
}

/// A public key in a certificate that is about to be made.
pub(crate) struct Subject(pub PublicKey);

impl rcgen::PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

pub(crate) fn is_signed(key: &PublicKey, bytes: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(bytes, signature).is_ok()
}
