//! Beginning again after a kerfd that ended in any way: what it had begun is finished or undone, and every
//! lease is as it was, as long as its container runs.

mod leases;

use std::collections::BTreeSet;
use std::time::Duration;

use kerf_planner::PlanError;
use kerf_planner::amd::AmdPlanError;
use kerf_types::inventory::Health;
use kerf_types::lease::Subject;
use kerf_types::{Gpu, Inventory, PciAddress, ProfileId, SliceId};

use super::maintenance::MAINTENANCE;
use super::resume::interrupted;
use super::{Degraded, Host, HostError, now};
use crate::errors::chain;
use crate::hardware::worker;
use crate::store::{Origin, Work, WorkRow};

/// Name of the entry that stands until the hardware was looked at for the first time.
pub(super) const STARTING: &str = "starting";

/// Name of the entry about workers that outlived their kerfd.
const EARLIER_WORKERS: &str = "earlier workers";

impl Host {
    /// Takes up what the store and the run folder know, before anybody hears of this kerfd.
    pub(super) fn load(&mut self) -> Result<(), HostError> {
        self.note_origin();
        let (rows, damaged) = self.store.leases()?;
        if !damaged.is_empty() {
            let hint =
                "their copies in the run folder were taken instead, where their containers run";
            self.degrade("state store", damaged.join("; "), hint);
        }
        for row in rows {
            self.leases.insert(row.lease.id, row);
        }
        self.take_over_copies();
        self.open_work = self.store.open_work()?;
        self.load_kept()?;
        self.load_maintenance()?;
        self.load_vgpus()?;
        for number in self.store.interrupt_history()? {
            tracing::info!(history = number, "an earlier kerfd was cut off in this");
        }
        // Nothing is wrong yet, so it is no event; whoever asks while it lasts is told.
        let entry = Degraded {
            why: "the hardware is being looked at for the first time".to_owned(),
            hint: "launches wait; a driver without persistence mode takes its time to load"
                .to_owned(),
            since: now(),
        };
        self.degraded.insert(STARTING.to_owned(), entry);
        self.publish();
        Ok(())
    }

    /// Runs once, before the first command: what an earlier kerfd left is set against what is there.
    pub(super) async fn first_look(&mut self) {
        self.await_earlier_workers(self.config.driver.call_deadline)
            .await;
        self.observe_all().await;
        self.take_over_shared().await;
        self.resume_work().await;
        self.load_accounts();
        self.resume_leases().await;
        self.keep_attachments().await;
        self.bring_back().await;
        let ids: BTreeSet<String> = self.leases.keys().map(ToString::to_string).collect();
        if let Err(error) = self.cdi.keep_only_leases(&ids) {
            self.degrade(
                "cdi",
                chain(&error),
                "check the folder of CDI files (paths.cdi_dir)",
            );
        }
        self.drop_stale_copies();
        self.drop_stale_nccl_files();
        self.degraded.remove(STARTING);
        self.settle().await;
    }

    /// Whether a worker of an earlier kerfd may still be in a call, so that what is seen is not yet what it will be.
    pub(super) fn is_earlier_at_work(&self) -> bool {
        self.degraded.contains_key(EARLIER_WORKERS)
    }

    /// Looks whether those that were at work have ended by now.
    pub(super) async fn look_for_earlier_workers(&mut self) {
        if self.is_earlier_at_work() {
            self.await_earlier_workers(Duration::ZERO).await;
        }
    }

    async fn await_earlier_workers(&mut self, patience: Duration) {
        let records = self.config.paths.run_dir.join("workers");
        let stuck = worker::await_earlier(&records, patience).await;
        if stuck.is_empty() {
            self.recovered(EARLIER_WORKERS);
        } else {
            let why = format!("workers {stuck:?} of an earlier kerfd are stuck in driver calls");
            self.degrade(
                EARLIER_WORKERS,
                why,
                "what they left unfinished waits until they end",
            );
        }
    }

    fn note_origin(&mut self) {
        let (why, hint) = match self.store.origin() {
            Origin::Kept => return,
            Origin::Rebuilt { quarantined, why } => (
                format!(
                    "it could not be read ({why}) and lies at {}",
                    quarantined.display()
                ),
                "it was rebuilt from running containers; jobs that had ended are forgotten",
            ),
            Origin::Lost => (
                "it was empty on a host that has granted before".to_owned(),
                "it was rebuilt from running containers; jobs that had ended are forgotten",
            ),
            Origin::RolledBack => (
                "it is older than what this host has granted".to_owned(),
                "a new epoch was begun; fences of the old one stay below it",
            ),
        };
        self.degrade("state store", why, hint);
    }

    /// Finishes or undoes what was begun, as far as the hardware answers; what it does not stays open and is
    /// tried again with each look.
    pub(super) async fn resume_work(&mut self) {
        self.look_for_earlier_workers().await;
        if self.open_work.is_empty() {
            // Somebody else may have ended the last of it.
            self.recovered("interrupted work");
            return;
        }
        if !self.driver_answers() {
            return;
        }
        let mut left = Vec::new();
        let listed = self.listed.iter().flatten().copied();
        let unread: Vec<PciAddress> = listed.filter(|pci| self.gpu(*pci).is_err()).collect();
        let is_amd_read = self.unread_amd().is_empty();
        let mut open = std::mem::take(&mut self.open_work);
        // A mode goes back after the slices that it was changed for, and functions after what else is on a GPU.
        open.sort_by_key(|row| match row.work {
            Work::Layout { .. } | Work::Cut { .. } => 0,
            Work::Mode { .. } => 1,
            Work::Functions { .. } => 2,
        });
        for row in open {
            // One silent GPU holds up only the work that is about it.
            let awaited = awaited(&row.work, &self.inventory, (&unread, is_amd_read));
            if !awaited.is_empty() || self.refusals.rests(&row, self.generation) {
                self.tell_awaited(&row.work, &awaited);
                left.push(row);
                continue;
            }
            if let Err(error) = self.resume(&row).await {
                let why = chain(&error);
                let is_refused = self.is_refused_for_good(&row, &error);
                let is_layout = matches!(row.work, Work::Layout { .. });
                if is_final(&error) || (is_refused && is_layout) {
                    tracing::warn!(error = %why, "interrupted work given up");
                    self.events
                        .add("plan", "interrupted work", &format!("given up: {why}"));
                    self.lose_interrupted(&row.work, &why);
                    drop(self.write(|store| store.end_work(row.number)));
                } else {
                    let hint = match is_refused {
                        true => {
                            "the driver goes on refusing: it is tried again when something on this host changes, or kerfd starts anew"
                        }
                        false if matches!(error, HostError::Vgpu(_)) => error.hint(),
                        false => "it is tried again with each look at the hardware",
                    };
                    self.degrade("interrupted work", why, hint);
                    left.push(row);
                }
            }
        }
        if left.is_empty() {
            self.recovered("interrupted work");
        }
        self.open_work.extend(left);
    }

    /// Says what a layout waits for, since no kept layout comes back before it.
    fn tell_awaited(&mut self, work: &Work, awaited: &[String]) {
        if awaited.is_empty() || !matches!(work, Work::Layout { .. }) {
            return;
        }
        let why = format!("a layout waits for {}", awaited.join(", "));
        let hint = "it goes on once they answer; `kerf apply` of another layout takes its place";
        self.degrade("interrupted work", why.clone(), hint);
        for pci in self.kept.open().collect::<Vec<PciAddress>>() {
            self.say_unmet(pci, format!("interrupted work comes first, and {why}"));
        }
    }

    /// Whether the driver has refused something so often that it will not change its mind by itself. A layout is
    /// given up then. A slice that nobody has, and a mode, are in the way until they have gone: these rest.
    fn is_refused_for_good(&mut self, row: &WorkRow, error: &HostError) -> bool {
        let call = match error {
            HostError::Hardware(call) => Some(call),
            error => error.failed_call(),
        };
        // What is in doubt again after each try is asked for no longer than what is refused.
        let was_refused = call.is_some_and(|call| call.is_refusal() || call.is_unsettled())
            || matches!(error, HostError::Differs { .. });
        was_refused && self.refusals.note(row, self.generation)
    }

    /// Whether anything can be read at all.
    pub(super) fn driver_answers(&self) -> bool {
        let sick = ["driver", "worker", EARLIER_WORKERS, MAINTENANCE];
        !sick.iter().any(|what| self.degraded.contains_key(*what))
    }

    pub(super) async fn resume(&mut self, row: &WorkRow) -> Result<(), HostError> {
        match &row.work {
            Work::Layout {
                layout,
                allow_reset,
                force,
                places,
                history,
                ..
            } => {
                let request = |text: &str| interrupted(text, *allow_reset, force);
                let placed = places.as_deref().map(request).transpose()?;
                self.resume_layout(row.number, request(layout)?, placed, *history)
                    .await
            }
            Work::Cut { profile, .. } => {
                let slice = row.work.slice()?;
                self.resume_cut(row.number, slice, ProfileId(*profile))
                    .await
            }
            Work::Mode { gpu, enabled } => self.resume_mode(row.number, gpu, *enabled).await,
            Work::Functions { gpu } => self.resume_functions(row.number, gpu).await,
        }
    }

    /// A slice that was being cut when kerfd died: a lease that covers it was written after it was whole,
    /// otherwise it is nobody's.
    async fn resume_cut(
        &mut self,
        number: i64,
        slice: Option<SliceId>,
        profile: ProfileId,
    ) -> Result<(), HostError> {
        let Some(slice) = slice else {
            return self.write(|store| store.end_work(number));
        };
        let mut leases = self.leases.values();
        if !leases.any(|row| is_covered(slice, &row.lease.subjects)) {
            self.destroy_slice(slice, profile).await?;
        }
        self.write(|store| store.end_work(number))
    }
}

/// Whether a lease on these has something of the slice. One on a sibling has not.
fn is_covered(slice: SliceId, subjects: &[Subject]) -> bool {
    subjects.iter().any(|subject| match subject.slice() {
        Some(own) => own.overlaps(&slice),
        None => subject.gpu() == slice.gpu,
    })
}

/// The GPUs that the work is about and that were not read, in words: what is not seen there may be there all the same.
/// `unread` are those that the driver lists and that have never answered: nobody knows which names of a layout they go
/// by. The same of AMD GPUs counts for a layout that speaks of some.
fn awaited(
    work: &Work,
    inventory: &Inventory,
    (unread, is_amd_read): (&[PciAddress], bool),
) -> Vec<String> {
    let is_silent = |gpu: &&Gpu| {
        matches!(
            gpu.health,
            Health::Unresponsive { .. } | Health::ResetRequired { .. } | Health::Maintenance { .. }
        )
    };
    let named = |pci: &PciAddress| format!("GPU {pci}");
    let silent = inventory.gpus.iter().filter(is_silent);
    match work {
        Work::Cut { gpu, .. } | Work::Mode { gpu, .. } | Work::Functions { gpu } => {
            let silent = silent.map(|known| &known.pci).chain(unread);
            let own = silent.filter(|pci| pci.to_string() == *gpu);
            own.map(named).collect()
        }
        Work::Layout { layout, .. } => {
            // A layout that does not read is given up when it is resumed.
            let Ok(layout) = kerf_api::json::layout::parse(layout) else {
                return Vec::new();
            };
            let silent = silent.filter(|gpu| layout.names(gpu)).map(|gpu| &gpu.pci);
            let is_amd = layout.rules.iter().any(|rule| rule.amd.is_some());
            let amd = (is_amd && !is_amd_read).then(|| "the AMD GPUs".to_owned());
            silent.chain(unread).map(named).chain(amd).collect()
        }
    }
}

/// Whether trying again cannot help, however the hardware does.
fn is_final(error: &HostError) -> bool {
    match error {
        HostError::Plan(error) => !matches!(
            **error,
            PlanError::Unhealthy { .. }
                | PlanError::ProfilesUnknown { .. }
                | PlanError::Amd(AmdPlanError::Sick { .. })
        ),
        HostError::Invalid(_) | HostError::Unsafe { .. } => true,
        HostError::Store(error) => matches!(error, crate::store::StoreError::Row { .. }),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
