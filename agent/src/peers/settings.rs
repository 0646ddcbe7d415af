//! What peers are started with, and what they may be shown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kerf_membership::{ClusterId, Incarnation};
use kerf_types::peer::Tag;
use kerf_types::{HostId, HostName};
use tokio::sync::watch;

use super::PeersError;
use super::Versions;
use super::keyring::Keys;
use crate::cluster::Member;
use crate::config;

/// Where and with whom to meet.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of both sockets, UDP and TCP; with port 0 they take one that is free.
    pub listen: SocketAddr,
    /// What peers are told instead of that address; port 0 stands for the real one.
    pub advertise: Option<SocketAddr>,
    /// Hosts that are asked for the fleet, `host:port`; names are resolved again at each try.
    pub join: Vec<String>,
    /// The fleet.
    pub cluster: ClusterId,
    /// The keys that gossip is sealed with; `None` where it is not.
    pub keys: Option<Arc<Keys>>,
    /// Whether somebody has said that connections which prove nothing are enough, also for keys.
    pub insecure_dev: bool,
    /// This host as a member of a cluster, once it is one: until then nobody is listened to. `None` for one that proves
    /// nothing.
    pub membership: Option<watch::Receiver<Option<Arc<Member>>>>,
    /// In which versions this host takes calls, and makes them.
    pub versions: Versions,
}

/// This host as its peers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// Its id.
    pub host: HostId,
    /// Its name.
    pub name: HostName,
    /// Which start of its daemon this is: greater than any before, and in the store by now.
    pub incarnation: Incarnation,
}

/// What this host shows its peers of members that run on it.
pub trait Shows: Send + Sync + 'static {
    /// The host that submitted the job of this member, if this host holds or held it.
    fn coordinator(&self, tag: Tag) -> Option<HostId>;

    /// Folder of its logs, and a flag that turns true once they are whole.
    fn logs(&self, tag: Tag) -> Option<(PathBuf, watch::Receiver<bool>)>;
}

impl Settings {
    /// What the configuration says; `None` where this host runs alone.
    pub fn of(peers: &config::Peers) -> Option<Self> {
        Some(Self {
            listen: peers.listen?,
            advertise: peers.advertise,
            join: peers.join.clone(),
            cluster: peers.cluster_id(),
            keys: None,
            insecure_dev: peers.insecure_dev,
            membership: None,
            versions: Versions::OURS,
        })
    }

    /// What peers are told, where the sockets are bound to `bound`.
    pub(super) fn told(&self, bound: SocketAddr) -> Result<SocketAddr, PeersError> {
        let mut address = self.advertise.unwrap_or(bound);
        if address.port() == 0 {
            address.set_port(bound.port());
        }
        if address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err(PeersError::NoAddress { address });
        }
        Ok(address)
    }
}
