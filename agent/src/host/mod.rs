//! The owner of this host's slices: one task that observes, cuts, grants and frees.
//!
//! Everything that changes a GPU or a lease goes through its inbox, one command after the other; readers
//! take the newest [`HostView`] and never wait. Order of things: an intent is in the store before the driver
//! is called, a lease is in the store before its container hears of it, and what exists is only ever what
//! was read back.

mod account;
mod amd;
mod attach;
mod attached;
#[cfg(test)]
mod bench;
mod blockers;
mod carried;
mod carry;
mod changes;
mod choice;
mod claim;
mod command;
mod degrade;
mod devices;
mod driver_files;
mod error;
mod exec;
mod execute;
#[cfg(test)]
pub(crate) mod fixture;
mod force;
mod fresh;
mod grant;
mod imex;
mod inbox;
mod kept;
mod launch;
mod layout;
pub mod locality;
mod maintenance;
mod makers;
mod mend;
mod mode;
pub mod moved;
mod named;
mod nccl;
mod observe;
mod owed;
mod owner;
mod partition;
mod pods;
pub mod policy;
mod promise;
pub mod proof;
mod publish;
mod record;
mod recover;
mod refusals;
mod release;
mod renew;
mod resume;
mod rings;
pub mod sharing;
pub mod vgpu;
pub mod view;
mod waiting;
mod watch;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use kerf_telemetry::SelfMetrics;
use kerf_types::{Fence, Inventory, LeaseId, PciAddress, Timestamp};
use tokio::sync::{mpsc, oneshot, watch as channel};

pub use attach::{Attach, Attached, DeviceCommand};
pub use choice::HoldFor;
pub use command::{
    Command, HostHandle, LaunchPeer, LayoutDone, LayoutRequest, Progress, Reservation,
};
pub use error::HostError;
pub use exec::{Exec, Held, Under};
pub use grant::{Reserve, Wanted};
pub use layout::Sight;
pub use maintenance::Maintenance;
pub use observe::gpu_name;
pub use owner::PARTITIONING;
pub use pods::{PodAsk, PodCommand, PodContainer};
pub use sharing::{SharedView, StateView, Told, taken};
pub use view::{Degraded, HostView, SliceView};

use crate::cdi::CdiFolder;
use crate::config::Config;
use crate::events::Events;
use crate::hardware::Hardware;
use crate::process::workers::Processes;
use crate::store::{LeaseRow, Store, StoreError, WorkRow};

/// Commands that may wait. A launch waits for its answer, so this bounds the launches under way; beyond it
/// the sender waits, and the runtime's own deadline ends that.
const INBOX_BOUND: usize = 256;

/// How long a start waits for the first look at the hardware. Loading the driver may take a minute, and one
/// that hangs never ends; nobody could ask why in the meantime.
const FIRST_LOOK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// What the owner works with.
#[derive(Debug)]
pub struct Parts {
    /// Configuration in force.
    pub config: Arc<Config>,
    /// The way to the hardware.
    pub hardware: Arc<Hardware>,
    /// The way to processes and containers.
    pub processes: Processes,
    /// The store.
    pub store: Store,
    /// The vendor's tools by which devices are shared ([`sharing::tools`]).
    pub tools: kerf_partitioner::sharing::Tools,
    /// Where events go.
    pub events: Events,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
}

/// The owner's state.
#[derive(Debug)]
pub struct Host {
    config: Arc<Config>,
    hardware: Arc<Hardware>,
    processes: Processes,
    store: Store,
    cdi: CdiFolder,
    events: Events,
    metrics: Arc<SelfMetrics>,
    inventory: Inventory,
    /// What was found, told once the picture shows it: who hears of a device, or of its health, finds it so.
    found: Vec<publish::Found>,
    /// Processors and memory nodes that containers may be pinned to.
    allowed: locality::Allowed,
    /// What joins the GPUs, by which sets of them are chosen.
    rings: rings::Rings,
    /// The GPUs that the kernel driver serves; `None` where it does not say.
    listed: Option<Vec<PciAddress>>,
    /// The AMD GPUs that the driver serves.
    listed_amd: Vec<PciAddress>,
    /// Memory modes that AMD GPUs were asked for and do not have yet.
    amd_requests: amd::Requests,
    /// What a container gets of the driver's files.
    driver_files: Vec<kerf_runtime::frame::MountEntry>,
    /// Device nodes of capabilities that were seen, by minor: path and numbers.
    capabilities: BTreeMap<u32, (std::path::PathBuf, (u32, u32))>,
    /// What each lease that a container has has used.
    accounts: BTreeMap<LeaseId, account::Account>,
    /// Nodes whose names in `/dev/char` were made or checked.
    linked: BTreeSet<std::path::PathBuf>,
    leases: BTreeMap<LeaseId, LeaseRow>,
    lives: view::Lives,
    /// Slices and GPUs with a CDI entry, to see what is added and what goes.
    standing: Option<publish::Standing>,
    /// Whether writing them has failed since, so that the files may hold something else.
    standing_doubted: bool,
    /// Work of an earlier kerfd, or of a failed cut, that is still to be finished or undone.
    open_work: Vec<WorkRow>,
    /// Changes of MIG mode for the ask that is being served.
    modes: Vec<WorkRow>,
    /// Who else cuts GPUs here.
    cutters: owner::Cutters,
    /// What the driver goes on refusing.
    refusals: refusals::Refusals,
    /// GPUs of which nothing could be read when they were asked last, whoever is at fault: what is known is older.
    unheard: BTreeSet<PciAddress>,
    /// When each of the others was read last.
    heard: BTreeMap<PciAddress, Instant>,
    /// When the hardware was looked at last because an ask found no room.
    last_look: Option<Instant>,
    capacity: u64,
    degraded: BTreeMap<String, Degraded>,
    generation: u64,
    /// The layout that the generation stands for; none before the first look.
    shape: Option<layout::Shape>,
    draining: bool,
    /// Those who wait for room.
    waiting: waiting::Queue,
    /// What is being written to the history.
    recording: Option<record::Recording>,
    /// The layout that this host is to have.
    kept: kept::Kept,
    /// vGPUs, and the records of those that kerf made.
    vgpus: vgpu::Vgpus,
    /// What is shared, and by which daemons.
    shared: sharing::Shared,
    /// GPUs on which no new lease is given, for as long as the other end lives.
    holds: Vec<choice::Hold>,
    /// What is in maintenance, with the driver closed.
    maintenance: Option<maintenance::Kept>,
    view: channel::Sender<Arc<HostView>>,
    /// Whether something has changed that the picture does not show yet: whoever launches has its answer first.
    is_unshown: bool,
    /// Leases whose copy is still to be written.
    owed: Vec<LeaseId>,
    handle: HostHandle,
}

/// Starts the owner: recovers what an earlier kerfd left, then serves its inbox until it is told to drain.
///
/// Returns the handle and the task; the first view is out when this returns. It shows the hardware, unless
/// that takes longer than [`FIRST_LOOK_PATIENCE`]; commands wait for it in any case.
pub async fn start(parts: Parts) -> Result<(HostHandle, tokio::task::JoinHandle<()>), HostError> {
    let (mut host, inbox) = Host::new(parts);
    let handle = host.handle.clone();
    host.load()?;
    host.load_amd_requests();
    host.load_shared();
    let (ready, looked) = oneshot::channel();
    let owner = tokio::spawn(host.run(inbox, ready));
    // A driver that hangs, or takes its time to load, must not keep kerfd from saying so.
    drop(tokio::time::timeout(FIRST_LOOK_PATIENCE, looked).await);
    Ok((handle, owner))
}

impl Host {
    /// One that has looked at nothing yet, and its inbox.
    fn new(parts: Parts) -> (Self, mpsc::Receiver<Command>) {
        let (sender, inbox) = mpsc::channel(INBOX_BOUND);
        let inventory = publish::nothing_yet(&parts.config.host);
        let (epoch, generation) = (parts.store.epoch(), parts.store.generation());
        let first = publish::first_view(&parts.config, generation, epoch);
        let (view, receiver) = channel::channel(Arc::new(first));
        let handle = HostHandle::new(sender, receiver);
        let paths = &parts.config.paths;
        let cdi = CdiFolder::new(
            &paths.cdi_dir,
            &paths.runtime,
            &paths.run_dir.join("runtime.sock"),
        );
        let host = Self {
            shared: sharing::Shared::new(parts.tools),
            config: parts.config,
            hardware: parts.hardware,
            processes: parts.processes,
            store: parts.store,
            cdi,
            events: parts.events,
            metrics: parts.metrics,
            inventory,
            found: Vec::new(),
            allowed: crate::process::allowed(),
            rings: rings::Rings::default(),
            listed: None,
            listed_amd: Vec::new(),
            amd_requests: amd::Requests::new(),
            driver_files: Vec::new(),
            capabilities: BTreeMap::new(),
            lives: view::Lives::default(),
            accounts: BTreeMap::new(),
            linked: BTreeSet::new(),
            leases: BTreeMap::new(),
            standing: None,
            standing_doubted: false,
            open_work: Vec::new(),
            modes: Vec::new(),
            cutters: owner::Cutters::default(),
            refusals: refusals::Refusals::default(),
            unheard: BTreeSet::new(),
            heard: BTreeMap::new(),
            last_look: None,
            capacity: 0,
            degraded: BTreeMap::new(),
            generation,
            shape: None,
            draining: false,
            waiting: waiting::Queue::default(),
            recording: None,
            kept: kept::Kept::default(),
            vgpus: vgpu::Vgpus::default(),
            holds: Vec::new(),
            maintenance: None,
            view,
            is_unshown: false,
            owed: Vec::new(),
            handle,
        };
        (host, inbox)
    }

    /// Writes to the store. What it says is a state of the host, not only of one request: a full disk shows
    /// in `kerf status` until a write succeeds.
    fn write<T>(
        &mut self,
        operation: impl FnOnce(&mut Store) -> Result<T, StoreError>,
    ) -> Result<T, HostError> {
        // An fsync takes milliseconds; the other tasks of this thread go on meanwhile.
        tokio::task::block_in_place(|| self.write_fast(operation))
    }

    /// The same for what is not flushed, and takes some ten microseconds.
    fn write_fast<T>(
        &mut self,
        operation: impl FnOnce(&mut Store) -> Result<T, StoreError>,
    ) -> Result<T, HostError> {
        let begun = Instant::now();
        let outcome = self.store.write(operation);
        self.metrics
            .store_write_duration
            .observe(begun.elapsed().as_secs_f64());
        match outcome {
            Ok(value) => {
                self.metrics.store_writes.inc();
                self.recovered("store");
                Ok(value)
            }
            Err(error) => {
                self.metrics.store_write_errors.inc();
                let hint = if error.is_disk_full() {
                    "free space under the state folder; nothing is granted until the store can be written"
                } else {
                    "see the log; nothing is granted until the store can be written"
                };
                self.degrade("store", crate::errors::chain(&error), hint);
                self.publish();
                Err(HostError::Store(error))
            }
        }
    }
}

/// The time for records. Safety never rests on it.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}

/// The highest fence that a runtime has seen, from the file that it keeps beside the socket.
pub fn highest_fence_seen(run_dir: &std::path::Path) -> Fence {
    let text = std::fs::read_to_string(run_dir.join("runtime.fence")).unwrap_or_default();
    Fence(text.trim().parse().unwrap_or(0))
}
