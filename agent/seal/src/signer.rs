//! Signing this host's records and looking at others', by statements of the fleet's CA.
//!
//! A proof is the signature (64 bytes) and the writer's statement (105). It stands alone: whoever knows the CA's
//! key needs no list of certificates to check a record of a host that it never met.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kerf_membership::{ClusterId, Proof, ProofError, Voucher};
use kerf_types::HostId;
use ring::signature::Ed25519KeyPair;

use crate::statement::{PUBLIC_KEY, SIGNATURE, public_key, sign, verify};
use crate::{STATEMENT_BYTES, Statement, StatementError};

/// Length of the random bytes that an Ed25519 key is made of.
pub const SEED_BYTES: usize = 32;

/// Statements that are remembered as verified, so that a host's next record costs one signature and not two.
const REMEMBERED: usize = 16 * 1_024;

/// The wall time for those who may not ask for it. Clones share it; whoever owns the clock sets it.
///
/// It is used for the ends of statements alone. Until it is set nothing has expired.
#[derive(Debug, Clone, Default)]
pub struct WallClock(Arc<AtomicU64>);

impl WallClock {
    /// Sets it, in seconds since 1970.
    pub fn set(&self, now_s: u64) {
        self.0.store(now_s, Ordering::Relaxed);
    }

    fn now_s(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whom this host believes. Clones share it.
#[derive(Debug, Clone)]
pub struct Trust(Arc<Mutex<Trusted>>);

#[derive(Debug)]
struct Trusted {
    cluster: ClusterId,
    authorities: Vec<[u8; PUBLIC_KEY]>,
    revoked: BTreeSet<[u8; PUBLIC_KEY]>,
    revoked_hosts: BTreeSet<HostId>,
}

impl Trust {
    /// Trust in statements by these CAs: one, and two while it is replaced.
    pub fn new(cluster: ClusterId, authorities: Vec<[u8; PUBLIC_KEY]>) -> Self {
        Self(Arc::new(Mutex::new(Trusted {
            cluster,
            authorities,
            revoked: BTreeSet::new(),
            revoked_hosts: BTreeSet::new(),
        })))
    }

    /// Replaces the CAs.
    pub fn set_authorities(&self, authorities: Vec<[u8; PUBLIC_KEY]>) {
        lock(&self.0).authorities = authorities;
    }

    /// Replaces the list of hosts' keys that are not believed whatever a statement says.
    pub fn set_revoked(&self, keys: BTreeSet<[u8; PUBLIC_KEY]>) {
        lock(&self.0).revoked = keys;
    }

    /// Replaces the list of hosts that are not believed by whatever key.
    pub fn set_revoked_hosts(&self, hosts: BTreeSet<HostId>) {
        lock(&self.0).revoked_hosts = hosts;
    }

    /// Whether some CA has stated it.
    fn verify(&self, statement: &Statement, host: HostId, now_s: u64) -> Result<(), ProofError> {
        let trusted = lock(&self.0);
        if trusted.is_revoked(host, &statement.public_key) {
            return Err(ProofError::Revoked);
        }
        let mut outcome = Err(ProofError::Unbound);
        for authority in &trusted.authorities {
            match statement.verify(authority, trusted.cluster, host, now_s) {
                Ok(()) => return Ok(()),
                Err(StatementError::Expired { .. }) => outcome = Err(ProofError::Expired),
                Err(_) => {}
            }
        }
        outcome
    }

    fn is_revoked(&self, host: HostId, key: &[u8; PUBLIC_KEY]) -> bool {
        lock(&self.0).is_revoked(host, key)
    }

    fn knows(&self, authorities: &[[u8; PUBLIC_KEY]]) -> bool {
        lock(&self.0).authorities == authorities
    }

    fn authorities(&self) -> Vec<[u8; PUBLIC_KEY]> {
        lock(&self.0).authorities.clone()
    }
}

impl Trusted {
    fn is_revoked(&self, host: HostId, key: &[u8; PUBLIC_KEY]) -> bool {
        self.revoked_hosts.contains(&host) || self.revoked.contains(key)
    }
}

struct Own {
    pair: Ed25519KeyPair,
    statement: Statement,
}

/// Signs and verifies. Clones share the key, so that whoever renews it changes what the membership core signs
/// with; after that the record must be published again, or it expires with the old statement.
#[derive(Clone)]
pub struct Signer {
    own: Arc<Mutex<Own>>,
    trust: Trust,
    clock: WallClock,
    /// The statement of each host that was verified last, by these CAs.
    verified: BTreeMap<HostId, Statement>,
    verified_by: Vec<[u8; PUBLIC_KEY]>,
}

impl Signer {
    /// A signer with a key of these random bytes. `state` asks the CA for a statement about the public key.
    pub fn from_seed(
        seed: &[u8; SEED_BYTES],
        trust: Trust,
        clock: WallClock,
        state: impl FnOnce([u8; PUBLIC_KEY]) -> Statement,
    ) -> Result<Self, StatementError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| StatementError::Key)?;
        Self::new(pair, trust, clock, state)
    }

    /// A signer with an Ed25519 key in PKCS #8 (RFC 8410), as the key of a certificate is kept.
    pub fn from_pkcs8(
        key: &[u8],
        trust: Trust,
        clock: WallClock,
        state: impl FnOnce([u8; PUBLIC_KEY]) -> Statement,
    ) -> Result<Self, StatementError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key);
        Self::new(pair.map_err(|_| StatementError::Key)?, trust, clock, state)
    }

    fn new(
        pair: Ed25519KeyPair,
        trust: Trust,
        clock: WallClock,
        state: impl FnOnce([u8; PUBLIC_KEY]) -> Statement,
    ) -> Result<Self, StatementError> {
        let statement = state(public_key(&pair));
        if statement.public_key != public_key(&pair) {
            return Err(StatementError::Key);
        }
        Ok(Self {
            own: Arc::new(Mutex::new(Own { pair, statement })),
            verified_by: trust.authorities(),
            trust,
            clock,
            verified: BTreeMap::new(),
        })
    }

    /// Takes over the key and the statement of another signer, made by a renewal.
    pub fn renew(&self, next: Self) {
        if let Ok(next) = Arc::try_unwrap(next.own) {
            *lock(&self.own) = next.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the statement is one that was verified for this host, and still holds.
    fn is_verified(&mut self, host: HostId, statement: &Statement, now_s: u64) -> bool {
        if !self.trust.knows(&self.verified_by) {
            self.verified.clear();
            self.verified_by = self.trust.authorities();
        }
        self.verified.get(&host) == Some(statement)
            && !statement.is_over(now_s)
            && !self.trust.is_revoked(host, &statement.public_key)
    }
}

impl Voucher for Signer {
    fn proof_bytes(&self) -> usize {
        SIGNATURE + STATEMENT_BYTES
    }

    fn prove(&mut self, bytes: &[u8]) -> Proof {
        let own = lock(&self.own);
        let signature = sign(&own.pair, bytes);
        let proof = [signature.as_slice(), &own.statement.to_bytes()].concat();
        Proof::try_new(&proof).unwrap_or_default()
    }

    fn check(&mut self, host: HostId, bytes: &[u8], proof: &Proof) -> Result<(), ProofError> {
        let proof = proof.as_bytes();
        if proof.is_empty() {
            return Err(ProofError::Missing);
        }
        let (signature, statement) = proof
            .split_at_checked(SIGNATURE)
            .ok_or(ProofError::Malformed)?;
        let statement = Statement::from_bytes(statement).map_err(|_| ProofError::Malformed)?;
        let now_s = self.clock.now_s();
        if !self.is_verified(host, &statement, now_s) {
            self.trust.verify(&statement, host, now_s)?;
            if self.verified.len() >= REMEMBERED && !self.verified.contains_key(&host) {
                self.verified.clear();
            }
            self.verified.insert(host, statement);
        }
        verify(&statement.public_key, bytes, signature).ok_or(ProofError::Signature)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("statement", &lock(&self.own).statement)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
