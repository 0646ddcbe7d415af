//! From pictures of the host to the document of its page. Pure: time is an argument, nothing is read here.

mod gpu;
mod peer;
mod work;

use std::sync::Arc;

use kerf_api::json::web::{Host, Topology, Web, WebSchema};
use kerf_api::json::{Degradation, Inventory};
use kerf_types::Timestamp;

pub(super) use work::{JOBS_SHOWN, JobsSeen};

use crate::fleet::FleetView;
use crate::host::{Degraded, HostView};
use crate::rpc;

/// What does not change while kerfd runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When kerfd was started.
    pub started: Timestamp,
    /// Name of the simulated machine.
    pub simulated: Option<String>,
    /// Whether names that users chose are told.
    pub names: bool,
}

/// The document at a time. `problems` are those that the host's owner does not know of.
pub(super) fn document(
    at: Timestamp,
    view: &HostView,
    problems: &[(String, Degraded)],
    jobs: &JobsSeen,
    fleet: &FleetView,
    facts: &Facts,
) -> Web {
    // The page shows no more of the map than this, and the map is large.
    let inventory = Inventory::from(&view.inventory.with_map(Arc::default()));
    let holders = work::Holders::new(jobs, facts.names);
    let of_others = problems.iter().map(|(what, degraded)| (what, degraded));
    let degraded = view.degraded.iter().chain(of_others);
    let degraded = degraded.map(|(what, degraded)| Degradation {
        what: what.clone(),
        why: degraded.why.clone(),
        hint: degraded.hint.clone(),
        since_at: degraded.since.to_string(),
    });
    Web {
        schema: WebSchema::V1,
        at: at.to_string(),
        host: Host {
            name: inventory.host,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: facts.started.to_string(),
            driver: inventory.driver,
            simulated: facts.simulated.clone(),
            draining: view.draining,
            generation: view.generation,
            store_epoch: u32::from(view.epoch),
        },
        names: facts.names,
        degraded: degraded.collect(),
        problems: inventory.problems,
        numa_nodes: inventory.numa_nodes,
        gpus: gpu::gpus(view, &holders),
        nics: inventory.nics,
        topology: topology(view),
        jobs: work::jobs(jobs, facts.names),
        leases: work::leases(view, &holders),
        peers: peer::peers(fleet),
    }
}

fn topology(view: &HostView) -> Topology {
    let matrix = rpc::topology(view);
    let mut switches: Vec<Vec<usize>> = Vec::new();
    for (device, row) in matrix.rows.iter().enumerate() {
        let near = |other: &usize| row.links.get(*other).is_some_and(|link| link == "PIX");
        // A device can be near to two that were not seen to be near to each other: NVLink hides the switch.
        let (mut joined, others): (Vec<_>, Vec<_>) = switches
            .into_iter()
            .partition(|group| group.iter().any(near));
        let mut group: Vec<usize> = joined.drain(..).flatten().collect();
        group.push(device);
        switches = others;
        switches.push(group);
    }
    for group in &mut switches {
        group.sort_unstable();
    }
    switches.sort();
    let name = |device: usize| matrix.header.get(device).cloned();
    let names = |group: Vec<usize>| group.into_iter().filter_map(name).collect();
    Topology {
        switches: switches.into_iter().map(names).collect(),
        rows: matrix.rows.iter().map(Into::into).collect(),
        devices: matrix.header.clone(),
    }
}

#[cfg(test)]
mod tests;
