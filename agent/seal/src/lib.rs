//! Gossip that strangers can neither read nor write, and records that no relay can change.
//!
//! It owns the fleet's keys in memory, the sealing of datagrams, the memory of what was seen, and the signatures
//! of records. Pure: randomness, the wall time and what other hosts have are arguments. It never decides who may
//! be a member, opens no file and sends nothing.
//!
//! # What proves what
//! - **A key of the keyring proves membership, not identity.** All members hold the same keys, so whoever can open
//!   a datagram could have made it, in any member's name. It keeps strangers and neighbouring fleets out.
//! - **A signature proves identity.** Each record is signed by its writer's own key, and a [`Statement`] of the
//!   fleet's CA says whose key that is. A member that relays a record, or seals in another's name, can neither
//!   change nor make one.
//! - Even so gossip is a hint. A grant is made by its owner, over a connection that proves both ends.
//!
//! # Nonces
//! A datagram is sealed by ChaCha20-Poly1305 (RFC 8439) with a sub-key of its own for each (key, fleet, sender,
//! incarnation), by HKDF-SHA256 (RFC 5869), and a counter of 64 bits as nonce that starts at 1 in each life of the
//! process. An incarnation never comes again, by the membership's word, so no nonce is used twice under a sub-key,
//! whatever is restarted; a counter that has come to its end seals nothing more. What this cannot see is a machine
//! that is snapshot while it runs and goes on twice.
//!
//! # Layout of a sealed body
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | key id, big-endian |
//! | 4 | 8 | counter, big-endian, from 1 |
//! | 12 | n | the body, encrypted |
//! | 12 + n | 16 | tag over the header of the datagram, the encrypted body and both lengths |
//!
//! Key id and counter are bound as well: another id takes another key, and the counter is the nonce.
//!
//! | module | what it holds |
//! |---|---|
//! | `key`, `keyring` | keys, and which of them is used |
//! | `rotation` | when a key may be used and when removed, by what the other hosts have |
//! | `document` | the keyring as bytes |
//! | `handle` | one keyring for whoever changes it and whoever seals |
//! | `sealer`, `replay` | sealing, opening, and what was seen |
//! | `statement`, `signer` | whose key is whose, and the signatures of records |

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod document;
mod handle;
mod key;
mod keyring;
mod replay;
mod rotation;
mod sealer;
mod signer;
mod statement;

pub use document::{DOCUMENT_LIMIT, DocumentError, SCHEMA};
pub use handle::KeyringHandle;
pub use key::{KEY_BYTES, Key, KeyError, KeyId};
pub use keyring::{Keyring, KeyringError, Listed, MAX_KEYS, Use};
pub use rotation::{HostKeys, RotationError, may_remove, may_use};
pub use sealer::{AeadSealer, OVERHEAD};
pub use signer::{SEED_BYTES, Signer, Trust, WallClock};
pub use statement::{Authority, STATEMENT_BYTES, Statement, StatementError};

#[cfg(test)]
mod tests;
