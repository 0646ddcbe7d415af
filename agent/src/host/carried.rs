//! Containers that have a lease by its CDI name alone. Their engine asks nobody and plain runtimes tell nobody, so the
//! owner looks for them: at each look while something is promised, before a promise runs out or is taken back, when the
//! container that was known has ended, and before a slice that could not be made clean is given up. A lease that somebody
//! carries is not over, and neither is one of which nobody can tell.

use kerf_types::lease::{Holder, InitProcess, LeaseState};
use kerf_types::{ContainerRef, LeaseId};

use super::written::by_name;
use super::{Host, watch};
use crate::errors::chain;
use crate::process::{self, carriers};
use crate::store::LeaseRow;

/// Name of the entry in `kerf status`.
const ENTRY: &str = "process worker";

/// What comes of it.
const NOBODY_KNOWS: &str =
    "whether a container has taken up what is promised is not known, so no promise runs out";

/// What to do about it.
const HINT: &str = "is kerf-process.socket up, and the program there? see `journalctl -u 'kerf-process@*'` and the log of kerfd; \
                    `kerf lease release` ends a promise by hand";

/// Who carries a lease.
enum Carrier {
    /// Nobody.
    Nobody,
    /// This process, the oldest of them.
    Process(InitProcess),
    /// A process that may does not let itself be looked at.
    Unknown,
}

impl Host {
    /// Looks for whoever carries this lease; whether it is to be kept for them. A promise becomes theirs.
    pub(super) async fn is_carried(&mut self, id: LeaseId) -> bool {
        let Some(row) = self.leases.get(&id).cloned() else {
            return false;
        };
        match self.carrier_of(&row).await {
            Carrier::Nobody => false,
            Carrier::Unknown => true,
            Carrier::Process(init) => {
                if row.lease.init.as_ref() != Some(&init) {
                    self.carried(row, init).await;
                }
                true
            }
        }
    }

    /// The same for every promise, and for leases whose container has ended and of which nobody could tell then.
    pub(super) async fn find_carriers(&mut self) {
        let mut is_asked = false;
        let all = || self.leases.values();
        let promised: Vec<LeaseId> = all()
            .filter(|row| row.lease.state == LeaseState::Reserved && !row.is_nameless)
            .map(|row| row.lease.id)
            .collect();
        let ended: Vec<LeaseId> = all()
            .filter(|row| row.lease.state == LeaseState::Active && row.pending.is_none())
            .filter(|row| !watch::runs(row))
            .map(|row| row.lease.id)
            .collect();
        for id in promised {
            is_asked = true;
            self.is_carried(id).await;
        }
        for id in ended {
            is_asked = true;
            self.container_gone(id).await;
        }
        if !is_asked && self.degraded.contains_key(ENTRY) {
            // Nothing is asked any more that would tell.
            match self.processes.try_one().await {
                Ok(()) => self.recovered(ENTRY),
                Err(error) => self.note_unknown(&chain(&error)),
            }
        }
    }

    fn note_unknown(&mut self, why: &str) {
        self.degrade(ENTRY, format!("{why}: {NOBODY_KNOWS}"), HINT);
    }

    async fn carrier_of(&mut self, row: &LeaseRow) -> Carrier {
        if row.is_nameless {
            return Carrier::Nobody;
        }
        // Where the device does not answer its numbers are not known; it is not clean either, so nobody gets it, and this
        // is asked again before it is.
        let Ok(device) = self.lease_device(&row.lease).await else {
            return Carrier::Nobody;
        };
        let device = by_name(&row.lease, device);
        let nodes = device.nodes.into_iter().map(|node| carriers::Node {
            path: node.path,
            host_path: node.host_path,
            numbers: (node.major, node.minor),
        });
        let user = match row.lease.holder {
            Holder::User { uid } => Some(uid),
            _ => row.by,
        };
        let wanted = carriers::Wanted {
            id: row.lease.id.to_string(),
            nodes: nodes.collect(),
            user,
        };
        // A few milliseconds on a host with thousands of processes.
        let found = self.processes.carriers_of(&wanted).await;
        match found {
            Err(error) => {
                self.note_unknown(&chain(&error));
                Carrier::Unknown
            }
            Ok(None) => {
                self.note_unknown("it may not look into processes, or one of them hangs");
                Carrier::Unknown
            }
            Ok(Some(all)) => {
                self.recovered(ENTRY);
                let first = all.into_iter().next();
                first.map_or(Carrier::Nobody, Carrier::Process)
            }
        }
    }

    async fn carried(&mut self, mut row: LeaseRow, init: InitProcess) {
        let id = row.lease.id;
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
        let was_ending = row.lease.state == LeaseState::Releasing;
        row.lease.state = LeaseState::Active;
        row.lease.expires = None;
        row.until = None;
        row.lease.container = container;
        row.lease.init = Some(init);
        row.pending = None;
        watch::start(&self.handle, &self.processes, &row);
        self.open_account(&row);
        // A store that takes nothing is told of already; here it counts all the same, or the promise would run out.
        drop(self.put(row.clone()));
        self.leases.insert(id, row.clone());
        if was_ending {
            self.name_again(&row.lease).await;
        }
        self.events.add("lease", &id.to_string(), &text);
        self.publish();
    }
}
