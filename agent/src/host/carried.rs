//! Containers that have a lease by its CDI name alone. Their engine asks nobody and plain runtimes tell nobody, so the
//! owner looks for them: at each look while something is promised, before a promise runs out or is taken back, and when
//! the container that was known has ended. A lease that somebody carries is not over.

use kerf_types::lease::{InitProcess, Lease, LeaseState};
use kerf_types::{ContainerRef, LeaseId};

use super::{Host, watch};
use crate::process::{self, carriers};

impl Host {
    /// Looks for whoever carries this lease; whether somebody does. A promise becomes theirs.
    pub(super) async fn find_carrier(&mut self, id: LeaseId) -> bool {
        let Some(row) = self.leases.get(&id) else {
            return false;
        };
        let (lease, known) = (row.lease.clone(), row.lease.init.clone());
        let Some(init) = self.carrier_of(&lease).await else {
            return false;
        };
        if known.as_ref() != Some(&init) {
            self.carried(id, init);
        }
        true
    }

    /// The same for every promise that no job of ours waits with.
    pub(super) async fn find_carriers(&mut self) {
        let promised: Vec<LeaseId> = self
            .leases
            .values()
            .filter(|row| row.lease.state == LeaseState::Reserved)
            .map(|row| row.lease.id)
            .collect();
        for id in promised {
            self.find_carrier(id).await;
        }
    }

    /// The oldest process that carries a lease with all of its nodes.
    async fn carrier_of(&mut self, lease: &Lease) -> Option<InitProcess> {
        // Where the device is gone its numbers are, too: nobody can be told by them, and nobody gets it.
        let device = self.lease_device(lease).await.ok()?;
        let nodes: Vec<carriers::Node> = device
            .nodes
            .into_iter()
            .map(|node| carriers::Node {
                path: node.path,
                numbers: (node.major, node.minor),
            })
            .collect();
        let id = lease.id.to_string();
        // A few milliseconds on a host with thousands of processes; the other tasks of this thread go on meanwhile.
        tokio::task::block_in_place(|| carriers::of(&id, &nodes))
            .into_iter()
            .next()
    }

    fn carried(&mut self, id: LeaseId, init: InitProcess) {
        let Some(row) = self.leases.get(&id) else {
            return;
        };
        let mut row = row.clone();
        let container = process::cgroup::container_of(init.pid);
        let container =
            container.and_then(|(namespace, name)| ContainerRef::try_new(&namespace, &name).ok());
        let name = container
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        let text = format!("carried by process {} of container {name:?}", init.pid);
        row.cgroup = container
            .as_ref()
            .and_then(|container| process::cgroup::of(init.pid, &container.id));
        row.lease.state = LeaseState::Active;
        row.lease.expires = None;
        row.until = None;
        row.lease.container = container;
        row.lease.init = Some(init);
        row.pending = None;
        watch::start(&self.handle, &row);
        self.open_account(&row);
        // Should the store refuse, a restarted kerfd finds the same process again before the promise ends.
        drop(self.put(row));
        self.events.add("lease", &id.to_string(), &text);
        self.publish();
    }
}
