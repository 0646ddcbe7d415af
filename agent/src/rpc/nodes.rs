//! The fleet's picture as messages of the API.

use kerf_api::v1;
use kerf_types::HostId;
use kerf_types::HostRecord;
use kerf_types::host_record::Admission;

use tonic::{Code, Status};

use super::Service;
use super::status::with_hint;
use crate::errors::chain;
use crate::fleet::{FleetView, Node, Summary};

impl Service {
    /// Removes a host that is gone from the lists of the fleet, and answers with those that are left.
    pub(super) async fn forget_named(&self, host: &str) -> Result<v1::ListNodesResponse, Status> {
        let fleet = self.fleet.borrow().clone();
        let id = resolve(&fleet, host)?;
        let peers = self.peers.as_ref();
        let peers = peers.ok_or_else(|| Status::failed_precondition("this host runs alone"))?;
        peers.forget(id).await.map_err(|error| {
            let hint = "a host that is alive leaves the fleet when its kerfd is stopped";
            with_hint(Code::FailedPrecondition, chain(&error), hint)
        })?;
        let mut left = FleetView::clone(&fleet);
        left.nodes.retain(|node| node.id != id);
        Ok(nodes(&left))
    }
}

/// The host that carries this id, or alone this name.
pub(super) fn resolve(fleet: &FleetView, host: &str) -> Result<HostId, Status> {
    let carries = |node: &&Node| node.name == host || node.id.to_string() == host;
    let found: Vec<&Node> = fleet.nodes.iter().filter(carries).collect();
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => {
            let text = format!("no host {host} is known");
            Err(with_hint(Code::NotFound, text, "kerf nodes shows them"))
        }
        several => {
            let ids: Vec<String> = several.iter().map(|node| node.id.to_string()).collect();
            let text = format!("several hosts carry the name {host}");
            let hint = format!("name it by its id: {}", ids.join(", "));
            Err(with_hint(Code::InvalidArgument, text, &hint))
        }
    }
}

/// Every host.
pub fn nodes(fleet: &FleetView) -> v1::ListNodesResponse {
    v1::ListNodesResponse {
        nodes: fleet.nodes.iter().map(node).collect(),
        listens: fleet.listens,
    }
}

fn node(node: &Node) -> v1::Node {
    let millis = |age: std::time::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    v1::Node {
        id: node.id.to_string(),
        name: node.name.clone(),
        here: node.here,
        address: node.address.clone(),
        presence: node.presence.as_str().to_owned(),
        since_ms: node.since.0,
        record: node.record.as_deref().map(record),
        record_age_ms: node.record_age.map(millis),
    }
}

fn record(record: &HostRecord) -> v1::NodeRecord {
    let summary = Summary::of(record);
    let models = summary.models.into_iter().map(|model| v1::NodeModel {
        name: model.name,
        count: model.count,
        mig_capable: model.mig_capable,
    });
    v1::NodeRecord {
        store_epoch: u32::from(record.version.epoch),
        revision: record.version.revision,
        models: models.collect(),
        gpus: summary.gpus,
        gpus_ok: summary.gpus_ok,
        gpus_in_maintenance: summary.gpus_in_maintenance,
        gpus_free: summary.gpus_free,
        slices: summary.slices,
        slices_free: summary.slices_free,
        leased: summary.leased,
        cpu_milli: record.cpu_milli.total,
        cpu_free_milli: record.cpu_milli.free,
        memory_bytes: record.memory_bytes.total,
        memory_free_bytes: record.memory_bytes.free,
        load_per_mille: u32::from(record.load_per_mille),
        jobs: record.jobs,
        admission: admission(record.admission).to_owned(),
        labels: record.labels.clone(),
        price_milli_per_hour: record.price_milli_per_hour,
    }
}

/// The word in documents.
fn admission(admission: Admission) -> &'static str {
    match admission {
        Admission::Open => "open",
        Admission::Cordoned => "cordoned",
        Admission::Draining => "draining",
    }
}

#[cfg(test)]
mod tests;
