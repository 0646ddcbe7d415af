//! The end of a lease: the slice is clean before it is given again, and an on-demand slice goes with it.

use kerf_types::lease::{Lease, LeaseState, Subject};
use kerf_types::{Gpu, GpuInstance, GpuUuid, LeaseId, MigUuid, PciAddress, SliceId};

use super::grant::{refuse_foreign, user_of};
use super::view::process_on;
use super::{Host, HostError, attached, command, promise, watch};
use crate::errors::chain;
use crate::files::{self, Durability};
use crate::process::BootMoment;
use crate::store::{self, LeaseRow, Store, StoreError};

impl Host {
    /// Begins the end of a lease; `cause` is a label of metrics.
    pub(super) async fn release(&mut self, id: LeaseId, cause: &'static str) {
        let Some(row) = self.leases.get(&id) else {
            return;
        };
        if promise::is_untouched(row) && self.end_untouched(id, cause) {
            return;
        }
        let Some(row) = self.leases.get(&id) else {
            return;
        };
        if row.lease.state != LeaseState::Releasing {
            let mut row = row.clone();
            row.lease.state = LeaseState::Releasing;
            row.pending = None;
            // A full store keeps the row as Active; a restarted kerfd then finds its process gone.
            drop(self.put(row.clone()));
            self.leases.insert(id, row);
            self.metrics.lease_releases.inc([cause]);
            self.publish();
        }
        self.finish_release(id).await;
    }

    /// The container of a lease has ended; another one may have it by its name.
    pub(super) async fn container_gone(&mut self, id: LeaseId) {
        // Told by the watcher of an earlier container, which the lease was taken back from: somebody else may have it now.
        let is_late = |row: &LeaseRow| row.lease.state == LeaseState::Reserved || watch::runs(row);
        if self.leases.get(&id).is_some_and(is_late) {
            return;
        }
        if !self.is_carried(id).await {
            self.release(id, "container_ended").await;
        }
    }

    /// Ends a lease that nobody uses, because the user who asked for it (`by`) or an operator (`None`) says so.
    pub(super) async fn release_by_request(
        &mut self,
        id: LeaseId,
        by: Option<u32>,
    ) -> Result<Lease, HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        refuse_foreign(self.leases.get(&id).ok_or_else(unknown)?, by)?;
        if self
            .leases
            .get(&id)
            .is_some_and(|row| row.lease.state == LeaseState::Reserved)
        {
            self.is_carried(id).await;
        }
        let row = self.leases.get(&id).ok_or_else(unknown)?;
        let lease = row.lease.clone();
        if lease.state == LeaseState::Active {
            let what = format!("lease {id}");
            let way = match lease.attached {
                true => "from which `kerf device detach` takes it",
                false => "which must end first",
            };
            return Err(HostError::Busy {
                what,
                state: "active".to_owned(),
                by: Some(format!("{}, {way}", user_of(&lease))),
            });
        }
        self.release(id, "requested").await;
        if self.leases.contains_key(&id) {
            let why = self
                .degraded
                .get(&format!("lease {id}"))
                .map(|entry| entry.why.clone());
            return Err(HostError::Busy {
                what: format!("lease {id}"),
                state: "releasing, and not yet clean".to_owned(),
                by: why,
            });
        }
        Ok(lease)
    }

    /// Ends reservations whose container never came.
    pub(super) async fn expire_reservations(&mut self) {
        let now = BootMoment::now();
        let expired: Vec<LeaseId> = self
            .leases
            .values()
            .filter(|row| row.lease.state == LeaseState::Reserved)
            .filter(|row| {
                row.until
                    .as_ref()
                    .is_none_or(|until| until.has_passed(&now))
            })
            .map(|row| row.lease.id)
            .collect();
        for id in expired {
            if self.is_carried(id).await {
                continue;
            }
            self.events
                .add("lease", &id.to_string(), "expired: no container came");
            self.release(id, "expired").await;
        }
    }

    /// Tries again to make clean what could not be before.
    pub(super) async fn retry_releases(&mut self) {
        let releasing: Vec<LeaseId> = self
            .leases
            .values()
            .filter(|row| row.lease.state == LeaseState::Releasing)
            .map(|row| row.lease.id)
            .collect();
        for id in releasing {
            // It could not be made clean, so its devices did not tell who carries it either.
            if !self.is_carried(id).await {
                self.finish_release(id).await;
            }
        }
    }

    async fn finish_release(&mut self, id: LeaseId) {
        let Some(row) = self.leases.get(&id).cloned() else {
            return;
        };
        if row.attachment.is_some() && watch::runs(&row) {
            // It is taken out of its container first.
            return;
        }
        let lease = row.lease.clone();
        let what = format!("lease {id}");
        if let Err(error) = self.cdi.remove_lease(&id.to_string()) {
            self.degrade(&what, chain(&HostError::Cdi(error)), "it is tried again");
            return;
        }
        let mut left = Vec::new();
        let mut reasons = Vec::new();
        for subject in &lease.subjects {
            // One sick GPU does not hold back the slices on the others.
            if let Err(error) = self.clean(id, subject, &row.cut).await {
                reasons.push(chain(&error));
                left.push(subject.clone());
            }
        }
        let devices = self.clean_devices(&lease).await;
        reasons.extend(devices.as_ref().err().map(|error| chain(error)));
        if left.is_empty() && devices.is_ok() {
            if self.forget(&lease).is_ok() {
                self.recovered(&what);
                self.recovered(&attached::named(id));
                self.events.add("lease", &id.to_string(), "ended");
            }
        } else {
            if left.len() < lease.subjects.len() {
                let lease = Lease {
                    subjects: left,
                    ..lease
                };
                drop(self.put(LeaseRow { lease, ..row }));
            }
            let hint = "its slice is not given again until it is clean";
            self.degrade(&what, reasons.join("; "), hint);
        }
        self.settle().await;
    }

    /// Makes sure that nothing runs on what was leased, and removes it where it was cut for the lease.
    async fn clean(
        &mut self,
        id: LeaseId,
        subject: &Subject,
        cut: &[SliceId],
    ) -> Result<(), HostError> {
        if self.is_gone(subject) || self.is_shared_besides(id, subject) {
            return Ok(());
        }
        match subject {
            Subject::Slice { slice, uuid, .. } => {
                let others = self.leases.values().map(|row| &row.lease);
                let mut others = others.filter(|lease| lease.id != id);
                let shared =
                    others.any(|lease| lease.subjects.iter().any(|own| own.conflicts(subject)));
                // A place that somebody else has by now (after a restored backup, say) is theirs.
                let on_demand = cut.contains(slice) && !shared;
                self.clean_slice(*slice, uuid, on_demand).await
            }
            Subject::Gpu { gpu, uuid, .. } => self.clean_gpu(*gpu, uuid).await,
        }
    }

    /// Whether the GPU is not in this host any more, as a driver says that is well. One that is there and
    /// does not answer is not gone, also when this kerfd has never read it.
    fn is_gone(&self, subject: &Subject) -> bool {
        let well = self.inventory.driver.is_some() && !self.degraded.contains_key("driver");
        let listed = self.listed.as_ref();
        well && listed.is_some_and(|all| !all.contains(&subject.gpu()))
    }

    async fn clean_slice(
        &mut self,
        slice: SliceId,
        uuid: &MigUuid,
        on_demand: bool,
    ) -> Result<(), HostError> {
        let gpu = self.look_at(slice.gpu).await?;
        let Some(instance) = left_of(gpu, slice, uuid, on_demand) else {
            return Ok(());
        };
        if let Some(process) = process_on(gpu, slice, instance) {
            return Err(still_used(slice.to_string(), process.pid));
        }
        let profile = instance.profile;
        if on_demand {
            self.destroy_slice(slice, profile).await?;
            self.events
                .add("slice", &slice.to_string(), "destroyed with its lease");
        }
        Ok(())
    }

    async fn clean_gpu(&mut self, pci: PciAddress, uuid: &GpuUuid) -> Result<(), HostError> {
        let gpu = self.look_at(pci).await?;
        match gpu.processes.first() {
            Some(process) if gpu.uuid == *uuid => {
                Err(still_used(format!("GPU {pci}"), process.pid))
            }
            _ => Ok(()),
        }
    }

    /// Writes a lease to the store and its copy beside the sockets, and takes it over.
    pub(super) fn put(&mut self, row: LeaseRow) -> Result<(), HostError> {
        self.put_row(&row)?;
        self.keep_copy(&row);
        Ok(())
    }

    /// The same without the copy, which the caller owes.
    pub(super) fn put_row(&mut self, row: &LeaseRow) -> Result<(), HostError> {
        self.write_row(&row.lease, |store| store.put_lease(row))?;
        self.leases.insert(row.lease.id, row.clone());
        Ok(())
    }

    fn write_row(
        &mut self,
        lease: &Lease,
        operation: impl FnOnce(&mut Store) -> Result<(), StoreError>,
    ) -> Result<(), HostError> {
        match store::is_flushed(lease) {
            true => self.write(operation),
            false => self.write_fast(operation),
        }
    }

    /// Keeps a copy of a lease beside the sockets, for a kerfd that finds its store lost.
    pub(super) fn keep_copy(&mut self, row: &LeaseRow) {
        let path = command::mirror_path(&self.config, row.lease.id);
        if let Err(error) = files::replace(&path, row.to_json().as_bytes(), Durability::Volatile) {
            // The copy matters only when the store is lost; its loss alone is no reason to refuse.
            self.degrade(
                "run folder",
                error.to_string(),
                "check the space under the run folder",
            );
        }
    }

    /// Writes a new lease and ends the intents of its cuts in one transaction. The caller owes its copy.
    pub(super) fn put_new(&mut self, row: &LeaseRow, work: &[i64]) -> Result<(), HostError> {
        self.write_row(&row.lease, |store| store.put_lease_and_end(row, work))?;
        self.leases.insert(row.lease.id, row.clone());
        Ok(())
    }

    /// Removes an ended lease everywhere.
    pub(super) fn forget(&mut self, lease: &Lease) -> Result<(), HostError> {
        let account = self.last_account(lease.id);
        self.write_row(lease, |store| store.end_lease(lease, account.as_ref()))?;
        self.leases.remove(&lease.id);
        self.close_account(lease.id);
        if let Err(error) = files::remove(&command::mirror_path(&self.config, lease.id)) {
            tracing::warn!(lease.id = %lease.id, %error, "copy of an ended lease remains");
        }
        self.drop_nccl_file(lease.id);
        Ok(())
    }
}

/// The instance that holds what was leased, if anything is left of it.
fn left_of<'g>(
    gpu: &'g Gpu,
    slice: SliceId,
    uuid: &MigUuid,
    on_demand: bool,
) -> Option<&'g GpuInstance> {
    let at = || {
        let instances = gpu.instances.iter();
        instances.filter(|instance| instance.placement == slice.placement)
    };
    let live = at().find(|instance| instance.compute.iter().any(|one| one.uuid == *uuid));
    // Another life at the same place is not ours; the same place without its compute instance is what
    // a crash in the middle of this left behind.
    live.or_else(|| at().find(|instance| on_demand && instance.compute.is_empty()))
}

fn still_used(what: String, pid: u32) -> HostError {
    HostError::Busy {
        what,
        state: "still in use".to_owned(),
        by: Some(format!("process {pid}")),
    }
}

#[cfg(test)]
mod tests;
