//! The list of hosts that are out for good, by the CA.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 1 | layout, 1 |
//! | 1 | 16 | fleet, big-endian |
//! | 17 | 8 | version, big-endian; 0 is the empty list of a new fleet |
//! | 25 | 24 n | host and second since 1970, big-endian, in the order of hosts |
//! | 25 + 24 n | 64 | Ed25519 signature of the CA over a word of its own and all before |
//!
//! Each change makes the version greater by one. A list is taken in place of another only if its version is greater and
//! it has all that the other has: nobody comes off it, whoever relays it. A host that is out stays out under its id; it
//! comes back with another one, which a new state folder has.

use std::collections::BTreeMap;

use kerf_membership::ClusterId;
use kerf_types::HostId;

use crate::authority::Authority;
use crate::certificate::CaCertificate;
use crate::key::is_signed;

/// Most hosts on a list.
pub const MAX_REVOKED: usize = 4_096;

/// Longest list in bytes.
pub const REVOKED_LIMIT: usize = HEAD + ENTRY * MAX_REVOKED + SIGNATURE;

const LAYOUT: u8 = 1;
const HEAD: usize = 1 + 16 + 8;
const ENTRY: usize = 16 + 8;
const SIGNATURE: usize = 64;

/// First bytes of what the CA signs, so that its signature over anything else never fits.
const DOMAIN: &[u8] = b"kerf revoked v1\0";

/// Why a list is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevokedError {
    /// Its bytes are no list.
    #[error("it is no list of revoked hosts")]
    Malformed,
    /// It is another fleet's.
    #[error("it is the list of another fleet")]
    Cluster,
    /// The CA has not signed it.
    #[error("the CA of this fleet has not signed it")]
    Signature,
    /// One is here that is as new.
    #[error("its version is {version}, and {own} is here")]
    Older {
        /// Its version.
        version: u64,
        /// The version here.
        own: u64,
    },
    /// A host is missing that was out.
    #[error("host {host} is not on it, who was revoked")]
    Shrunk {
        /// The host.
        host: HostId,
    },
    /// The host is on it.
    #[error("host {host} is revoked already")]
    Already {
        /// The host.
        host: HostId,
    },
    /// There are as many as may be.
    #[error("{MAX_REVOKED} hosts are revoked, which is the most: begin a new cluster")]
    Full,
}

/// A list that the CA has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    cluster: ClusterId,
    version: u64,
    hosts: BTreeMap<HostId, u64>,
    signature: Vec<u8>,
}

impl Revoked {
    /// The empty list of a new fleet.
    pub fn first(authority: &Authority) -> Self {
        Self::signed(authority, 0, BTreeMap::new())
    }

    /// The next list, with one host more.
    pub fn with(
        &self,
        authority: &Authority,
        host: HostId,
        now_s: u64,
    ) -> Result<Self, RevokedError> {
        if self.contains(host) {
            return Err(RevokedError::Already { host });
        }
        if self.hosts.len() >= MAX_REVOKED {
            return Err(RevokedError::Full);
        }
        let mut hosts = self.hosts.clone();
        hosts.insert(host, now_s);
        Ok(Self::signed(
            authority,
            self.version.saturating_add(1),
            hosts,
        ))
    }

    pub(crate) fn signed(
        authority: &Authority,
        version: u64,
        hosts: BTreeMap<HostId, u64>,
    ) -> Self {
        let mut list = Self {
            cluster: authority.certificate().cluster(),
            version,
            hosts,
            signature: Vec::new(),
        };
        list.signature = authority.key().sign(&[DOMAIN, &list.body()].concat());
        list
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether a host is out.
    pub fn contains(&self, host: HostId) -> bool {
        self.hosts.contains_key(&host)
    }

    /// Those who are out, with the second since 1970.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, u64)> {
        self.hosts.iter().map(|(host, at_s)| (*host, *at_s))
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.body(), self.signature.clone()].concat()
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + ENTRY * self.hosts.len());
        out.push(LAYOUT);
        out.extend_from_slice(&self.cluster.0.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        for (host, at_s) in &self.hosts {
            out.extend_from_slice(&host.bits().to_be_bytes());
            out.extend_from_slice(&at_s.to_be_bytes());
        }
        out
    }

    /// Reads a list of this CA.
    pub fn from_bytes(bytes: &[u8], ca: &CaCertificate) -> Result<Self, RevokedError> {
        let list = Self::read(bytes).ok_or(RevokedError::Malformed)?;
        if list.cluster != ca.cluster() {
            return Err(RevokedError::Cluster);
        }
        let signed = [DOMAIN, &list.body()].concat();
        match is_signed(&ca.public_key(), &signed, &list.signature) {
            true => Ok(list),
            false => Err(RevokedError::Signature),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > REVOKED_LIMIT {
            return None;
        }
        let rest = bytes.strip_prefix(&[LAYOUT])?;
        let (cluster, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (entries, signature) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE)?)?;
        let mut hosts = BTreeMap::new();
        let mut last = None;
        let mut left = entries;
        while !left.is_empty() {
            let (host, rest) = left.split_first_chunk()?;
            let (at_s, rest) = rest.split_first_chunk()?;
            let host = HostId::from_bits(u128::from_be_bytes(*host));
            // In order, so that one list has one spelling.
            if last.is_some_and(|last| last >= host) {
                return None;
            }
            last = Some(host);
            hosts.insert(host, u64::from_be_bytes(*at_s));
            left = rest;
        }
        Some(Self {
            cluster: ClusterId(u128::from_be_bytes(*cluster)),
            version: u64::from_be_bytes(*version),
            hosts,
            signature: signature.to_vec(),
        })
    }

    /// Whether it may stand in the place of `own`.
    pub fn may_replace(&self, own: &Self) -> Result<(), RevokedError> {
        if self.version <= own.version {
            return Err(RevokedError::Older {
                version: self.version,
                own: own.version,
            });
        }
        let missing = own.hosts.keys().find(|host| !self.contains(**host));
        match missing {
            Some(host) => Err(RevokedError::Shrunk { host: *host }),
            None => Ok(()),
        }
    }
}
