//! This host's place in a cluster: what it is made of, whom it believes, and how it gets in and stays in.
//!
//! ```text
//!                  init, join                      two thirds of its time
//!  (no identity) ─────────────► member ◄──────────────────────────────────┐ renew
//!        ▲                        │  └──────────────────────────────────────┘
//!        │ rm -r cluster          │ revoke (by the CA, on another host)
//!        └──────────── out ◄──────┘
//! ```
//! It owns `STATE/cluster/` but for the keyring, the TLS configurations and the list of revoked hosts in force. It
//! never decides who may come in: a token does, which an operator has made.
//!
//! | file | of | what |
//! |---|---|---|
//! | `member.json` | every member | CA, key, certificate and statement; written last, so what is half done is nothing |
//! | `revoked` | every member | the newest list of revoked hosts |
//! | `keyring.json` | every member | the keys of gossip, see `peers::keyring` |
//! | `exposed` | hosts that sign | keys of gossip that are to be changed, see there |
//! | `ca.key`, `tokens.json`, `holders.json` | hosts that sign | the CA's key, tokens, who holds a certificate |
//!
//! | module | what it holds |
//! |---|---|
//! | `gate` | who is believed: the CA's word, the clock, the list of revoked hosts |
//! | `tls` | that as rustls asks for it |
//! | `member` | a member's own part, in force and on disk |
//! | `exposed` | keys of gossip that a revoked host knows |
//! | `issuer` | signing: joins, renewals, revocations, tokens |
//! | `join`, `pin`, `pending` | the way in, from outside, and what outlives a cut on it |

mod error;
mod exposed;
mod files;
mod gate;
mod issuer;
mod join;
mod member;
mod pending;
mod pin;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kerf_identity::{Authority, ClusterName, Contacts, Revoked, SecretKey, Token};
use kerf_membership::ClusterId;
use kerf_seal::Keyring;
use kerf_types::HostId;
use tokio::sync::watch;

pub use error::{ClusterError, JoinError};
pub use gate::{GRACE_S, Gate, Refused};
pub use issuer::{Issuer, JoinAsk};
pub use member::{Member, Outlook};
pub use tls::{AcceptError, Admitted, accept, clock_error, is_told_revoked};

use crate::peers::keyring::Keys;
use files::Folder;

/// The seconds since 1970 on this host's clock.
pub fn now_s() -> u64 {
    crate::host::now().0 / 1_000
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ClusterError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(ClusterError::Random)?;
    Ok(bytes)
}

/// This host's place in a cluster, or the place where it will be.
#[derive(Debug)]
pub struct Cluster {
    folder: Folder,
    host: HostId,
    lifetime: Duration,
    member: watch::Sender<Option<Arc<Member>>>,
    /// Held while this host comes in.
    entering: tokio::sync::Mutex<()>,
}

impl Cluster {
    /// What a state folder holds. Certificates that this host signs are good for `lifetime`.
    pub fn open(
        state_dir: &Path,
        host: HostId,
        lifetime: Duration,
    ) -> Result<Arc<Self>, ClusterError> {
        let folder = Folder::of(state_dir);
        crate::files::sweep(folder.path());
        let member = Member::open(&folder, host, lifetime)?;
        if member.is_some() {
            pending::end(&folder);
        }
        Ok(Arc::new(Self {
            folder,
            host,
            lifetime,
            member: watch::Sender::new(member),
            entering: tokio::sync::Mutex::default(),
        }))
    }

    /// This host as a member; `None` where it is none.
    pub fn member(&self) -> Option<Arc<Member>> {
        self.member.borrow().clone()
    }

    /// Tells when this host becomes a member.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Member>>> {
        self.member.subscribe()
    }

    /// Makes a cluster of this host alone. It goes on to its end also when nobody waits for it any more.
    pub async fn init(self: &Arc<Self>, name: ClusterName) -> Result<Arc<Member>, ClusterError> {
        let cluster = Arc::clone(self);
        to_its_end(async move { cluster.init_here(name).await }).await
    }

    async fn init_here(&self, name: ClusterName) -> Result<Arc<Member>, ClusterError> {
        let _turn = self.entering.lock().await;
        self.refuse_member()?;
        self.refuse_keyring()?;
        let cluster = ClusterId(u128::from_be_bytes(random()?));
        let key = SecretKey::from_seed(&random()?)?;
        let authority = Authority::create(cluster, &name, key)?;
        let key = SecretKey::from_seed(&random()?)?;
        let issuer = Issuer::create(&self.folder, authority, self.host, self.lifetime)?;
        let issued = issuer.first(self.host, key.public()).await?;
        let parts = member::Parts {
            ca: issuer.authority().certificate().clone(),
            key,
            issued,
            revoked: Revoked::first(issuer.authority()),
            keyring: Keyring::new(Keys::random().map_err(ClusterError::NoKey)?),
            contacts: Contacts {
                issuer: Some(self.host),
                seeds: Vec::new(),
            },
        };
        self.enter(parts).await
    }

    /// Makes this host a member of the cluster that the token leads to, by a member at `address`. It goes on to its end
    /// also when nobody waits for it any more; where that was cut off the next try has the same key, and the answer that
    /// was lost is given again.
    pub async fn join(
        self: &Arc<Self>,
        address: &str,
        token: &Token,
    ) -> Result<Arc<Member>, ClusterError> {
        let (cluster, address, token) = (Arc::clone(self), address.to_owned(), token.clone());
        to_its_end(async move { cluster.join_here(&address, &token).await }).await
    }

    async fn join_here(&self, address: &str, token: &Token) -> Result<Arc<Member>, ClusterError> {
        let _turn = self.entering.lock().await;
        self.refuse_unless_ended(token)?;
        let folder = self.folder.clone();
        let key = tokio::task::spawn_blocking(move || pending::key(&folder)).await;
        let key = key.map_err(|_| ClusterError::Thread)??;
        let joined = join::ask(address, token, self.host, &key).await?;
        let parts = member::Parts {
            ca: joined.ca,
            key,
            issued: joined.issued,
            revoked: joined.revoked,
            keyring: joined.keyring,
            contacts: Contacts {
                issuer: Some(token.issuer),
                seeds: vec![joined.address],
            },
        };
        self.enter(parts).await
    }

    async fn enter(&self, parts: member::Parts) -> Result<Arc<Member>, ClusterError> {
        let (folder, host, lifetime) = (self.folder.clone(), self.host, self.lifetime);
        let written = tokio::task::spawn_blocking(move || {
            pending::begin(&folder)?;
            member::write(&folder, host, parts)?;
            pending::end(&folder);
            Member::open(&folder, host, lifetime)
        });
        let member = written.await.map_err(|_| ClusterError::Thread)??;
        let member = member.ok_or(ClusterError::Thread)?;
        tracing::info!(cluster.name = %member.gate().ca().name(), "this host is a member of a cluster");
        self.member.send_replace(Some(Arc::clone(&member)));
        Ok(member)
    }

    fn refuse_member(&self) -> Result<(), ClusterError> {
        match self.member() {
            Some(member) => Err(self.already(&member)),
            None => Ok(()),
        }
    }

    /// A host whose certificate has ended comes in again, if it is the same cluster.
    fn refuse_unless_ended(&self, token: &Token) -> Result<(), ClusterError> {
        let Some(member) = self.member() else {
            return self.refuse_keyring();
        };
        Err(match member.gate().ca().hash() == token.ca_hash {
            true if member.outlook().not_after_s < now_s() => ClusterError::Ended {
                folder: self.folder.path().to_owned(),
            },
            _ => self.already(&member),
        })
    }

    fn already(&self, member: &Member) -> ClusterError {
        ClusterError::Already {
            name: member.gate().ca().name().clone(),
            folder: self.folder.path().to_owned(),
        }
    }

    /// A keyring that somebody put there by hand would be lost; one of a try that was cut off is of no use.
    fn refuse_keyring(&self) -> Result<(), ClusterError> {
        match self.folder.has_keyring() && !pending::is_begun(&self.folder) {
            true => Err(ClusterError::Keyring {
                folder: self.folder.path().to_owned(),
            }),
            false => Ok(()),
        }
    }
}

/// In a task of its own: whoever has asked may go away, and half of it would be left.
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
) -> Result<T, ClusterError> {
    tokio::spawn(work).await.map_err(|_| ClusterError::Thread)?
}

#[cfg(test)]
pub(crate) mod tests;
