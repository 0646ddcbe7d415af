//! `[peers]`: whether and where this host meets the other hosts of a fleet, and under which name.
//!
//! A host that listens answers nobody until it is a member of a cluster (`kerf cluster init`, `join`). That hosts meet
//! without certificates is said on the command line, by `--insecure-dev`; no file can, since a file is copied to a
//! thousand hosts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kerf_identity::{LIFETIME_MAX_S, LIFETIME_MIN_S};
use kerf_membership::ClusterId;
use kerf_types::HostName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ConfigError;
use super::file::listen;
use super::table::table;

/// The fleet that a host belongs to unless the configuration says otherwise.
const CLUSTER: &str = "kerf";

/// How long a certificate is good for: a stolen key is useless after a day, and a host that signs may be down for a
/// third of one.
const LIFETIME_S: u64 = 24 * 60 * 60;

/// Longest name of a cluster in bytes.
const CLUSTER_LIMIT: usize = 128;

/// Most hosts that are asked for the fleet. Each is asked at every try, and one that answers is enough.
const JOIN_LIMIT: usize = 64;

/// The other hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// Where they reach this host, over UDP and TCP on one port; `None` where it runs alone.
    pub listen: Option<SocketAddr>,
    /// What they are told instead, where that address is not one of theirs. Port 0 stands for the real port.
    pub advertise: Option<SocketAddr>,
    /// Hosts that are asked for the fleet, `host:port`.
    pub join: Vec<String>,
    /// The fleet's name where hosts meet without certificates. Hosts of another one stay strangers.
    pub cluster: String,
    /// How long the certificates are good for that this host signs.
    pub certificate_lifetime: Duration,
    /// Whether a number of a user means the same person on all hosts of the fleet. Otherwise jobs of other hosts run
    /// as nobody.
    pub same_users: bool,
    /// Whether hosts meet without certificates. It stands in no file.
    pub insecure_dev: bool,
    /// What they call this host; `None` where it runs alone.
    pub name: Option<HostName>,
}

table!(
    /// `[peers]`
    PeersTable {
        /// Default `none`: this host runs alone.
        listen: String,
        /// Default: the address of `listen`. An IP address, with or without a port.
        advertise: String,
        /// Default: nobody.
        join: Vec<String>,
        /// Default `kerf`. Only with `--insecure-dev`; a cluster with certificates has the name that it was made with.
        cluster: String,
        /// How long the certificates are good for that this host signs, in seconds: 30 to 2592000, default 86400. Each is
        /// renewed after two thirds of it.
        certificate_lifetime_s: u64,
        /// Whether all hosts of the fleet have one list of users. Default false: jobs of other hosts run as nobody.
        same_users: bool,
    }
);

/// The host's name as the files and the kernel have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    /// `host.name`.
    pub given: Option<&'a str>,
    /// The kernel's.
    pub kernel: &'a str,
}

impl Peers {
    /// The fleet's id: the start of a hash of its name, so that it needs no registry.
    pub fn cluster_id(&self) -> ClusterId {
        let hash = Sha256::digest(self.cluster.as_bytes());
        let bits = hash.iter().take(16);
        ClusterId(bits.fold(0, |id, byte| (id << 8) | u128::from(*byte)))
    }
}

impl PeersTable {
    /// Fills in defaults and checks what the types cannot.
    pub(super) fn resolve(self, names: Names<'_>) -> Result<Peers, ConfigError> {
        let listen = listen("peers.listen", self.listen.as_deref().unwrap_or("none"))?;
        let advertise = self.advertise.as_deref().map(advertised).transpose()?;
        if let Some(address) = listen
            && address.ip().is_unspecified()
            && advertise.is_none()
        {
            let message = format!(
                "{address} is no address that a peer could send to: set peers.advertise to the one that they reach \
                 this host by"
            );
            return Err(value("peers.listen", message));
        }
        let join = self.join.unwrap_or_default();
        if join.len() > JOIN_LIMIT {
            let message = format!("{} hosts, at most {JOIN_LIMIT} are asked", join.len());
            return Err(value("peers.join", message));
        }
        if let Some(wrong) = join.iter().find(|text| !is_host_and_port(text)) {
            let message = format!("{wrong:?} is not a host with a port, like gpu-1.example:9451");
            return Err(value("peers.join", message));
        }
        let cluster = self.cluster.unwrap_or_else(|| CLUSTER.to_owned());
        let is_plain = !cluster.is_empty() && !cluster.chars().any(char::is_control);
        if !is_plain || cluster.len() > CLUSTER_LIMIT {
            let message =
                format!("{cluster:?} is not a name of 1 to {CLUSTER_LIMIT} printable characters");
            return Err(value("peers.cluster", message));
        }
        let lifetime_s = self.certificate_lifetime_s.unwrap_or(LIFETIME_S);
        if !(LIFETIME_MIN_S..=LIFETIME_MAX_S).contains(&lifetime_s) {
            let message = format!(
                "{lifetime_s} is not between {LIFETIME_MIN_S} and {LIFETIME_MAX_S} seconds"
            );
            return Err(value("peers.certificate_lifetime_s", message));
        }
        let name = listen.map(|_| names.for_peers()).transpose()?;
        Ok(Peers {
            listen,
            advertise,
            join,
            cluster,
            certificate_lifetime: Duration::from_secs(lifetime_s),
            same_users: self.same_users.unwrap_or(false),
            insecure_dev: false,
            name,
        })
    }
}

impl Names<'_> {
    /// What peers call this host. The kernel's name is made to fit; one that somebody chose is not changed.
    fn for_peers(self) -> Result<HostName, ConfigError> {
        let Some(given) = self.given else {
            let lower = self.kernel.to_lowercase();
            let label = lower.split('.').next().unwrap_or_default();
            return label.parse().map_err(|error: kerf_types::ParseError| {
                let message = format!("the kernel's name of this host does not do: {error}");
                value("host.name", message)
            });
        };
        given
            .parse()
            .map_err(|error: kerf_types::ParseError| value("host.name", error.to_string()))
    }
}

/// An address that can be sent to; its port may be left out, or 0.
fn advertised(text: &str) -> Result<SocketAddr, ConfigError> {
    let alone = |text: &str| {
        let ip = text.parse::<IpAddr>();
        ip.map(|ip| SocketAddr::new(ip, 0))
    };
    let address = text.parse().or_else(|_| alone(text)).map_err(|_| {
        let message = format!("{text:?} is not an IP address, with a port or without");
        value("peers.advertise", message)
    })?;
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        let message = format!("{address} is no address that a peer could send to");
        return Err(value("peers.advertise", message));
    }
    Ok(address)
}

fn is_host_and_port(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

fn value(key: &'static str, message: String) -> ConfigError {
    ConfigError::Value { key, message }
}

impl From<&Peers> for PeersTable {
    fn from(peers: &Peers) -> Self {
        let listen = peers.listen.map_or("none".to_owned(), |at| at.to_string());
        Self {
            listen: Some(listen),
            advertise: peers.advertise.map(|at| at.to_string()),
            join: Some(peers.join.clone()),
            cluster: Some(peers.cluster.clone()),
            certificate_lifetime_s: Some(peers.certificate_lifetime.as_secs()),
            same_users: Some(peers.same_users),
        }
    }
}

#[cfg(test)]
mod tests;
