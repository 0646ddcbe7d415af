//! Leases that an earlier kerfd gave: as they were, as long as what holds them runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kerf_types::LeaseId;
use kerf_types::lease::LeaseState;

use crate::host::{Host, command, watch};
use crate::store::LeaseRow;

impl Host {
    /// Whatever container still runs has a copy of its lease in the run folder. A store that was lost, was
    /// rolled back, or lost its last write to a power cut, is made good from these.
    pub(super) fn take_over_copies(&mut self) {
        let folder = self.config.paths.run_dir.join("leases");
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else {
                continue;
            };
            let Ok(copy) = LeaseRow::from_json(&text) else {
                continue;
            };
            let known = self.leases.get(&copy.lease.id).map(|row| row.lease.state);
            let store_knows = known.is_some_and(|state| state != LeaseState::Reserved);
            if watch::runs(&copy) && !store_knows {
                // A write that fails degrades the store; the lease counts all the same.
                drop(self.put(copy.clone()));
                self.leases.insert(copy.lease.id, copy);
            }
        }
    }

    pub(super) async fn resume_leases(&mut self) {
        let rows: Vec<LeaseRow> = self.leases.values().cloned().collect();
        for row in rows {
            let id = row.lease.id;
            match row.lease.state {
                LeaseState::Active if watch::is_of_earlier_boot(&row) => {
                    self.ended_with_its_boot(id).await;
                }
                LeaseState::Active if row.lease.init.is_some() || row.pending.is_some() => {
                    watch::start(&self.handle, &self.processes, &row);
                    self.name_again(&row.lease).await;
                    self.keep_copy(&row);
                }
                LeaseState::Active | LeaseState::Releasing => {
                    self.release(id, "container_ended").await
                }
                LeaseState::Reserved => self.resume_promise(row).await,
            }
        }
        self.expire_reservations().await;
    }

    /// A kill may have come between its row and its copy, and between the name of one that had none and the row that says
    /// so: whoever has read that name meanwhile may have its devices, so it counts as any other from now on.
    async fn resume_promise(&mut self, mut row: LeaseRow) {
        let id = row.lease.id;
        let is_news = row.is_nameless && self.cdi.has_lease(&id.to_string());
        if is_news {
            row.is_nameless = false;
            // A write that fails degrades the store; it is so all the same, and is seen again at the next start.
            drop(self.put_row(&row));
            self.leases.insert(id, row.clone());
        }
        if !row.is_nameless {
            self.name_again(&row.lease).await;
        }
        self.keep_copy(&row);
        if is_news {
            self.is_carried(id).await;
        }
    }

    /// A lease of an earlier boot has ended with it, unless a process of this one has its name and all its devices: an
    /// engine has made its container anew before this kerfd was there.
    async fn ended_with_its_boot(&mut self, id: LeaseId) {
        if let Some(row) = self.leases.get_mut(&id) {
            // Its launch has ended too. Where nobody can tell yet who carries it, the looks go on asking.
            row.pending = None;
        }
        if self.is_carried(id).await {
            return;
        }
        let text = "its container has ended with an earlier boot of this host";
        self.events.add("lease", &id.to_string(), text);
        self.release(id, "host_restarted").await;
    }

    /// Takes away the copies of leases that have ended: a kill may have come between the end of a row and that
    /// of its copy. Those of containers that run were taken over before.
    pub(super) fn drop_stale_copies(&self) {
        let folder = self.config.paths.run_dir.join("leases");
        let current: BTreeSet<PathBuf> = self
            .leases
            .keys()
            .map(|id| command::mirror_path(&self.config, *id))
            .collect();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let stale = entries.filter(|entry| !current.contains(&entry.path()));
        for entry in stale {
            if let Err(error) = crate::files::remove(&entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "copy of an ended lease remains");
            }
        }
    }
}

#[cfg(test)]
mod tests;
