//! Maintenance: somebody works on the driver or on a GPU, and kerf is out of the way.
//!
//! ```text
//! open --enter: nobody has the GPUs--> written down -> names withdrawn -> driver closed
//!   ^                                                                        |
//!   \--written off <- what the GPUs had is there again <- driver opened <-leave-/
//! ```
//! A process that has NVML initialised holds the node of every GPU open. So the driver is closed for the whole host, also
//! where one GPU is named: then what runs on the others goes on, and nothing new is given on any, since nobody could see
//! what is on it. A kerfd that starts in between stays out. Never ends anybody's work, and never opens the driver
//! before it is told to.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kerf_api::json::history::{HistoryKind, Requester};
use kerf_types::inventory::Health;
use kerf_types::lease::Lease;
use kerf_types::{LeasedDevice, PciAddress};

use super::publish::Standing;
use super::recover::STARTING;
use super::vgpu::VgpuRefusal;
use super::{Degraded, Host, HostError, locality, now, record};
use crate::errors::chain;
use crate::store::Store;

mod kept;

pub(super) use kept::Kept;
pub use kept::Maintenance;
use kept::without;

/// Name of its entry in `kerf status`.
pub(super) const MAINTENANCE: &str = "maintenance";

/// Name of the entry about a record of it that does not read.
const RECORD: &str = "record of maintenance";

/// How long workers may take to end. An idle one takes milliseconds; one that is in a call ends after it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

impl Host {
    /// Takes up what a kerfd before us has left in maintenance, before anything is asked of the driver.
    pub(super) fn load_maintenance(&mut self) -> Result<(), HostError> {
        if let Some(row) = self.store.maintenance()? {
            let (kept, damage) = Kept::read(row);
            if !damage.is_empty() {
                let why = format!("it does not read: {}", damage.join("; "));
                let hint = "it counts for the whole host where it does not say for which GPUs; apply their layouts after `kerf maintenance leave`";
                self.degrade(RECORD, why, hint);
            }
            self.stay_out(kept);
        }
        Ok(())
    }

    /// Nothing new is begun while the driver is closed.
    pub(super) fn refuse_in_maintenance(&self) -> Result<(), HostError> {
        match &self.maintenance {
            Some(kept) => Err(HostError::Maintenance {
                why: kept.now.words(),
            }),
            None => Ok(()),
        }
    }

    /// Closes the driver, once nobody has a lease on the GPUs. GPUs that are in maintenance already stay so.
    ///
    /// Where the requester is patient and only users are in the way, it asks again, and no history is written of this
    /// time.
    pub(super) async fn enter_maintenance(
        &mut self,
        gpus: Option<BTreeSet<PciAddress>>,
        by: Requester,
        is_patient: bool,
    ) -> Result<Maintenance, HostError> {
        let mut free = self.may_enter(gpus.as_ref()).await;
        let known = self.maintenance.clone();
        let kept = self.widened(known.clone(), gpus.as_ref(), by);
        let begun = Instant::now();
        if free.is_ok() {
            // Daemons hold the driver open. Should the rest fail, the next look starts them again.
            free = self.suspend_shared(&kept.now.gpus).await;
        }
        match free {
            Err(error) if is_patient && error.is_busy() => return Err(error),
            _ => {}
        }
        let kind = HistoryKind::MaintenanceEnter;
        self.begin_record(record::of_maintenance(kind, by, &kept.now.gpus))?;
        self.note_tried("end mps daemons".to_owned(), begun, free.as_ref().err());
        let outcome = match free {
            Ok(()) => self.close_driver(kept, known).await,
            Err(error) => Err(error),
        };
        self.end_record(outcome.as_ref().map(drop));
        if let Ok(now) = &outcome {
            tracing::info!(uid = by.uid, "driver closed for maintenance");
            self.events
                .add(MAINTENANCE, &self.config.host, &now.words());
        }
        outcome
    }

    async fn may_enter(&mut self, gpus: Option<&BTreeSet<PciAddress>>) -> Result<(), HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.observe_all().await;
        self.refuse_if_occupied(gpus)?;
        self.refuse_if_on_daemons(gpus)
    }

    async fn close_driver(
        &mut self,
        kept: Kept,
        known: Option<Kept>,
    ) -> Result<Maintenance, HostError> {
        let row = kept.row()?;
        self.write(|store| store.put_maintenance(&row))?;
        let now = kept.now.clone();
        let begun = Instant::now();
        self.stay_out(kept);
        // With the GPUs out of the picture their names go; the files are renewed when this returns.
        self.settle().await;
        let withdrawn = self.are_names_withdrawn();
        let error = withdrawn.as_ref().err();
        self.note_tried("withdraw the CDI names".to_owned(), begun, error);
        if let Err(error) = withdrawn {
            if let Err(stays) = self.go_back(known) {
                // The disk says closed, so it is closed.
                let stays = chain(&stays);
                tracing::warn!(error = stays, "maintenance stays although its names do");
                self.hardware.close(CLOSE_PATIENCE).await;
            }
            return Err(error);
        }
        let begun = Instant::now();
        self.hardware.close(CLOSE_PATIENCE).await;
        self.note_tried("close the driver".to_owned(), begun, None::<&HostError>);
        Ok(now)
    }

    fn are_names_withdrawn(&self) -> Result<(), HostError> {
        if self.standing.as_ref().is_some_and(Standing::is_empty) {
            return Ok(());
        }
        let cdi = self.degraded.get("cdi");
        let why = cdi.map_or("they stand still", |entry| entry.why.as_str());
        let why = why.to_owned();
        Err(HostError::NamesStand { why })
    }

    /// What has not begun is as if nobody had asked for it.
    fn go_back(&mut self, known: Option<Kept>) -> Result<(), HostError> {
        match known {
            Some(known) => {
                let row = known.row()?;
                self.write(|store| store.put_maintenance(&row))?;
                self.stay_out(known);
            }
            None => {
                self.write(Store::end_maintenance)?;
                self.maintenance = None;
                self.degraded.remove(MAINTENANCE);
                self.hardware.reopen();
            }
        }
        self.publish();
        Ok(())
    }

    fn refuse_if_occupied(&self, gpus: Option<&BTreeSet<PciAddress>>) -> Result<(), HostError> {
        let uses = self.vgpu_uses();
        let mut carrying = uses.words();
        let carried = carrying.find(|(gpu, _)| gpus.is_none_or(|gpus| gpus.contains(gpu)));
        if let Some((gpu, by)) = carried {
            return Err(VgpuRefusal::Carries { gpu, by }.into());
        }
        let in_the_way = |lease: &&Lease| {
            let mut subjects = lease.subjects.iter();
            let mut functions = lease.devices.iter().filter_map(LeasedDevice::accelerator);
            gpus.is_none_or(|gpus| {
                subjects.any(|subject| self.is_on_any(subject, gpus))
                    || functions.any(|pci| gpus.contains(&pci))
            })
        };
        let leases = self.leases.values().map(|row| &row.lease);
        let by: Vec<String> = leases.filter(in_the_way).map(who).collect();
        match by.as_slice() {
            [] => Ok(()),
            by => Err(HostError::Occupied { by: by.join("; ") }),
        }
    }

    /// What is in maintenance with these GPUs as well.
    fn widened(
        &self,
        known: Option<Kept>,
        gpus: Option<&BTreeSet<PciAddress>>,
        by: Requester,
    ) -> Kept {
        let mut kept = known.unwrap_or_else(|| Kept {
            now: Maintenance {
                whole_host: false,
                gpus: BTreeSet::new(),
                since: now(),
                by: Some(by),
            },
            before: self.had(),
            unread: None,
        });
        match gpus {
            None => {
                kept.now.whole_host = true;
                kept.now.gpus.extend(self.all_gpus());
            }
            Some(gpus) => kept.now.gpus.extend(gpus),
        }
        kept
    }

    /// From now on the driver is left alone, and every GPU is out of the picture.
    fn stay_out(&mut self, kept: Kept) {
        self.hardware.shut();
        let since = kept.now.since;
        let health = || Health::Maintenance { since };
        self.inventory
            .gpus
            .iter_mut()
            .for_each(|gpu| gpu.health = health());
        self.inventory
            .amd
            .iter_mut()
            .for_each(|gpu| gpu.health = health());
        let entry = Degraded {
            why: format!("{}: the driver is closed", kept.now.words()),
            hint: "`kerf maintenance leave` opens it and brings back what the GPUs had".to_owned(),
            since,
        };
        self.degraded.insert(MAINTENANCE.to_owned(), entry);
        self.maintenance = Some(kept);
    }

    /// Opens the driver, unless other GPUs are still in maintenance, and brings back what the GPUs had before anything
    /// is announced. Returns what is not well then.
    pub(super) async fn leave_maintenance(
        &mut self,
        gpus: Option<BTreeSet<PciAddress>>,
        by: Requester,
    ) -> Result<Vec<String>, HostError> {
        let Some(kept) = self.maintenance.clone() else {
            return Ok(Vec::new());
        };
        let named = gpus.as_ref().unwrap_or(&kept.now.gpus);
        let kind = HistoryKind::MaintenanceLeave;
        self.begin_record(record::of_maintenance(kind, by, named))?;
        let outcome = self.leave(kept, gpus.as_ref()).await;
        if let Ok(unwell) = &outcome
            && !unwell.is_empty()
        {
            self.note_why(format!("not well then: {}", unwell.join("; ")));
        }
        self.end_record(outcome.as_ref().map(drop));
        if outcome.is_ok() && self.maintenance.is_none() {
            tracing::info!(uid = by.uid, "driver open again after maintenance");
            let text = "over: the driver is open again";
            self.events.add(MAINTENANCE, &self.config.host, text);
        }
        outcome
    }

    async fn leave(
        &mut self,
        kept: Kept,
        gpus: Option<&BTreeSet<PciAddress>>,
    ) -> Result<Vec<String>, HostError> {
        if let Some(less) = without(&kept, gpus)? {
            let row = less.row()?;
            self.write(|store| store.put_maintenance(&row))?;
            self.stay_out(less);
            self.publish();
            return Ok(Vec::new());
        }
        self.open_driver(kept).await?;
        self.retry_releases().await;
        self.capacity += 1;
        self.settle().await;
        let unwell = self.degraded.iter();
        let unwell = unwell.map(|(what, entry)| format!("{what}: {}", entry.why));
        let unwell = unwell.collect();
        // Whoever leaves is told of it, and nothing of it is left.
        self.recovered(RECORD);
        Ok(unwell)
    }

    /// Opens the driver with what the GPUs had, or leaves it closed.
    async fn open_driver(&mut self, kept: Kept) -> Result<(), HostError> {
        self.maintenance = None;
        self.degraded.remove(MAINTENANCE);
        let entry = Degraded {
            why: "the driver is being opened again after maintenance".to_owned(),
            hint: "launches wait; what the GPUs had is brought back first".to_owned(),
            since: now(),
        };
        self.degraded.insert(STARTING.to_owned(), entry);
        let begun = Instant::now();
        self.hardware.reopen();
        self.observe_all().await;
        self.note_tried("open the driver".to_owned(), begun, None::<&HostError>);
        let begun = Instant::now();
        // What goes on by itself meanwhile has entries of its own.
        let own = self.recording.take();
        let outcome = self.bring_back_all(&kept).await;
        self.recording = own;
        let what = "bring back what the GPUs had".to_owned();
        self.note_tried(what, begun, outcome.as_ref().err());
        self.degraded.remove(STARTING);
        if outcome.is_err() {
            // A kerfd that starts now would stay out, so this one does too; and daemons would hold the driver open.
            let gpus = match kept.now.whole_host {
                true => self.shared.gpus().keys().copied().collect(),
                false => kept.now.gpus.clone(),
            };
            if let Err(error) = self.suspend_shared(&gpus).await {
                let error = chain(&error);
                tracing::warn!(error, "mps daemons run on in maintenance");
            }
            self.stay_out(kept);
            self.hardware.close(CLOSE_PATIENCE).await;
            self.settle().await;
        }
        outcome
    }

    async fn bring_back_all(&mut self, kept: &Kept) -> Result<(), HostError> {
        // First it is written down, so that it is not lost with a driver that does not answer yet, or with us.
        self.owe(&kept.before, kept.unread.as_deref())?;
        // Each place gets its daemon once: what is brought back after it finds those that run.
        self.take_over_shared().await;
        self.resume_work().await;
        self.bring_back().await;
        self.write(Store::end_maintenance)
    }
}

/// Who has what, in words.
fn who(lease: &Lease) -> String {
    let holder = match &lease.container {
        Some(container) => format!("container {container}"),
        None => lease.holder.to_string(),
    };
    let gpus = locality::devices(lease);
    let gpus: Vec<String> = gpus.iter().map(ToString::to_string).collect();
    format!(
        "GPU {} by {holder} (lease {}, {})",
        gpus.join(", "),
        lease.id,
        lease.state.as_str()
    )
}

#[cfg(test)]
mod tests;
