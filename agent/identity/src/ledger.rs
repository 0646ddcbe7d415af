//! What the maker of tokens keeps of them: hashes, ends, and who used them.
//!
//! ```text
//!           create              redeem (one key of one host)
//! (none) ──────────► open ───────────────────────────────────► used
//!                     │ its end, revoke                          │ a week after its end
//!                     └──────────────► (none) ◄──────────────────┘
//! ```
//! A host whose answer was lost asks again with the same key and is answered again until the token ends: it is the same
//! use. Anybody else is told by whom it was used.

use std::collections::BTreeMap;

use kerf_types::HostId;
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::key::PublicKey;
use crate::token::{Token, TokenId, hash_of};

/// Shortest and longest time that a token is good for, in seconds.
pub const TTL_MIN_S: u64 = 10;
/// See [`TTL_MIN_S`].
pub const TTL_MAX_S: u64 = 7 * 24 * 3_600;

/// Most tokens that are kept.
pub const MAX_TOKENS: usize = 1_024;

/// Longest document that is read.
pub const LEDGER_LIMIT: usize = 1 << 20;

/// How long a token that ended is kept, so that whoever comes late is told why.
const KEPT_S: u64 = 7 * 24 * 3_600;

const SCHEMA: &str = "kerf.tokens.v1";

/// Why the ledger does not take a step, or bytes are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A time that is not given.
    #[error("a token is good for {TTL_MIN_S} to {TTL_MAX_S} seconds, not {seconds}")]
    Ttl {
        /// What was asked for.
        seconds: u64,
    },
    /// There are as many as may be.
    #[error("there are {MAX_TOKENS} tokens already; revoke one first")]
    Full,
    /// There is no such token.
    #[error("token {id} is not known here")]
    Unknown {
        /// Its name.
        id: TokenId,
    },
    /// A token of this name is there already.
    #[error("token {id} is there already")]
    Taken {
        /// Its name.
        id: TokenId,
    },
    /// It is not the document that a ledger is.
    #[error("it is not a ledger of tokens (line {line}, column {column})")]
    Document {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A field of it is wrong.
    #[error("tokens[{at}] is wrong")]
    Entry {
        /// Which, from 0.
        at: usize,
    },
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// There is none with this name and this secret.
    #[error("the token is not known here: it was revoked, or made on another host")]
    Unknown,
    /// Its time is over.
    #[error("the token was good until second {expires_s} since 1970")]
    Expired {
        /// Its last second.
        expires_s: u64,
    },
    /// It was used, by another host or another key.
    #[error("the token was used by host {by} already, and each is good for one")]
    Used {
        /// By which host.
        by: HostId,
    },
}

/// By whom a token was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The host.
    pub host: HostId,
    /// The second since 1970.
    pub at_s: u64,
    key: PublicKey,
}

/// What is kept of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its last second since 1970.
    pub expires_s: u64,
    /// By whom it was used.
    pub used: Option<Used>,
    hash: [u8; 32],
}

/// All tokens that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger(BTreeMap<TokenId, Entry>);

impl Ledger {
    /// Takes a new token in, good from now on for so many seconds.
    pub fn create(&mut self, token: &Token, now_s: u64, ttl_s: u64) -> Result<(), LedgerError> {
        if !(TTL_MIN_S..=TTL_MAX_S).contains(&ttl_s) {
            return Err(LedgerError::Ttl { seconds: ttl_s });
        }
        self.0.retain(|_, entry| entry.is_kept(now_s));
        if self.0.len() >= MAX_TOKENS {
            return Err(LedgerError::Full);
        }
        let id = token.id;
        if self.0.contains_key(&id) {
            return Err(LedgerError::Taken { id });
        }
        let entry = Entry {
            expires_s: now_s.saturating_add(ttl_s),
            used: None,
            hash: hash_of(token.secret()),
        };
        self.0.insert(id, entry);
        Ok(())
    }

    /// Whether a token is good for this key of this host; true if that is its first use.
    pub fn may_redeem(
        &self,
        id: TokenId,
        secret: &[u8],
        host: HostId,
        key: PublicKey,
        now_s: u64,
    ) -> Result<bool, RedeemError> {
        // The same time passes whether or not there is such a token.
        let hash = hash_of(secret);
        let entry = self.0.get(&id);
        let kept = entry.as_ref().map_or([0; 32], |entry| entry.hash);
        let is_same = is_equal(&hash, &kept);
        let Some(entry) = entry.filter(|_| is_same) else {
            return Err(RedeemError::Unknown);
        };
        match entry.used {
            Some(used) if used.host != host || used.key != key => {
                Err(RedeemError::Used { by: used.host })
            }
            _ if now_s > entry.expires_s => Err(RedeemError::Expired {
                expires_s: entry.expires_s,
            }),
            used => Ok(used.is_none()),
        }
    }

    /// Uses a token for one key of one host. True if that is a change to be kept.
    pub fn redeem(
        &mut self,
        id: TokenId,
        secret: &[u8],
        host: HostId,
        key: PublicKey,
        now_s: u64,
    ) -> Result<bool, RedeemError> {
        let is_new = self.may_redeem(id, secret, host, key, now_s)?;
        if let Some(entry) = self.0.get_mut(&id).filter(|_| is_new) {
            entry.used = Some(Used {
                host,
                at_s: now_s,
                key,
            });
        }
        Ok(is_new)
    }

    /// Takes a token away.
    pub fn revoke(&mut self, id: TokenId) -> Result<(), LedgerError> {
        let removed = self.0.remove(&id);
        removed.map(drop).ok_or(LedgerError::Unknown { id })
    }

    /// All tokens, in the order of names.
    pub fn entries(&self) -> impl Iterator<Item = (TokenId, &Entry)> {
        self.0.iter().map(|(id, entry)| (*id, entry))
    }

    /// The document, without any secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tokens = self.0.iter().map(|(id, entry)| EntryText {
            id: id.to_string(),
            hash: hex::text(&entry.hash),
            expires_s: entry.expires_s,
            used: entry.used.map(|used| UsedText {
                host: used.host.to_string(),
                at_s: used.at_s,
                key: hex::text(&used.key),
            }),
        });
        let document = Document {
            schema: SCHEMA.to_owned(),
            tokens: tokens.collect(),
        };
        // Text and numbers alone: they always write.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Reads a document, strictly.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LedgerError> {
        let wrong = |line, column| LedgerError::Document { line, column };
        if bytes.len() > LEDGER_LIMIT {
            return Err(wrong(1, LEDGER_LIMIT));
        }
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.line(), error.column()))?;
        if document.schema != SCHEMA || document.tokens.len() > MAX_TOKENS {
            return Err(wrong(1, 1));
        }
        let mut entries = BTreeMap::new();
        for (at, text) in document.tokens.iter().enumerate() {
            let (id, entry) = text.read().ok_or(LedgerError::Entry { at })?;
            if entries.insert(id, entry).is_some() {
                return Err(LedgerError::Entry { at });
            }
        }
        Ok(Self(entries))
    }
}

impl Entry {
    fn is_kept(&self, now_s: u64) -> bool {
        now_s <= self.expires_s.saturating_add(KEPT_S)
    }
}

/// In a time that does not depend on where they differ.
fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    tokens: Vec<EntryText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryText {
    id: String,
    hash: String,
    expires_s: u64,
    used: Option<UsedText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsedText {
    host: String,
    at_s: u64,
    key: String,
}

impl EntryText {
    fn read(&self) -> Option<(TokenId, Entry)> {
        let used = match &self.used {
            Some(used) => Some(Used {
                host: used.host.parse().ok()?,
                at_s: used.at_s,
                key: *hex::read(&used.key)?,
            }),
            None => None,
        };
        let entry = Entry {
            expires_s: self.expires_s,
            used,
            hash: *hex::read(&self.hash)?,
        };
        Some((self.id.parse().ok()?, entry))
    }
}
