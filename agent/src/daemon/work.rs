//! What works on jobs, put together: members, jobs, peers and the scheduler.

use std::sync::Arc;

use kerf_membership::Incarnation;
use kerf_telemetry::SelfMetrics;
use kerf_types::HostId;
use tokio::sync::{mpsc, watch};

use super::programs;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::events::Events;
use crate::files::{self, Durability};
use crate::fleet::{self, Ears, Fleet};
use crate::host::{Command, HostHandle};
use crate::jobs::{self, Jobs};
use crate::launcher::Launcher;
use crate::members::{self, Members};
use crate::peers::keyring::Keys;
use crate::peers::{self, Event, Me, Peers, PeersError};
use crate::problems::Problems;
use crate::process::workers::Processes;
use crate::rpc::LoadedConfig;
use crate::store::{SharedStore, Store, StoreError};

/// Who this host is, by its store.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The id.
    pub host: HostId,
    /// Which start of kerfd this is.
    pub start: u64,
}

impl Identity {
    /// Reads the id and counts this start. A host that runs alone starts on a full disk too: nobody compares its
    /// starts.
    ///
    /// The id has a copy in the run folder, for a store that was lost.
    pub fn of(store: &mut Store, config: &Config) -> Result<Self, StoreError> {
        let copy = config.paths.run_dir.join("host-id");
        let kept = std::fs::read_to_string(&copy).ok();
        let kept = kept.and_then(|text| text.trim().parse().ok());
        let host = store.host_id(kept)?;
        let text = format!("{host}\n");
        if let Err(error) = files::replace(&copy, text.as_bytes(), Durability::Volatile) {
            tracing::warn!(%error, path = %copy.display(), "copy of the host's id not written");
        }
        let start = match store.next_start() {
            Err(error) if config.peers.listen.is_none() && error.is_disk_full() => 0,
            counted => counted?,
        };
        Ok(Self { host, start })
    }
}

/// This host's place in a cluster.
///
/// A member that proves nothing would open its fleet to whoever reaches its port, so `--insecure-dev` is refused on one.
pub fn cluster(config: &Config, identity: Identity) -> anyhow::Result<Arc<Cluster>> {
    let (paths, peers) = (&config.paths, &config.peers);
    let lifetime = peers.certificate_lifetime;
    let cluster = Cluster::open(&paths.state_dir, identity.host, lifetime);
    let cluster = cluster.map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(format!("this host's identity cannot be used ({hint})"))
    })?;
    if let Some(member) = cluster.member()
        && peers.insecure_dev
    {
        anyhow::bail!(
            "this host is a member of the cluster {}, where connections prove who is at both ends, and --insecure-dev \
             would take calls from anybody: start kerfd without --insecure-dev, or remove {} to leave the cluster",
            member.gate().ca().name(),
            paths.state_dir.join("cluster").display()
        );
    }
    Ok(cluster)
}

/// The other hosts, if this one is to meet them.
pub type Met = Option<(Peers, mpsc::Receiver<Event>)>;

/// Listens to peers, if the configuration says so.
pub async fn meet(
    config: &Config,
    identity: Identity,
    cluster: &Cluster,
    events: Events,
    metrics: Arc<SelfMetrics>,
) -> Result<Met, PeersError> {
    let settings = peers::Settings::of(&config.peers);
    let Some((mut settings, name)) = settings.zip(config.peers.name.clone()) else {
        return Ok(None);
    };
    if config.peers.insecure_dev {
        settings.keys = Keys::open(&config.paths.state_dir)?;
    } else {
        settings.membership = Some(cluster.watch());
    }
    let me = Me {
        host: identity.host,
        name,
        incarnation: Incarnation(identity.start),
    };
    peers::start(settings, me, events, metrics).await.map(Some)
}

/// What the parts are made of.
#[derive(Debug)]
pub struct Materials {
    /// Configuration in force.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// Who this host is.
    pub identity: Identity,
    /// The owner of the devices.
    pub host: HostHandle,
    /// The way to processes and containers.
    pub processes: Processes,
    /// The store.
    pub store: SharedStore,
    /// The other hosts.
    pub met: Met,
    /// Where events go.
    pub events: Events,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
}

/// Everything that works on jobs.
#[derive(Debug)]
pub struct Work {
    /// Jobs.
    pub jobs: Jobs,
    /// The other hosts.
    pub peers: Option<Peers>,
    /// The scheduler.
    pub fleet: Fleet,
    members: Members,
}

impl Work {
    /// Takes up what an earlier kerfd has left.
    pub fn start(materials: Materials) -> anyhow::Result<Self> {
        let Materials {
            config: loaded,
            identity,
            host,
            processes,
            store,
            met,
            events,
            metrics,
        } = materials;
        let config = Arc::new(loaded.borrow().config.clone());
        let launcher = Arc::new(Launcher::new(programs::launcher_config(
            &config, processes,
        ))?);
        tokio::spawn(watch_tasks(Arc::clone(&launcher), host.clone()));
        let problems = Arc::new(Problems::new());
        let (members, voice) = Members::start(members::Parts {
            config: Arc::clone(&config),
            host: host.clone(),
            launcher,
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            problems: Arc::clone(&problems),
            me: identity.host,
        })?;
        let (jobs, wishes) = Jobs::start(jobs::Parts {
            config,
            members: members.clone(),
            store: store.clone(),
            events,
            metrics,
            problems: Arc::clone(&problems),
        })?;
        let (peers, happenings) = met.unzip();
        let parts = fleet::Parts {
            me: identity.host,
            start: identity.start,
            config: loaded,
            host,
            jobs: jobs.clone(),
            members: members.clone(),
            store,
            problems,
            peers: peers.clone(),
        };
        let ears = Ears {
            wishes,
            voice,
            events: happenings,
        };
        Ok(Self {
            fleet: fleet::start(parts, ears)?,
            jobs,
            peers,
            members,
        })
    }

    /// Says goodbye to the fleet, and ends all that goes on for jobs at a point where it waits. What runs goes on.
    pub async fn stop(self) {
        self.fleet.stop().await;
        self.members.stop().await;
    }
}

/// Has the owner of the host look whenever containerd says that a container has begun or ended.
async fn watch_tasks(launcher: Arc<Launcher>, host: HostHandle) {
    launcher.on_tasks(|| host.tell(Command::Tasks)).await;
}
