//! What was given up by name is gone: whoever had it is told, and their lease ends.

use std::collections::BTreeSet;

use kerf_api::json::history::Requester;
use kerf_types::lease::{Lease, Subject};
use kerf_types::{LeaseId, MigUuid};

use super::Host;
use crate::store::LeaseRow;

impl Host {
    /// Ends the leases on MIG devices that were destroyed by force. One on several devices stays for the others.
    pub(super) async fn end_forced(&mut self, force: &BTreeSet<MigUuid>, by: Option<Requester>) {
        if force.is_empty() {
            return;
        }
        let instances = self.inventory.gpus.iter().flat_map(|gpu| &gpu.instances);
        let living: BTreeSet<MigUuid> = instances
            .flat_map(|instance| &instance.compute)
            .map(|one| one.uuid.clone())
            .collect();
        let is_gone = |subject: &Subject| match subject {
            Subject::Slice { uuid, .. } => force.contains(uuid) && !living.contains(uuid),
            Subject::Gpu { .. } => false,
        };
        let ids: Vec<LeaseId> = self.leases.keys().copied().collect();
        for id in ids {
            let Some(row) = self.leases.get(&id).cloned() else {
                continue;
            };
            let (gone, left): (Vec<Subject>, Vec<Subject>) =
                row.lease.subjects.iter().cloned().partition(is_gone);
            if gone.is_empty() {
                continue;
            }
            self.tell_of(&row.lease, &gone, by);
            if left.is_empty() {
                self.release(id, "forced").await;
            } else {
                let subjects = left;
                let lease = Lease {
                    subjects,
                    ..row.lease.clone()
                };
                let (id, is_attached) = (row.lease.id, row.attachment.is_some());
                // A store that cannot be written shows as degraded; what is gone stays gone.
                drop(self.put(LeaseRow { lease, ..row }));
                if is_attached {
                    // The numbers of what is gone may be the next slice's. They are taken out with all the rest.
                    self.release(id, "forced").await;
                }
            }
        }
    }

    fn tell_of(&mut self, lease: &Lease, gone: &[Subject], by: Option<Requester>) {
        let names = gone.iter().map(|subject| match subject {
            Subject::Slice { slice, uuid, .. } => format!("slice {slice} ({uuid})"),
            Subject::Gpu { gpu, .. } => format!("GPU {gpu}"),
        });
        let names = names.collect::<Vec<String>>().join(", ");
        let who = by.map_or("kerfd".to_owned(), |by| format!("user {}", by.uid));
        let holder = match &lease.container {
            Some(container) => format!("container {container}"),
            None => lease.holder.to_string(),
        };
        tracing::warn!(lease.id = %lease.id, %holder, "slice destroyed by force under its holder");
        let text = format!("{holder} has lost {names}: {who} had it destroyed by force");
        self.events.add("lease", &lease.id.to_string(), &text);
    }
}
