//! What the tasks of this module share: who this host is, who is known, and how to end.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use kerf_membership::Payload;
use kerf_telemetry::SelfMetrics;
use kerf_types::{HostId, HostName, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::keyring::Keys;
use super::lines::Lines;
use super::link::Links;
use super::roster::{self, Peer};
use super::{Event, Me, PeersError, Shows, Versions, secure};
use crate::cluster::Member;
use crate::events::Events;
use crate::host::now;

/// How long a connection to a peer may take to come up.
const CONNECT: Duration = Duration::from_secs(2);

/// Time between two looks whether a peer that owes an answer still lives, and how long it may take to say so: a
/// host that lost its power says nothing, and TCP alone notices that after a quarter of an hour.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE`].
pub(super) const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);

/// Known to every task.
pub(super) struct Shared {
    pub me: Me,
    /// What peers are told.
    pub address: SocketAddr,
    /// Where connections to peers come from: they compare it with what they were told.
    local: Option<IpAddr>,
    /// Every other host, in order of ids.
    pub roster: watch::Sender<Arc<Vec<Peer>>>,
    pub sink: mpsc::Sender<Event>,
    pub links: Links,
    pub lines: Lines,
    pub shows: OnceLock<Arc<dyn Shows>>,
    pub events: Events,
    pub metrics: Arc<SelfMetrics>,
    pub started: Timestamp,
    /// Names that several hosts carry, since when.
    pub clashes: Mutex<BTreeMap<HostName, Timestamp>>,
    /// Hosts to join whose names could not be resolved, with the reason.
    pub unresolved: Mutex<BTreeMap<String, String>>,
    /// All hosts to join.
    pub seeds: Mutex<Vec<String>>,
    /// This host's newest record.
    pub payload: OnceLock<Arc<watch::Sender<Option<Payload>>>>,
    /// The keys that gossip is sealed with; none where it is not.
    pub keys: OnceLock<Arc<Keys>>,
    /// This host as a member of a cluster; none where connections prove nothing, or before it is one.
    pub member: OnceLock<Arc<Member>>,
    /// Whether somebody has said that connections which prove nothing are enough.
    pub insecure_dev: bool,
    /// The last that spoke without TLS to a member, and when.
    pub plain_caller: Mutex<Option<(IpAddr, Timestamp)>>,
    /// The last whose certificate was not good by this host's clock, why, and when.
    pub late_caller: Mutex<Option<(IpAddr, String, Timestamp)>>,
    /// Held while a host is put out, and while the key of gossip is changed for it.
    pub revoking: tokio::sync::Mutex<()>,
    /// Why the key of gossip is not changed that a revoked host knows, since when.
    pub not_rekeyed: Mutex<Option<(String, Timestamp)>>,
    /// Why the certificate could not be renewed, since when.
    pub not_renewed: Mutex<Option<(String, Timestamp)>>,
    /// In which versions this host takes calls, and makes them.
    pub versions: Versions,
    /// Ends everything.
    pub stop: CancellationToken,
}

impl Shared {
    pub fn new(
        me: Me,
        address: SocketAddr,
        local: Option<IpAddr>,
        sink: mpsc::Sender<Event>,
        events: Events,
        metrics: Arc<SelfMetrics>,
    ) -> Self {
        Self {
            me,
            address,
            local,
            roster: watch::Sender::new(Arc::default()),
            sink,
            links: Links::default(),
            lines: Lines::default(),
            shows: OnceLock::new(),
            events,
            metrics,
            started: now(),
            clashes: Mutex::default(),
            unresolved: Mutex::default(),
            seeds: Mutex::default(),
            payload: OnceLock::new(),
            keys: OnceLock::new(),
            member: OnceLock::new(),
            insecure_dev: false,
            plain_caller: Mutex::default(),
            late_caller: Mutex::default(),
            revoking: tokio::sync::Mutex::default(),
            not_rekeyed: Mutex::default(),
            not_renewed: Mutex::default(),
            versions: Versions::OURS,
            stop: CancellationToken::new(),
        }
    }

    /// Another host, if it is known.
    pub fn peer(&self, host: HostId) -> Option<Peer> {
        roster::find(&self.roster.borrow(), host).cloned()
    }

    /// Where the API of another host is, if that host is known.
    pub fn address_of(&self, host: HostId) -> Option<SocketAddr> {
        let roster = self.roster.borrow();
        roster::find(&roster, host).map(|peer| peer.identity.api)
    }

    /// Has this host's newest record signed and told again, by the certificate that is in force now.
    pub fn republish(&self) {
        if let Some(payload) = self.payload.get() {
            payload.send_modify(|_| {});
        }
    }

    /// Whether there is a fleet around this host.
    pub fn has_company(&self) -> bool {
        self.living() > 0
    }

    /// How many others are alive.
    pub fn living(&self) -> usize {
        let roster = self.roster.borrow();
        roster.iter().filter(|peer| peer.is_living()).count()
    }

    /// Whether connections to peers are fit for keys.
    pub fn keys_may_travel(&self) -> bool {
        self.insecure_dev || self.member.get().is_some()
    }

    /// Whether a host was put out of the cluster.
    pub fn is_revoked(&self, host: HostId) -> bool {
        let member = self.member.get();
        member.is_some_and(|member| member.gate().is_revoked(host))
    }

    /// A connection to a host that is made with the first call, and made again when it breaks.
    pub fn connect(&self, host: HostId, address: SocketAddr) -> Result<Channel, PeersError> {
        Ok(self.lazily(host, address, self.endpoint(address)?))
    }

    /// The same, by an endpoint of its own kind.
    pub fn lazily(&self, host: HostId, address: SocketAddr, endpoint: Endpoint) -> Channel {
        match self.member.get() {
            Some(member) => secure::lazily(member, host, address, self.local, &endpoint),
            None => endpoint.connect_lazy(),
        }
    }

    /// A connection to whichever member is at `host:port`; `None` where this host is no member.
    pub fn connect_any(&self, address: &str) -> Option<Channel> {
        let endpoint = patient(Endpoint::from_static("http://member.kerf.internal"));
        let member = self.member.get()?;
        Some(secure::lazily_any(member, address, &endpoint))
    }

    /// How a peer is connected to.
    pub fn endpoint(&self, address: SocketAddr) -> Result<Endpoint, PeersError> {
        let error = |source| PeersError::Endpoint { address, source };
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(error)?;
        let same_family = |ip: &IpAddr| ip.is_ipv4() == address.is_ipv4();
        Ok(patient(
            endpoint.local_address(self.local.filter(same_family)),
        ))
    }
}

/// With the deadlines of every connection to a peer.
fn patient(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("me", &self.me)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Locks what is only ever changed as a whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
