//! Beginning again after a kerfd that ended in any way: what it had begun is finished or undone, and every
//! lease is as it was, as long as its container runs.

use std::collections::BTreeSet;

use kerf_types::lease::LeaseState;
use kerf_types::{Placement, ProfileId};

use super::{Host, HostError, command, watch};
use crate::errors::chain;
use crate::hardware::worker;
use crate::process;
use crate::store::{LeaseRow, Origin, Work, WorkRow};

impl Host {
    /// Runs once, before the first command.
    pub(super) async fn recover(&mut self) -> Result<(), HostError> {
        let records = self.config.paths.run_dir.join("workers");
        let stuck = worker::await_earlier(&records, self.config.driver.call_deadline).await;
        if !stuck.is_empty() {
            let why = format!("workers {stuck:?} of an earlier kerfd are stuck in driver calls");
            self.degrade("driver", why, "kerfd recovers when the driver answers");
        }
        for row in self.store.leases()? {
            self.leases.insert(row.lease.id, row);
        }
        self.take_over_copies();
        self.observe_all().await;
        for row in self.store.open_work()? {
            self.resume(row).await;
        }
        self.resume_leases().await;
        let ids: BTreeSet<String> = self.leases.keys().map(ToString::to_string).collect();
        if let Err(error) = self.cdi.keep_only_leases(&ids) {
            self.degrade(
                "cdi",
                chain(&error),
                "check the folder of CDI files (paths.cdi_dir)",
            );
        }
        self.settle().await;
        Ok(())
    }

    /// A store that was lost or rolled back is filled from the copies in the run folder: whatever container
    /// still runs has one there.
    fn take_over_copies(&mut self) {
        let origin = self.store.origin().clone();
        match &origin {
            Origin::Kept => return,
            Origin::Rebuilt { quarantined, why } => {
                let text = format!(
                    "it could not be read ({why}) and lies at {}",
                    quarantined.display()
                );
                self.degrade(
                    "state store",
                    text,
                    "it was rebuilt from running containers; jobs that had ended are forgotten",
                );
            }
            Origin::RolledBack => {
                let text = "it is older than what this host has granted".to_owned();
                self.degrade(
                    "state store",
                    text,
                    "a new epoch was begun; fences of the old one stay below it",
                );
            }
        }
        let folder = self.config.paths.run_dir.join("leases");
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else {
                continue;
            };
            let Ok(row) = LeaseRow::from_json(&text) else {
                continue;
            };
            let running = row.lease.init.as_ref().is_some_and(process::is_alive)
                || row.pending.as_ref().is_some_and(|pending| {
                    process::is_alive(&pending.runtime) || watch::init_of(pending).is_some()
                });
            if running {
                // A write that fails degrades the store; the lease counts all the same.
                drop(self.put(row.clone()));
                self.leases.insert(row.lease.id, row);
            }
        }
    }

    async fn resume(&mut self, row: WorkRow) {
        let outcome = match &row.work {
            Work::Layout {
                layout,
                allow_reset,
                ..
            } => self.resume_layout(row.number, layout, *allow_reset).await,
            Work::Cut {
                gpu,
                placement,
                profile,
            } => self.resume_cut(row.number, gpu, placement, *profile).await,
        };
        let Err(error) = outcome else { return };
        let why = chain(&error);
        // What cannot be planned any more is given up; what the hardware refused is tried at the next start.
        if matches!(error, HostError::Plan(_) | HostError::Invalid(_)) {
            tracing::warn!(error = %why, "interrupted work given up");
            self.events
                .add("plan", "interrupted work", &format!("given up: {why}"));
            drop(self.write(|store| store.end_work(row.number)));
            return;
        }
        self.degrade(
            "interrupted work",
            why,
            "kerfd finishes it when it starts again",
        );
    }

    /// A slice that was being cut when kerfd died: a lease that covers it was written after it was whole,
    /// otherwise it is nobody's.
    async fn resume_cut(
        &mut self,
        number: i64,
        gpu: &str,
        placement: &str,
        profile: u32,
    ) -> Result<(), HostError> {
        let (gpu, placement) = (gpu.parse()?, placement.parse::<Placement>()?);
        let leased = self.leases.values().any(|row| {
            row.lease.subjects.iter().any(|subject| {
                subject.gpu() == gpu && subject.placement().is_none_or(|own| own == placement)
            })
        });
        if !leased {
            self.destroy_at(gpu, ProfileId(profile), placement).await?;
        }
        self.write(|store| store.end_work(number))
    }

    async fn resume_leases(&mut self) {
        let rows: Vec<LeaseRow> = self.leases.values().cloned().collect();
        for row in rows {
            let id = row.lease.id;
            match row.lease.state {
                LeaseState::Active if row.lease.init.is_some() || row.pending.is_some() => {
                    watch::start(&self.handle, &row);
                    if let Ok(device) = self.lease_device(&row.lease).await
                        && let Err(error) = self.cdi.write_lease(&id.to_string(), &device)
                    {
                        self.degrade("cdi", chain(&error), "check paths.cdi_dir");
                    }
                    let path = command::mirror_path(&self.config, id);
                    let volatile = crate::files::Durability::Volatile;
                    if let Err(error) =
                        crate::files::replace(&path, row.to_json().as_bytes(), volatile)
                    {
                        self.degrade("run folder", error.to_string(), "check its space");
                    }
                }
                LeaseState::Active | LeaseState::Releasing => {
                    self.release(id, "container_ended").await
                }
                LeaseState::Reserved => {}
            }
        }
        self.expire_reservations().await;
    }
}
