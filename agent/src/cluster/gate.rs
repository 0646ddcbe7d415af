//! Who is believed: whoever has a certificate of the CA that holds now, and is not revoked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kerf_identity::{CaCertificate, CertificateError, Revoked, RevokedError, Side};
use kerf_seal::Trust;
use kerf_types::HostId;

/// How long after the end of its certificate a host still gets the next one, in seconds: a host that was away for some days
/// comes back by itself. Within that time its key is as good as a certificate for this one call.
pub const GRACE_S: u64 = 7 * 24 * 3_600;

/// Why the other end of a connection is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its certificate is not good.
    #[error("its certificate is not believed")]
    Certificate(#[from] CertificateError),
    /// It was put out of the cluster.
    #[error("host {host} was revoked")]
    Revoked {
        /// The host.
        host: HostId,
    },
}

/// What is known of the cluster's members. One for all connections and for gossip.
#[derive(Debug)]
pub struct Gate {
    ca: CaCertificate,
    /// Held while a newer list is written down: handshakes and gossip go on by the one in force meanwhile.
    taking: Mutex<()>,
    revoked: Mutex<Arc<Revoked>>,
    /// Of that list: whoever follows it looks here, and at the list only after a change.
    version: AtomicU64,
    /// Whether some member has said that this host itself is revoked.
    told_out: AtomicBool,
    trust: Trust,
}

impl Gate {
    /// The gate of a cluster, with the list that is known.
    pub fn new(ca: CaCertificate, revoked: Revoked) -> Self {
        let trust = Trust::new(ca.cluster(), vec![ca.public_key()]);
        trust.set_revoked_hosts(revoked.hosts().map(|(host, _)| host).collect());
        Self {
            ca,
            version: AtomicU64::new(revoked.version()),
            taking: Mutex::default(),
            revoked: Mutex::new(Arc::new(revoked)),
            told_out: AtomicBool::new(false),
            trust,
        }
    }

    /// The CA.
    pub fn ca(&self) -> &CaCertificate {
        &self.ca
    }

    /// Whose records are believed.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whose certificate this is, if it is to be believed now.
    pub fn admit(&self, certificate: &[u8], side: Side, now_s: u64) -> Result<HostId, Refused> {
        let host = self.ca.verify(certificate, side, now_s)?;
        match self.is_revoked(host) {
            true => Err(Refused::Revoked { host }),
            false => Ok(host),
        }
    }

    /// The same for one that may have ended a while ago: enough to ask for the next one.
    pub fn admit_late(&self, certificate: &[u8], now_s: u64) -> Result<HostId, Refused> {
        match self.admit(certificate, Side::Client, now_s) {
            Err(Refused::Certificate(CertificateError::Ended { not_after_s, .. }))
                if now_s.saturating_sub(not_after_s) <= GRACE_S =>
            {
                self.admit(certificate, Side::Client, not_after_s)
            }
            admitted => admitted,
        }
    }

    /// Whether a host was put out.
    pub fn is_revoked(&self, host: HostId) -> bool {
        self.revoked().contains(host)
    }

    /// The list in force.
    pub fn revoked(&self) -> Arc<Revoked> {
        let list = self.revoked.lock();
        Arc::clone(&list.unwrap_or_else(PoisonError::into_inner))
    }

    /// The version of that list.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Puts a newer list in force, once `keep` has written it down.
    pub fn take<E: From<RevokedError>>(
        &self,
        list: Revoked,
        keep: impl FnOnce(&Revoked) -> Result<(), E>,
    ) -> Result<(), E> {
        let _turn = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        list.may_replace(&self.revoked())?;
        keep(&list)?;
        let hosts = list.hosts().map(|(host, _)| host).collect();
        self.trust.set_revoked_hosts(hosts);
        let version = list.version();
        *self.revoked.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        self.version.store(version, Ordering::Release);
        Ok(())
    }

    /// Notes that a member has refused this host as a revoked one.
    pub fn note_out(&self) {
        self.told_out.store(true, Ordering::Relaxed);
    }

    /// Whether one has.
    pub fn is_told_out(&self) -> bool {
        self.told_out.load(Ordering::Relaxed)
    }
}
