//! Daemons that nobody is to have any more: of slices that are gone, of sharing that is over, of an earlier kerfd.
//!
//! Each is ended beside the owner once it has no clients, and is known until then: it is told as what is not well, and
//! tried again and again. Never ends one under clients, and takes nothing away that a daemon still serves.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, SharingError, Tools};
use kerf_types::PciAddress;
use kerf_types::lease::Subject;
use kerf_types::sharing::DeviceId;
use tokio::task::JoinSet;

use super::super::{Command, Host};
use super::gate::Gate;
use super::supervise::{Told, name};
use crate::errors::chain;

/// Why a daemon is left: its device is not there any more.
pub(super) const GONE: &str = "its device is gone";
/// Its device is not to be shared any more.
pub(super) const OVER: &str = "its device is no longer shared";
/// It was found where no device that is shared has its place.
const FOUND: &str = "an earlier kerfd has left it, and no device of it is shared";

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest: clients are waited for, so it is how much later than they a daemon ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What to do about one that stays.
const HINT: &str = "it is ended once it has no clients: end what computes through it";

/// A daemon that is to end.
#[derive(Debug)]
pub(super) struct Leaving {
    /// Which of those that were left in this place it is.
    life: u64,
    /// UUID of its device, or what is known of it.
    device: String,
    /// Its GPU, where that is known.
    pub gpu: Option<PciAddress>,
    /// What it was the daemon for.
    why: &'static str,
    /// The last daemon that was seen there.
    pub last: Option<MpsDaemon>,
    /// Held while a tool works on it.
    pub gate: Gate,
    /// Ends with this.
    _task: JoinSet<()>,
}

/// What lies in the folder of places.
#[derive(Debug)]
pub struct Remains {
    run: PathBuf,
    daemon: Option<MpsDaemon>,
}

impl Host {
    /// Gives the place of a daemon up, which ends beside the owner.
    pub(super) fn vacate(&mut self, device: DeviceId, why: &'static str) {
        let Some(seat) = self.shared.seats.remove(&device) else {
            return;
        };
        self.recovered(&name(device));
        self.recovered(&super::look::server_name(device));
        seat.gate.close();
        self.let_go(seat.place, Some(device.gpu()), seat.last, seat.gate, why);
    }

    fn let_go(
        &mut self,
        place: MpsPlace,
        gpu: Option<PciAddress>,
        last: Option<MpsDaemon>,
        gate: Gate,
        why: &'static str,
    ) {
        let (run, device) = (place.run.clone(), place.device.clone());
        let (tools, handle) = (self.shared.tools.clone(), self.handle.clone());
        let (own, held_by) = (run.clone(), gate.clone());
        self.shared.lives += 1;
        let life = self.shared.lives;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let held = held_by.enter().await;
                let (tools, place) = (tools.clone(), place.clone());
                let ended = tokio::task::spawn_blocking(move || {
                    let _held = held;
                    end(&tools, &place, last)
                });
                let outcome = match ended.await {
                    Ok(outcome) => outcome.map_err(|error| chain(&error)),
                    Err(error) => Err(chain(&error)),
                };
                let is_over = outcome.is_ok();
                let run = own.clone();
                let told = Told::Left { run, life, outcome };
                handle.tell(Command::Daemon { told }).await;
                if is_over {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        let leaving = Leaving {
            life,
            device,
            gpu,
            why,
            last,
            gate,
            _task: task,
        };
        self.shared.leaving.insert(run, leaving);
    }

    /// A daemon that was to end has ended, or has not.
    pub(super) fn has_left(&mut self, run: &Path, life: u64, outcome: Result<(), String>) {
        let leaving = self.shared.leaving.get(run);
        let Some(leaving) = leaving.filter(|leaving| leaving.life == life) else {
            return;
        };
        let name = left_name(run);
        match outcome {
            Ok(()) => {
                tracing::info!(device = leaving.device, "mps daemon ended that was left");
                self.shared.leaving.remove(run);
                self.recovered(&name);
            }
            Err(why) => {
                let text = format!(
                    "the daemon of {} runs on, though {}: {why}",
                    leaving.device, leaving.why
                );
                self.degrade(&name, text, HINT);
            }
        }
    }

    /// The place is to have a daemon after all: what is known of the one there.
    pub(super) fn take_back(&mut self, run: &Path) -> Option<Leaving> {
        let leaving = self.shared.leaving.remove(run)?;
        self.recovered(&left_name(run));
        Some(leaving)
    }

    /// What lies in the folder of places and belongs to no device that is shared or leased goes: its daemon once it has
    /// no clients, and its folder. Not before every GPU that is shared tells what devices it has.
    pub(in crate::host) fn sweep_shared(&mut self) {
        let mut gpus = self.shared.gpus.keys();
        let is_told = |gpu: &PciAddress| self.gpu(*gpu).is_ok_and(|gpu| gpu.health.is_ok());
        if self.shared.remains.is_empty() || !self.driver_answers() || !gpus.all(is_told) {
            return;
        }
        let seats = self.shared.seats.values();
        let own: BTreeSet<PathBuf> = seats.map(|seat| seat.place.run.clone()).collect();
        let leases = self.leases.values();
        let subjects = leases.flat_map(|row| &row.lease.subjects);
        let shares = subjects.filter(|subject| subject.share().is_some());
        let leased = shares.map(|subject| self.place_of(&uuid_of(subject)).run);
        let leased: BTreeSet<PathBuf> = leased.collect();
        for Remains { run, daemon } in std::mem::take(&mut self.shared.remains) {
            if own.contains(&run) || self.shared.leaving.contains_key(&run) {
                continue;
            }
            if leased.contains(&run) {
                // Until its lease has ended.
                self.shared.remains.push(Remains { run, daemon });
                continue;
            }
            let Some(name) = run.file_name() else {
                continue;
            };
            let device = daemon.as_ref().and_then(MpsDaemon::device);
            let device = device.unwrap_or_else(|| "a device that is not known".to_owned());
            let place = self.place_in(name, device);
            self.let_go(place, None, daemon, Gate::default(), FOUND);
        }
    }
}

/// The UUID of a leased device.
fn uuid_of(subject: &Subject) -> String {
    match subject {
        Subject::Slice { uuid, .. } => uuid.to_string(),
        Subject::Gpu { uuid, .. } => uuid.to_string(),
    }
}

/// How a daemon that is left is called in `kerf status`.
fn left_name(run: &Path) -> String {
    let name = run.file_name().unwrap_or_default();
    format!("mps daemon in {}", name.display())
}

/// Every place in the folder of places, and which daemon runs there.
pub(super) fn remains(tools: &Tools, folder: &Path) -> Vec<Remains> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let one = |run: PathBuf| {
        let place = MpsPlace {
            device: String::new(),
            log: run.clone(),
            run,
        };
        // What cannot be read is looked at again by whoever ends it.
        let daemon = tools.mps_find(&place).ok().flatten();
        Remains {
            run: place.run,
            daemon,
        }
    };
    folders.map(|entry| one(entry.path())).collect()
}

/// Ends what runs in a place, if it has no clients, and takes the place away. Where no file tells of a daemon it is the
/// last that was seen there.
pub(super) fn end(
    tools: &Tools,
    place: &MpsPlace,
    last: Option<MpsDaemon>,
) -> Result<(), SharingError> {
    if let Some(daemon) = tools.mps_find(place)?.or(last) {
        tools.mps_stop(place, &daemon)?;
    }
    clear(tools, place);
    Ok(())
}

/// Takes away what a daemon that has ended leaves in its place: sockets that nobody answers. Its logs stay.
pub(super) fn clear(tools: &Tools, place: &MpsPlace) {
    let cleared = tools.around("clear", || std::fs::remove_dir_all(&place.run));
    match cleared {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let path = place.run.display();
            tracing::warn!(%path, %error, "folder of an ended daemon remains");
        }
        _ => {}
    }
}
