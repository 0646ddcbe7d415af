//! The fleet as this host takes part in it: what it knows of the others, and where its jobs go.
//!
//! [`start`] puts the scheduler's core to work: its rows from the store, its inputs from jobs, members, peers and the
//! owner of the devices. See `driver` for who says what to whom.

mod adopt;
mod asks;
mod driver;
pub mod explain;
mod own;
mod shows;
pub mod summary;
pub mod view;
pub mod writer;

use std::sync::Arc;

use kerf_scheduler::core::Core;
use kerf_scheduler::{Saved, Settings};
use kerf_types::{HostId, HostName};
use tokio::sync::{mpsc, oneshot, watch};

pub use asks::{AskError, Asks};
pub use summary::Summary;
pub use view::{FleetView, Node, Presence};

use crate::config::Config;
use crate::host::HostHandle;
use crate::jobs::{Jobs, Wish};
use crate::members::{Members, Voice};
use crate::peers::{Event, Peers};
use crate::problems::Problems;
use crate::rpc::LoadedConfig;
use crate::store::{JobRow, SavedRows, SharedStore, StoreError, Unreadable};
use driver::{Driver, Inlets};
use own::{Own, Who};

/// What the fleet works with.
#[derive(Debug)]
pub struct Parts {
    /// The id of this host.
    pub me: HostId,
    /// Which start of kerfd this is.
    pub start: u64,
    /// Configuration in force.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// The owner of the devices.
    pub host: HostHandle,
    /// Jobs that were submitted here.
    pub jobs: Jobs,
    /// Members of jobs on this host.
    pub members: Members,
    /// The store.
    pub store: SharedStore,
    /// What cannot be made sense of.
    pub problems: Arc<Problems>,
    /// The other hosts; `None` where this one runs alone.
    pub peers: Option<Peers>,
}

/// What the fleet hears of.
#[derive(Debug)]
pub struct Ears {
    /// What is wanted of jobs.
    pub wishes: mpsc::UnboundedReceiver<Wish>,
    /// What members have to tell.
    pub voice: Voice,
    /// What happens among the other hosts.
    pub events: Option<mpsc::Receiver<Event>>,
}

/// The fleet at work.
#[derive(Debug)]
pub struct Fleet {
    view: watch::Receiver<Arc<FleetView>>,
    asks: Asks,
    stop: oneshot::Sender<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Fleet {
    /// What this host knows of the fleet.
    pub fn view(&self) -> watch::Receiver<Arc<FleetView>> {
        self.view.clone()
    }

    /// The way to its scheduler.
    pub fn asks(&self) -> Asks {
        self.asks.clone()
    }

    /// Says goodbye to the fleet and ends the scheduler. What runs goes on.
    pub async fn stop(self) {
        let (done, said) = oneshot::channel();
        if self.stop.send(done).is_ok() {
            drop(said.await);
        }
        drop(self.task.await);
    }
}

/// Reads what an earlier kerfd has left, and begins.
pub fn start(parts: Parts, ears: Ears) -> Result<Fleet, StoreError> {
    let SavedRows { saved, unreadable } = parts.store.lock().saved()?;
    for row in &unreadable {
        let job = row.job().to_owned();
        parts.problems.add_unreadable(job, row.why.clone());
    }
    let (core, first) = recover(&parts, saved, &unreadable)?;
    let address = parts.peers.as_ref().map(Peers::address);
    let loaded = parts.config.borrow().clone();
    let config = &loaded.config;
    let who = Who {
        id: parts.me,
        name: name_of(config),
        address: address.map(|at| at.to_string()).unwrap_or_default(),
        start: parts.start,
    };
    let own = Own::new(who, config);
    let (view, shown) = watch::channel(Arc::new(view::see(
        &own,
        address,
        &[],
        &FleetView::default(),
    )));
    let (silent, nothing) = mpsc::channel(1);
    let roster = match &parts.peers {
        Some(peers) => peers.watch(),
        None => watch::channel(Arc::default()).1,
    };
    let (asks, asked) = mpsc::channel(asks::WAITING);
    let inlets = Inlets {
        wishes: ears.wishes,
        asked,
        voice: ears.voice,
        events: ears.events.unwrap_or(nothing),
        roster,
    };
    if let Some(peers) = &parts.peers {
        peers.show(Arc::new(shows::Shown(parts.members.clone())));
    }
    let driver = Driver::new(parts, core, own, inlets, view)?;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        driver.run(first, stopped).await;
        drop(silent);
    });
    Ok(Fleet {
        view: shown,
        asks: Asks(asks),
        stop,
        task,
    })
}

fn recover(
    parts: &Parts,
    mut saved: Saved,
    unreadable: &[Unreadable],
) -> Result<(Core, Vec<kerf_scheduler::Input>), StoreError> {
    let now = driver::moment();
    // Nobody knows how far a job is whose row cannot be read. It is not submitted again until somebody has looked;
    // what still runs of it is let go, since nobody asks for it.
    let known = |row: &JobRow| {
        let id = row.id.to_string();
        !unreadable.iter().any(|one| one.job() == id)
    };
    let mut jobs = parts.jobs.unended();
    jobs.retain(|(row, _)| known(row));
    let runs = parts.members.all();
    let first = adopt::adopt(&mut saved, parts.me, &jobs, &runs, now);
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(StoreError::Random)?;
    let settings = Settings {
        alone: parts.peers.is_none(),
        master_ports: parts.config.borrow().config.launch.master_ports,
        ..Settings::default()
    };
    let core = Core::recover(parts.me, settings, u64::from_le_bytes(seed), saved, now);
    Ok((core, first))
}

/// What peers call this host; one that runs alone is told to nobody, so whatever its name is made of will do.
fn name_of(config: &Config) -> HostName {
    if let Some(name) = &config.peers.name {
        return name.clone();
    }
    let fits = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    let lower = config.host.to_lowercase();
    let label: String = lower
        .chars()
        .map(|one| if fits(one) { one } else { '-' })
        .take(HostName::LIMIT)
        .collect();
    let label = label.trim_matches('-');
    let usual = || "this-host".parse();
    label.parse().or_else(|_| usual()).unwrap_or_else(|error| {
        unreachable!("the usual name is one: {error}");
    })
}
