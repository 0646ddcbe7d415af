//! Who belongs to a fleet: its CA, the certificates of hosts, tokens to join with, and who was put out.
//!
//! It owns the forms of all four and the rules by which they are believed. Pure: the time and random bytes are
//! arguments; it opens no file and no connection. It never decides who may have a token: an operator does.
//!
//! # What proves what
//! - **The CA's certificate** is the fleet. Whoever knows its hash knows whom to ask: a [`Token`] carries it.
//! - **A host's certificate** says for about a day that a key is a host's. The name in it is the host's id in gossip,
//!   so TLS and gossip can never speak of different hosts. A [`kerf_seal::Statement`] says the same in 105 bytes, for
//!   records; both are made together, of one key.
//! - **A token** lets one key of one host in, once, until it ends. Whoever reads the ledger of tokens learns none.
//! - **The list of revoked hosts** is the CA's word that a host is out for good, whatever its certificate says.
//!   It has a version and only grows, so no relay can take a host off it or hand out an older one.
//!
//! # Names in a certificate
//! | where | of a host | of the CA |
//! |---|---|---|
//! | URI | `kerf://CLUSTER/HOST` | `kerf://CLUSTER/ca/NAME` |
//! | DNS | `HOST.CLUSTER.kerf.internal` | none |
//!
//! `CLUSTER` is 32 hexadecimal digits, `HOST` a UUID. Each stands there once and nothing else does. `internal` is
//! reserved for private use by ICANN, so no public CA ever signs such a name.
//!
//! All keys are Ed25519 (RFC 8032): a key is made of any 32 random bytes, signing needs no randomness, and the CA's key
//! signs certificates, statements and lists, each with first bytes of its own.
//!
//! | module | what it holds |
//! |---|---|
//! | `key` | a secret key |
//! | `name` | names of fleets and hosts as certificates have them |
//! | `authority`, `certificate` | issuing, and verifying |
//! | `document` | what a member keeps of itself, as bytes |
//! | `enrolment` | the proof that whoever asks for a certificate has the key |
//! | `token`, `ledger` | tokens as text, and what their maker keeps of them |
//! | `holders` | who has a certificate, so that nobody joins in another's name |
//! | `revoked` | the list of revoked hosts |

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod authority;
mod certificate;
mod document;
mod enrolment;
mod hex;
mod holders;
mod key;
mod ledger;
mod name;
mod revoked;
mod token;

pub use authority::{Authority, AuthorityError, Issued, LIFETIME_MAX_S, LIFETIME_MIN_S, SKEW_S};
pub use certificate::{CERTIFICATE_LIMIT, CaCertificate, CertificateError, Side};
pub use document::{Contacts, MEMBERSHIP_LIMIT, Membership, MembershipError};
pub use enrolment::{PROOF_BYTES, Purpose, is_proof, prove};
pub use holders::{HOLDERS_LIMIT, HolderError, Holders};
pub use key::{KeyError, PublicKey, SEED_BYTES, SecretKey};
pub use ledger::{
    Entry, LEDGER_LIMIT, Ledger, LedgerError, MAX_TOKENS, RedeemError, TTL_MAX_S, TTL_MIN_S, Used,
};
pub use name::{ClusterName, ClusterNameError, cluster_text, server_name};
pub use revoked::{MAX_REVOKED, REVOKED_LIMIT, Revoked, RevokedError};
pub use token::{CA_HASH_BYTES, SECRET_BYTES, Token, TokenError, TokenId};

#[cfg(test)]
mod tests;
