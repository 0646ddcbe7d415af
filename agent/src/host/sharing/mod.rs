//! The shared devices of this host: their daemons, their settings, and what is told of them.
//!
//! ```text
//!  layout -- begin --> starting -- answers --> runs -- ended --> waits, longer each time --> starting
//!                          |                    |                   ^      \-- too often --> rests
//!                          |                    \-- silent or unlimited, and nobody on its device: it is ended
//!                          \-- refused -----------------------------^
//!  layout, or its slice goes -- left, and ended once it has no clients --> not there
//! ```
//! Owns which GPUs are shared now and the daemons of their devices. What is to be shared after the next boot is the
//! kept layout's. Daemons outlive kerfd: a new one takes them over by their place, and starts those that are missing.
//! Ends no daemon that is not in a place of its own, and none with clients.

mod answers;
mod apply;
pub mod copy;
mod device;
mod gate;
mod give;
mod leave;
mod look;
mod restarts;
mod settle;
mod start;
mod supervise;
mod take_over;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, SharingError, Tools};
use kerf_types::sharing::{DeviceId, Mps, Sharing};
use kerf_types::{Gpu, PciAddress};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

pub use supervise::Told;
pub use view::{SharedView, StateView, taken};

use super::{Host, HostError};
use crate::config::Config;
use crate::files::{self, Durability};
use crate::process;
use answers::Answers;
use gate::Gate;
use leave::{Leaving, Remains};
use restarts::Restarts;
use settle::Unsettled;

/// Name of the entry about the record of what is shared.
const RECORD: &str = "record of sharing";

/// What is shared, and by which daemons.
#[derive(Debug)]
pub(super) struct Shared {
    tools: Arc<Tools>,
    /// GPUs that are shared, or whose slices are.
    gpus: BTreeMap<PciAddress, Sharing>,
    /// Those of them of which it is not known that all stands.
    unsettled: BTreeMap<PciAddress, Unsettled>,
    /// Counts tries to settle one of these.
    rounds: u64,
    /// Held while the driver is told how a GPU is shared. Says who was asked to tell it last.
    settings: BTreeMap<PciAddress, Gate>,
    /// The daemons of devices that are shared by MPS.
    seats: BTreeMap<DeviceId, Seat>,
    /// Daemons that are to end, by their folders.
    leaving: BTreeMap<PathBuf, Leaving>,
    /// What lay in the folder of places at the beginning and is still to be seen to.
    remains: Vec<Remains>,
    /// Counts seats, so that news of an earlier one is not taken for that of a later one.
    lives: u64,
}

/// The place of one daemon.
#[derive(Debug)]
struct Seat {
    place: MpsPlace,
    limits: Mps,
    life: u64,
    state: State,
    /// The last daemon that was seen here: while it lives, it and its children are nobody's use of the GPU.
    last: Option<MpsDaemon>,
    restarts: Restarts,
    /// Held while a tool works on the daemon. Says whether the place is still to have one.
    gate: Gate,
}

/// How a daemon is.
#[derive(Debug)]
enum State {
    /// It is being started.
    Starting,
    /// It runs.
    Runs {
        /// The process.
        daemon: MpsDaemon,
        /// Since when.
        since: Instant,
        /// What it says, if it does.
        answers: Answers,
        /// They end with this.
        _watchers: JoinSet<()>,
    },
    /// It has ended, and is started again soon.
    Waiting {
        /// How it ended.
        why: String,
    },
    /// It has ended too often.
    Resting {
        /// How it ended.
        why: String,
    },
}

impl State {
    /// The process that runs, and what it says.
    fn running(&self) -> Option<(MpsDaemon, &Answers)> {
        match self {
            Self::Runs {
                daemon, answers, ..
            } => Some((*daemon, answers)),
            _ => None,
        }
    }

    /// The process that runs and does not answer.
    fn silent(&self) -> Option<MpsDaemon> {
        let (daemon, answers) = self.running()?;
        answers.is_silent().then_some(daemon)
    }

    /// The process that runs and of which nobody can be given a place.
    fn useless(&self) -> Option<MpsDaemon> {
        let (daemon, answers) = self.running()?;
        answers.is_useless().then_some(daemon)
    }

    /// Why no place is given now; nothing where one is.
    fn obstacle(&self) -> Option<String> {
        match self {
            Self::Runs { answers, .. } => answers.obstacle(),
            Self::Starting => Some("its mps daemon is being started".to_owned()),
            Self::Waiting { why } => Some(format!(
                "its mps daemon has ended and is started again: {why}"
            )),
            Self::Resting { why } => Some(format!(
                "its mps daemon has ended too often and rests: {why}"
            )),
        }
    }
}

/// The tools with which a kerfd of this configuration shares devices.
pub fn tools(config: &Config) -> Tools {
    let paths = &config.paths;
    let mut tools = Tools::under(&paths.sysroot, paths.partitioner.clone());
    tools.offered = Some(paths.run_dir.join("mps.sock"));
    tools
}

impl Shared {
    /// Nothing is shared before it is known what was.
    pub fn new(tools: Tools) -> Self {
        Self {
            tools: Arc::new(tools),
            gpus: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            rounds: 0,
            settings: BTreeMap::new(),
            seats: BTreeMap::new(),
            leaving: BTreeMap::new(),
            remains: Vec::new(),
            lives: 0,
        }
    }

    /// Which GPUs are shared, and how.
    pub fn gpus(&self) -> &BTreeMap<PciAddress, Sharing> {
        &self.gpus
    }

    /// How a GPU is shared.
    pub fn of(&self, gpu: PciAddress) -> Option<Sharing> {
        self.gpus.get(&gpu).copied()
    }

    /// The places of daemons of a GPU.
    fn seats_of(&self, gpu: PciAddress) -> impl Iterator<Item = (DeviceId, &Seat)> {
        let seats = self.seats.iter();
        seats
            .filter(move |(device, _)| device.gpu() == gpu)
            .map(|(device, seat)| (*device, seat))
    }

    /// The devices of a GPU that have such places.
    fn seated_of(&self, gpu: PciAddress) -> Vec<DeviceId> {
        self.seats_of(gpu).map(|(device, _)| device).collect()
    }

    /// Whether a GPU is to be shared no longer, and still is.
    fn ends(&self, gpu: PciAddress) -> bool {
        self.unsettled.get(&gpu).is_some_and(|entry| entry.ends)
    }

    /// Takes the daemons of ours, and the servers that they have started, out of what is seen on a GPU: whoever
    /// counts users must not count these.
    pub fn without_own(&self, gpu: &mut Gpu) {
        // The id of one that has ended may be somebody else's by now.
        let own: Vec<u32> = self
            .seats_of(gpu.pci)
            .filter_map(|(_, seat)| seat.last.filter(MpsDaemon::is_alive))
            .map(|daemon| daemon.pid)
            .collect();
        if own.is_empty() {
            return;
        }
        let is_own = |pid: u32| {
            own.contains(&pid) || process::parent(pid).is_some_and(|parent| own.contains(&parent))
        };
        gpu.processes.retain(|process| !is_own(process.pid));
    }
}

impl Host {
    /// What an earlier kerfd of this boot shared.
    pub(super) fn load_shared(&mut self) {
        let told = match std::fs::read(self.shared_path()) {
            Ok(bytes) => copy::decode(&bytes, &self.machine_boot()),
            Err(error) => copy::Told {
                damage: (error.kind() != ErrorKind::NotFound).then(|| error.to_string()),
                ..copy::Told::default()
            },
        };
        let is_whole = told.damage.is_none() && self.shared_path().exists();
        self.shared.gpus = told.gpus;
        let unsettled = told.unsettled.into_iter();
        self.shared.unsettled = unsettled
            .map(|(gpu, ends)| (gpu, Unsettled::of_an_earlier(ends)))
            .collect();
        if let Some(why) = told.damage {
            let why = format!("the record of what is shared cannot be read: {why}");
            let hint = "what the kept layout shares is looked for and begun anew; apply a layout again for the rest";
            self.degrade(RECORD, why, hint);
        }
        if !is_whole {
            self.share_as_kept();
        }
    }

    /// Without a record the kept layout says what was shared in this boot. Its daemons are taken over where they run,
    /// and what does not stand is begun anew, so that nothing is announced as free that others have shares of.
    fn share_as_kept(&mut self) {
        let kept = self.kept.shared_in_this_boot();
        for (gpu, sharing) in kept {
            if let Entry::Vacant(place) = self.shared.gpus.entry(gpu) {
                place.insert(sharing);
                self.shared.unsettled.insert(gpu, Unsettled::default());
                self.keep_open(gpu);
            }
        }
    }

    fn shared_path(&self) -> PathBuf {
        self.config.paths.run_dir.join(copy::COPY)
    }

    /// Writes down which GPUs are shared.
    fn save_shared(&self) -> Result<(), HostError> {
        let shared = &self.shared;
        let unsettled = shared.unsettled.iter();
        let unsettled = unsettled.map(|(gpu, one)| (*gpu, one.ends)).collect();
        let bytes = copy::encode(&self.machine_boot(), &shared.gpus, &unsettled);
        let path = self.shared_path();
        let replace = || files::replace(&path, &bytes, Durability::Volatile);
        let written = shared.tools.around(copy::COPY, replace);
        written.map_err(|source| HostError::RunFile { path, source })
    }

    /// Where the daemon of a device lives. The name stands for the UUID, so for one life of a slice, and is short: the
    /// path of a socket has no room for more.
    fn place_of(&self, uuid: &str) -> MpsPlace {
        let digest = Sha256::digest(uuid);
        let name: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.place_in(name.as_ref(), uuid.to_owned())
    }

    fn shared_folder(&self) -> PathBuf {
        self.config.paths.run_dir.join("mps")
    }

    /// The place of that name.
    fn place_in(&self, name: &OsStr, device: String) -> MpsPlace {
        MpsPlace {
            device,
            run: self.shared_folder().join(name),
            log: self.config.paths.state_dir.join("mps").join(name),
        }
    }

    /// The devices of a GPU that are shared by MPS as it is now, with their UUIDs.
    fn shared_devices(&self, gpu: PciAddress) -> Vec<(DeviceId, String)> {
        let Ok(live) = self.gpu(gpu) else {
            return Vec::new();
        };
        if !live.mig_mode.is_on() {
            return vec![(DeviceId::Gpu(gpu), live.uuid.to_string())];
        }
        let slices = self.slices().into_iter();
        let own = slices.filter(|slice| slice.id.gpu == gpu);
        own.filter_map(|slice| {
            let (_, uuid) = slice.device()?;
            Some((DeviceId::Slice(slice.id), uuid.to_string()))
        })
        .collect()
    }
}

/// What a tool said of a device, as an error of the host.
fn refused(device: &str, source: SharingError) -> HostError {
    HostError::Sharing {
        device: device.to_owned(),
        after: Box::default(),
        source: Box::new(source),
    }
}

/// Runs calls of tools where they hold nobody up.
async fn apart<T: Send + 'static>(
    device: &str,
    work: impl FnOnce() -> Result<T, SharingError> + Send + 'static,
) -> Result<T, HostError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|source| refused(device, source)),
        Err(_) => Err(HostError::Ended),
    }
}
