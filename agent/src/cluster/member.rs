//! A member's own part of its cluster: in force, on disk, and renewed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kerf_identity::{
    CaCertificate, Issued, MEMBERSHIP_LIMIT, Membership, MembershipError, Purpose, REVOKED_LIMIT,
    Revoked, SKEW_S, SecretKey, prove, server_name,
};
use kerf_membership::ClusterId;
use kerf_seal::{Keyring, Signer, WallClock};
use kerf_types::HostId;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::files::{Folder, MEMBER, REVOKED};
use super::gate::Gate;
use super::issuer::Issuer;
use super::tls::Configs;
use super::{ClusterError, JoinError, now_s, random};
use crate::peers::keyring::Keys;
use crate::peers::net::{self, TcpStream};

/// How long a connection to a member may take to come up, and its handshake.
const CONNECT: Duration = Duration::from_secs(2);

/// What a host becomes a member with.
#[derive(Debug)]
pub(super) struct Parts {
    pub ca: CaCertificate,
    pub key: SecretKey,
    pub issued: Issued,
    pub revoked: Revoked,
    pub keyring: Keyring,
    pub seeds: Vec<String>,
}

/// Writes a new member down. The membership comes last: what is cut off before it is no member.
pub(super) fn write(folder: &Folder, host: HostId, parts: Parts) -> Result<(), ClusterError> {
    let (certificate, statement) = (parts.issued.certificate, parts.issued.statement);
    let own = Membership::try_new(
        parts.ca,
        host,
        parts.key,
        certificate,
        statement,
        parts.seeds,
    )?;
    folder.write(REVOKED, &parts.revoked.to_bytes())?;
    Keys::create(folder.state_dir(), parts.keyring)?;
    folder.write(MEMBER, &own.to_bytes())
}

/// When a certificate ends and when it is renewed, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Its first second: a little before it was made.
    pub begins_s: u64,
    /// Its last second.
    pub not_after_s: u64,
    /// Two thirds of its time after it began.
    pub renew_at_s: u64,
}

impl Outlook {
    /// How far this moment is from the one it was made at, if it is not good now.
    pub fn apart_s(&self, now_s: u64) -> Option<u64> {
        let is_good = (self.begins_s..=self.not_after_s).contains(&now_s);
        let made_s = self.begins_s.saturating_add(SKEW_S);
        (!is_good).then(|| made_s.abs_diff(now_s))
    }
}

/// What is in force of a member.
#[derive(Debug)]
struct Current {
    own: Membership,
    configs: Configs,
    outlook: Outlook,
}

/// This host as a member.
#[derive(Debug)]
pub struct Member {
    host: HostId,
    folder: Folder,
    gate: Arc<Gate>,
    keys: Arc<Keys>,
    current: Mutex<Arc<Current>>,
    signer: Signer,
    clock: WallClock,
    issuer: Option<Issuer>,
}

impl Member {
    /// The member that a folder holds; `None` where it holds none.
    pub(super) fn open(
        folder: &Folder,
        host: HostId,
        lifetime: Duration,
    ) -> Result<Option<Arc<Self>>, ClusterError> {
        let Some(bytes) = folder.read(MEMBER, MEMBERSHIP_LIMIT)? else {
            return Ok(None);
        };
        let own = Membership::from_bytes(&bytes).map_err(|e| folder.wrong(MEMBER, e))?;
        if own.host != host {
            return Err(ClusterError::OtherHost {
                folder: folder.path().to_owned(),
                is: own.host,
                host,
            });
        }
        let bytes = folder.read(REVOKED, REVOKED_LIMIT)?;
        let bytes = bytes.ok_or_else(|| ClusterError::Missing {
            path: folder.path().join(REVOKED),
        })?;
        let revoked = Revoked::from_bytes(&bytes, &own.ca).map_err(|e| folder.wrong(REVOKED, e))?;
        let keys = Keys::open(folder.state_dir())?.ok_or_else(|| ClusterError::Missing {
            path: folder.path().join("keyring.json"),
        })?;
        let gate = Arc::new(Gate::new(own.ca.clone(), revoked));
        let clock = WallClock::default();
        clock.set(now_s());
        let signer = signer(&own, &gate, &clock)?;
        let issuer = Issuer::open(folder, own.ca.clone(), lifetime)?;
        Ok(Some(Arc::new(Self {
            host,
            folder: folder.clone(),
            current: Mutex::new(Arc::new(Current::of(own, &gate)?)),
            gate,
            keys,
            signer,
            clock,
            issuer,
        })))
    }

    /// This host.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// Whom it believes.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The fleet.
    pub fn cluster(&self) -> ClusterId {
        self.gate.ca().cluster()
    }

    /// The keys of gossip.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// What signs its records.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The clock that the signer looks at; whoever drives gossip sets it.
    pub fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// The CA's key, where this host has it.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Members that are asked for the fleet.
    pub fn seeds(&self) -> Vec<String> {
        self.current().own.seeds.clone()
    }

    /// When its certificate ends.
    pub fn outlook(&self) -> Outlook {
        self.current().outlook
    }

    fn current(&self) -> Arc<Current> {
        let current = self.current.lock();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn server_config(&self, joins: bool) -> Arc<ServerConfig> {
        let current = self.current();
        match joins {
            true => Arc::clone(&current.configs.joining),
            false => Arc::clone(&current.configs.server),
        }
    }

    /// Connects to a member, from this address where there is one.
    pub async fn dial(
        &self,
        host: HostId,
        address: SocketAddr,
        local: Option<IpAddr>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current().configs.client);
        let name = server_name(self.cluster(), host);
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let dialled = tokio::time::timeout(CONNECT, async {
            let stream = net::connect(address, local).await?;
            let connector = TlsConnector::from(config);
            connector.connect(name, stream).await
        });
        dialled.await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Takes a newer list of revoked hosts: on the disk first, then in force. True if it was newer.
    pub async fn take_revoked(self: &Arc<Self>, list: Revoked) -> Result<bool, ClusterError> {
        if list.version() <= self.gate.version() {
            return Ok(false);
        }
        let member = Arc::clone(self);
        let taken = tokio::task::spawn_blocking(move || {
            let keep = |list: &Revoked| member.folder.write(REVOKED, &list.to_bytes());
            member.gate.take(list, keep)
        });
        taken.await.map_err(|_| ClusterError::Thread)??;
        tracing::info!(version = self.gate.version(), "list of revoked hosts taken");
        Ok(true)
    }

    /// A key for the next certificate, and the proof that this host has it.
    pub fn next_key(&self) -> Result<(SecretKey, Vec<u8>), ClusterError> {
        let key = SecretKey::from_seed(&random()?)?;
        let hash = self.gate.ca().hash();
        let proof = prove(&key, &hash, self.host, Purpose::Renew);
        Ok((key, proof))
    }

    /// Puts the next certificate in force, once it is on the disk. One that is not good at this moment by this host's
    /// clock leaves the old one in force: it would be worth less.
    pub async fn renew(
        self: &Arc<Self>,
        key: SecretKey,
        issued: Issued,
    ) -> Result<(), ClusterError> {
        let member = Arc::clone(self);
        let seeds = self.seeds();
        let ca = self.gate.ca().clone();
        let done = tokio::task::spawn_blocking(move || {
            let (certificate, statement) = (issued.certificate, issued.statement);
            let own = Membership::try_new(ca, member.host, key, certificate, statement, seeds)?;
            let signer = signer(&own, &member.gate, &member.clock)?;
            let bytes = own.to_bytes();
            let current = Current::of(own, &member.gate)?;
            if let Some(apart_s) = current.outlook.apart_s(now_s()) {
                return Err(JoinError::Clock { apart_s }.into());
            }
            member.folder.write(MEMBER, &bytes)?;
            let mut place = member
                .current
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *place = Arc::new(current);
            member.signer.renew(signer);
            Ok::<(), ClusterError>(())
        });
        done.await.map_err(|_| ClusterError::Thread)?
    }
}

impl Current {
    fn of(own: Membership, gate: &Arc<Gate>) -> Result<Self, ClusterError> {
        let configs = Configs::of(gate, &own).map_err(ClusterError::Tls)?;
        let span = own.ca.span_s(&own.certificate);
        let (begins_s, not_after_s) = span.ok_or(MembershipError::Unfit)?;
        // It was made so much later than it begins.
        let lifetime_s = not_after_s.saturating_sub(begins_s.saturating_add(SKEW_S));
        Ok(Self {
            configs,
            outlook: Outlook {
                begins_s,
                not_after_s,
                renew_at_s: not_after_s.saturating_sub(lifetime_s / 3),
            },
            own,
        })
    }
}

fn signer(own: &Membership, gate: &Gate, clock: &WallClock) -> Result<Signer, ClusterError> {
    let trust = gate.trust().clone();
    let statement = own.statement;
    let key = own.key.pkcs8();
    let signer = Signer::from_pkcs8(&key, trust, clock.clone(), |_| statement);
    signer.map_err(ClusterError::Statement)
}
