//! The proof that whoever asks for a certificate has the key that it is to be for.
//!
//! The key signs the CA's hash, the host's id and what it asks for, so an answer to one question fits no other: nobody
//! gets a certificate for a key that he only saw.

use kerf_types::HostId;

use crate::key::{PublicKey, SecretKey, is_signed};
use crate::token::{CA_HASH_BYTES, TokenId};

/// Length of a proof.
pub const PROOF_BYTES: usize = 64;

/// First bytes of what is signed, so that a signature over anything else never fits.
const DOMAIN: &[u8] = b"kerf enrolment v1\0";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A first certificate, with this token.
    Join(TokenId),
    /// The next one.
    Renew,
}

/// The proof by this key.
pub fn prove(
    key: &SecretKey,
    ca_hash: &[u8; CA_HASH_BYTES],
    host: HostId,
    purpose: Purpose,
) -> Vec<u8> {
    key.sign(&signed(ca_hash, host, purpose))
}

/// Whether whoever has the secret half of this key asks for it.
pub fn is_proof(
    proof: &[u8],
    key: &PublicKey,
    ca_hash: &[u8; CA_HASH_BYTES],
    host: HostId,
    purpose: Purpose,
) -> bool {
    is_signed(key, &signed(ca_hash, host, purpose), proof)
}

fn signed(ca_hash: &[u8; CA_HASH_BYTES], host: HostId, purpose: Purpose) -> Vec<u8> {
    let host = host.bits().to_be_bytes();
    match purpose {
        Purpose::Join(token) => [DOMAIN, b"join", ca_hash, &host, token.bytes()].concat(),
        Purpose::Renew => [DOMAIN, b"renew", ca_hash, &host].concat(),
    }
}
