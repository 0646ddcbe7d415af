//! What the driver is told of a shared GPU as a whole, and GPUs of whose sharing it is not known that all stands: these
//! are tried again, beside the owner, until it does.
//!
//! ```text
//! unsettled --pause, longer each time--> tells the driver --done--> all its daemons run --> settled
//!     ^------------------------------------- refused --/
//! unsettled, and to end --pause--> its daemons leave --> tells the driver --done--> shared no longer
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kerf_partitioner::sharing::{SharingError, Tools};
use kerf_types::PciAddress;
use kerf_types::sharing::{Interval, Sharing};

use super::super::{Command, Host, HostError};
use super::gate::Gate;
use super::restarts::{Next, Restarts};
use super::start::OWNER_PATIENCE;
use super::supervise::Told;
use super::{Shared, State, apart, leave, refused};
use crate::errors::chain;
use crate::hardware::Hardware;

/// The pause once the growing ones are over. Unlike a daemon that always ends, a setting that is refused costs one call,
/// and what is wrong with it may be over by itself.
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// What to do about it.
const HINT: &str = "its shares may not work as they should; it is tried again by itself, and at once when its layout is \
                    applied again";

/// A GPU of whose sharing it is not known that all stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsettled {
    /// Whether it is to be shared no longer.
    pub ends: bool,
    /// Which try this is; of an earlier one no news is taken.
    round: u64,
    /// Whether the driver has taken what it was told.
    is_set: bool,
    tries: Restarts,
}

impl Unsettled {
    /// As an earlier kerfd has left it.
    pub fn of_an_earlier(ends: bool) -> Self {
        Self {
            ends,
            ..Self::default()
        }
    }
}

/// What tells a driver how a GPU is shared.
struct Setting {
    gpu: PciAddress,
    uuid: String,
    is_whole: bool,
    sharing: Sharing,
    is_shared: bool,
    tools: Tools,
    hardware: Arc<Hardware>,
    turn: Turn,
}

/// Where a setting stands among those of its GPU.
struct Turn {
    gate: Gate,
    number: u64,
}

impl Shared {
    /// Whoever is asked now is the last: those that were asked before and are not at work yet do nothing any more,
    /// whoever of them comes when.
    fn turn(&mut self, gpu: PciAddress) -> Turn {
        let (number, gate) = (self.next_round(), self.settings.entry(gpu).or_default());
        gate.open(number);
        let gate = gate.clone();
        Turn { gate, number }
    }

    fn next_round(&mut self) -> u64 {
        self.rounds += 1;
        self.rounds
    }
}

/// Name of the entry about a GPU of whose sharing it is not known that all stands.
fn settings(gpu: PciAddress) -> String {
    format!("sharing of GPU {gpu}")
}

impl Host {
    /// All of it stands, or it is over.
    pub(super) fn is_settled(&mut self, gpu: PciAddress) -> Result<(), HostError> {
        let before = self.shared.unsettled.remove(&gpu);
        if let Err(error) = self.save_shared() {
            self.shared
                .unsettled
                .insert(gpu, before.unwrap_or_default());
            return Err(error);
        }
        self.recovered(&settings(gpu));
        // Written anew, the record is whole.
        self.recovered(super::RECORD);
        Ok(())
    }

    /// It is being begun: until it stands, nobody knows that it does.
    pub(super) fn is_begun(&mut self, gpu: PciAddress) {
        let round = self.shared.next_round();
        let begun = Unsettled {
            round,
            ..Unsettled::default()
        };
        self.shared.unsettled.insert(gpu, begun);
    }

    /// It is not known that all of it stands. It is tried again after a pause: to have it, or to have it no longer.
    pub(super) fn is_unsettled(&mut self, gpu: PciAddress, ends: bool, why: String) {
        let round = self.shared.next_round();
        let entry = self.shared.unsettled.entry(gpu).or_default();
        (entry.ends, entry.round, entry.is_set) = (ends, round, false);
        let pause = match entry.tries.ended(Duration::ZERO) {
            Next::After(pause) => pause,
            Next::Rest => LAST_PAUSE,
        };
        if let Err(error) = self.save_shared() {
            let error = chain(&error);
            tracing::warn!(gpu.pci = %gpu, error, "half-begun sharing is not written down");
        }
        self.degrade(&settings(gpu), why, HINT);
        self.try_later(gpu, round, pause);
    }

    fn try_later(&self, gpu: PciAddress, round: u64, pause: Duration) {
        self.tell_later(pause, Told::Resettle { gpu, round });
    }

    /// Tries again what does not stand.
    pub(super) fn resettle(&mut self, gpu: PciAddress, round: u64) {
        let entry = self.shared.unsettled.get(&gpu);
        let Some(ends) = entry.filter(|one| one.round == round).map(|one| one.ends) else {
            return;
        };
        let is_well = self.gpu(gpu).is_ok_and(|gpu| gpu.health.is_ok());
        if self.maintenance.is_some() || !is_well {
            return self.try_later(gpu, round, LAST_PAUSE);
        }
        if ends {
            for device in self.shared.seated_of(gpu) {
                self.vacate(device, leave::OVER);
            }
            let mut leaving = self.shared.leaving.values();
            if leaving.any(|one| one.gpu == Some(gpu)) {
                // First its daemons, then its settings.
                return self.try_later(gpu, round, Duration::from_secs(1));
            }
        }
        let set = self.begin_set(gpu, !ends);
        let handle = self.handle.clone();
        tokio::spawn(async move {
            if let Some(told) = set.await {
                handle.tell(Command::Daemon { told }).await;
            }
        });
    }

    /// What tells the driver how a GPU is shared, or that it is no longer: to be run by whoever takes its news. It has
    /// none where somebody was asked meanwhile to tell it something else.
    pub(super) fn begin_set(
        &mut self,
        gpu: PciAddress,
        is_shared: bool,
    ) -> impl Future<Output = Option<Told>> + Send + use<> {
        let entry = self.shared.unsettled.get(&gpu);
        let round = entry.map_or(0, |entry| entry.round);
        let tools = self.shared.tools.as_ref().clone();
        let setting = self
            .shared
            .of(gpu)
            .map(|sharing| self.setting(gpu, sharing, is_shared, tools));
        async move {
            let outcome = match setting {
                Some(Ok(setting)) => setting.set().await.transpose()?,
                Some(Err(error)) => Err(error),
                None => Ok(()),
            };
            let outcome = outcome.map_err(|error| chain(&error));
            Some(Told::Set {
                gpu,
                round,
                outcome,
            })
        }
    }

    /// The driver has been told, or has refused.
    pub(super) fn driver_told(&mut self, gpu: PciAddress, round: u64, outcome: Result<(), String>) {
        let entry = self.shared.unsettled.get_mut(&gpu);
        let ends = match (entry, round) {
            (Some(entry), _) if entry.round == round => {
                entry.is_set = outcome.is_ok();
                entry.ends
            }
            // It stood, and was told once more at the beginning.
            (None, 0) if self.shared.gpus.contains_key(&gpu) => false,
            _ => return,
        };
        match outcome {
            Err(why) => self.is_unsettled(gpu, ends, why),
            // Where that cannot be written down it stays unsettled, which is told.
            Ok(()) if ends => drop(self.over(gpu)),
            Ok(()) => {
                self.keep_shared();
                self.settle_if_whole(gpu);
            }
        }
    }

    /// A GPU is shared no longer, once that is written down.
    pub(super) fn over(&mut self, gpu: PciAddress) -> Result<(), HostError> {
        let sharing = self.shared.gpus.remove(&gpu);
        if let Err(error) = self.is_settled(gpu) {
            if let Some(sharing) = sharing {
                self.shared.gpus.insert(gpu, sharing);
            }
            self.is_unsettled(gpu, true, chain(&error));
            return Err(error);
        }
        if let Some(sharing) = sharing {
            let text = format!("no longer shared by {sharing}");
            self.events.add("sharing", &gpu.to_string(), &text);
        }
        Ok(())
    }

    /// What an earlier kerfd was ending is ended: no timer of its own is left.
    pub(super) fn go_on_ending(&mut self) {
        let unsettled = self.shared.unsettled.iter();
        let ending = unsettled.filter(|(_, one)| one.ends);
        for (gpu, round) in ending.map(|(gpu, one)| (*gpu, one.round)) {
            self.try_later(gpu, round, Duration::ZERO);
        }
    }

    /// What was begun is whole once its settings are set and all its daemons run.
    pub(super) fn settle_if_whole(&mut self, gpu: PciAddress) {
        let entry = self.shared.unsettled.get(&gpu);
        if !entry.is_some_and(|entry| entry.is_set && !entry.ends) {
            return;
        }
        let devices = match self.shared.of(gpu) {
            Some(Sharing::Mps(_)) => self.shared_devices(gpu),
            _ => Vec::new(),
        };
        let states = devices.iter().map(|(device, _)| {
            let seat = self.shared.seats.get(device);
            seat.map(|seat| &seat.state)
        });
        let states: Vec<Option<&State>> = states.collect();
        let is_coming = |state: &Option<&State>| matches!(state, None | Some(State::Starting));
        if states.iter().any(is_coming) {
            return;
        }
        let stands = |state: &State| state.running().is_some() && state.useless().is_none();
        if !states.into_iter().flatten().all(stands) {
            // Those that are missing have tries of their own.
            let why = "its mps daemons do not all run".to_owned();
            self.degrade(&settings(gpu), why, HINT);
        } else if let Err(error) = self.is_settled(gpu) {
            self.is_unsettled(gpu, false, chain(&error));
        }
    }

    /// Sets what the driver is told of a shared GPU as a whole.
    pub(super) async fn set_up(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
    ) -> Result<(), HostError> {
        self.set_driver(gpu, sharing, true).await
    }

    /// Undoes it.
    pub(super) async fn set_back(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
    ) -> Result<(), HostError> {
        self.set_driver(gpu, sharing, false).await
    }

    /// While the owner waits.
    async fn set_driver(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
        is_shared: bool,
    ) -> Result<(), HostError> {
        let tools = self.shared.tools.within(OWNER_PATIENCE);
        // Nobody is asked meanwhile: who asks is waited for.
        let set = self.setting(gpu, sharing, is_shared, tools)?.set().await;
        set.map(Option::unwrap_or_default)
    }

    fn setting(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
        is_shared: bool,
        tools: Tools,
    ) -> Result<Setting, HostError> {
        let live = self.gpu(gpu)?;
        let (uuid, is_whole) = (live.uuid.to_string(), !live.mig_mode.is_on());
        let turn = self.shared.turn(gpu);
        Ok(Setting {
            gpu,
            uuid,
            is_whole,
            sharing,
            is_shared,
            tools,
            hardware: self.hardware.clone(),
            turn,
        })
    }
}

impl Setting {
    /// Nothing where somebody was asked meanwhile.
    async fn set(self) -> Result<Option<()>, HostError> {
        let gpu = self.gpu;
        // One after the other. Whoever is in there has a limit of its own, and is not waited for any longer.
        let entered = tokio::time::timeout(OWNER_PATIENCE, self.turn.gate.enter()).await;
        if !self.turn.gate.serves(self.turn.number) {
            return Ok(None);
        }
        let Ok(held) = entered else {
            let held = SharingError::Held {
                device: self.uuid.clone(),
                within: OWNER_PATIENCE,
            };
            return Err(refused(&self.uuid, held));
        };
        let set = match self.sharing {
            Sharing::TimeSlice(slices) => {
                let interval = match self.is_shared {
                    true => slices.interval,
                    false => Interval::Default,
                };
                let (tools, name) = (self.tools, self.uuid.clone());
                apart(&self.uuid, move || {
                    let _held = held;
                    tools.time_slice_set(&name, interval)
                })
                .await
            }
            // With MIG a GPU keeps the mode that it has: the driver takes no other.
            Sharing::Mps(_) if self.is_whole => {
                let set = self.hardware.set_exclusive(gpu, self.is_shared).await;
                drop(held);
                set.map_err(|source| HostError::ComputeMode {
                    gpu,
                    after: Box::default(),
                    source,
                })
            }
            Sharing::Mps(_) => Ok(()),
        };
        set.map(Some)
    }
}

#[cfg(test)]
mod tests;
