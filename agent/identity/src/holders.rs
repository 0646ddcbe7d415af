//! Which hosts hold a certificate: what the CA's host remembers, so that a token lets a new host in and never in the
//! name of one that is there.
//!
//! A host that lost its certificate joins again when that has ended, or under another id.

use std::collections::BTreeMap;

use kerf_types::HostId;
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::key::PublicKey;

/// Most hosts that are remembered: as many as a fleet may have.
const MAX_HOLDERS: usize = 10_000;

/// Longest document that is read.
pub const HOLDERS_LIMIT: usize = 4 << 20;

const SCHEMA: &str = "kerf.holders.v1";

/// Why a host gets no first certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HolderError {
    /// It has one.
    #[error("host {host} holds a certificate until second {not_after_s} since 1970")]
    Holds {
        /// The host.
        host: HostId,
        /// The certificate's last second.
        not_after_s: u64,
    },
    /// There are as many as may be.
    #[error("{MAX_HOLDERS} hosts hold certificates, which is the most")]
    Full,
    /// Bytes are no document of this kind.
    #[error("it is not a list of certificates' holders")]
    Document,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub key: PublicKey,
    pub not_after_s: u64,
}

/// The hosts that hold a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holders(pub(crate) BTreeMap<HostId, Held>);

impl Holders {
    /// Whether this key of this host may get a first certificate now.
    pub fn may_join(&self, host: HostId, key: PublicKey, now_s: u64) -> Result<(), HolderError> {
        let held = self.0.get(&host).filter(|held| held.not_after_s >= now_s);
        match held {
            // Its answer was lost.
            Some(held) if held.key == key => Ok(()),
            Some(held) => Err(HolderError::Holds {
                host,
                not_after_s: held.not_after_s,
            }),
            None if self.living(now_s) >= MAX_HOLDERS => Err(HolderError::Full),
            None => Ok(()),
        }
    }

    /// Remembers that a host got a certificate, and forgets whose have ended.
    pub fn put(&mut self, host: HostId, key: PublicKey, not_after_s: u64, now_s: u64) {
        self.0.retain(|_, held| held.not_after_s >= now_s);
        self.0.insert(host, Held { key, not_after_s });
    }

    fn living(&self, now_s: u64) -> usize {
        let living = self.0.values().filter(|held| held.not_after_s >= now_s);
        living.count()
    }

    /// The document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let holders = self.0.iter().map(|(host, held)| Entry {
            host: host.to_string(),
            key: hex::text(&held.key),
            not_after_s: held.not_after_s,
        });
        let document = Document {
            schema: SCHEMA.to_owned(),
            holders: holders.collect(),
        };
        // Text and numbers alone: they always write.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Reads a document, strictly.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HolderError> {
        Self::read(bytes).ok_or(HolderError::Document)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let short = Some(bytes).filter(|bytes| bytes.len() <= HOLDERS_LIMIT)?;
        let document: Document = serde_json::from_slice(short).ok()?;
        if document.schema != SCHEMA {
            return None;
        }
        let mut holders = BTreeMap::new();
        for entry in document.holders {
            let held = Held {
                key: *hex::read(&entry.key)?,
                not_after_s: entry.not_after_s,
            };
            if holders.insert(entry.host.parse().ok()?, held).is_some() {
                return None;
            }
        }
        Some(Self(holders))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    holders: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    host: String,
    key: String,
    not_after_s: u64,
}
