//! The other hosts of the fleet.

use kerf_api::json::web::{Peer, PeerState};
use kerf_types::host_record::Admission;

use crate::fleet::{FleetView, Node, Presence, Summary};

/// Every host but this one; none where this host listens to nobody.
pub(super) fn peers(fleet: &FleetView) -> Option<Vec<Peer>> {
    let others = fleet.nodes.iter().filter(|node| !node.here);
    fleet.listens.then(|| others.map(peer).collect())
}

fn peer(node: &Node) -> Peer {
    let record = node.record.as_deref();
    let told = record.map(Summary::of);
    let told = told.as_ref();
    Peer {
        name: node.name.clone(),
        address: node.address.clone(),
        state: match node.presence {
            Presence::Alive => PeerState::Alive,
            Presence::Suspect => PeerState::Suspect,
            Presence::Down => PeerState::Down,
            Presence::Left => PeerState::Left,
        },
        since_at: node.since.to_string(),
        gpus: told.map(models),
        gpus_ok: told.map(|told| told.gpus_ok),
        held: told.map(|told| told.leased),
        free: told.map(|told| told.slices_free.saturating_add(told.gpus_free)),
        jobs: record.map(|record| record.jobs),
        open: record.map(|record| record.admission == Admission::Open),
    }
}

/// `8 x NVIDIA H100 80GB HBM3`
fn models(told: &Summary) -> String {
    let models = told.models.iter();
    let words: Vec<String> = models
        .map(|model| format!("{} x {}", model.count, model.name))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests;
