//! `kerf nodes`: the hosts of the fleet, as one of them knows them. Hearsay: each host alone decides about its
//! devices.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{schema_tag, time};
use crate::v1;

schema_tag!(NodesSchema, "kerf.v1.Nodes");

/// The hosts of the fleet, as one of them knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nodes {
    /// Names this document.
    pub schema: NodesSchema,
    /// Whether the host that answers listens to peers at all.
    pub listens: bool,
    /// The host that answers first, the others in the order of name and id.
    pub nodes: Vec<Node>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its name; two hosts may carry the same.
    pub name: String,
    /// Whether it is the one that answers.
    pub here: bool,
    /// Where its peers reach it, `host:port`; null for a host that runs alone.
    pub address: Option<String>,
    /// `alive`, `suspect`, `down` or `left`.
    pub presence: String,
    /// Since when that is so, by the clock of the host that answers.
    pub since_at: String,
    /// What it says of itself; null until that has come.
    pub record: Option<NodeRecord>,
    /// Time since it said so; null with the record.
    pub record_age_ms: Option<u64>,
}

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeRecord {
    /// Epoch of its store; a rebuilt store begins a new one, and counts from the beginning again.
    pub store_epoch: u32,
    /// Counts what it has said within the epoch.
    pub revision: u64,
    /// Models of its GPUs.
    pub models: Vec<NodeModel>,
    /// GPUs.
    pub gpus: u32,
    /// GPUs that are well.
    pub gpus_ok: u32,
    /// GPUs that somebody works on, or on whose driver; they are none of those that are well.
    pub gpus_in_maintenance: u32,
    /// GPUs that are well, not cut, and nobody's.
    pub gpus_free: u32,
    /// Slices.
    pub slices: u32,
    /// Slices that nobody has.
    pub slices_free: u32,
    /// Slices and whole GPUs that are leased.
    pub leased: u32,
    /// CPU of the host in thousandths.
    pub cpu_milli: u64,
    /// What of it nobody was promised.
    pub cpu_free_milli: u64,
    /// Memory of the host.
    pub memory_bytes: u64,
    /// What of it nobody was promised.
    pub memory_free_bytes: u64,
    /// How busy it is, in thousandths.
    pub load_per_mille: u32,
    /// Members of jobs that run or are being started on it.
    pub jobs: u32,
    /// Whether it takes new work: `open`, `cordoned` or `draining`.
    pub admission: String,
    /// Labels that jobs may choose by.
    pub labels: BTreeMap<String, String>,
    /// Price of an hour of the whole host in thousandths of a currency unit; null where none is named.
    pub price_milli_per_hour: Option<u64>,
}

/// GPUs of one model on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeModel {
    /// Marketing name.
    pub name: String,
    /// How many.
    pub count: u32,
    /// Whether it can be cut into slices.
    pub mig_capable: bool,
}

impl From<&v1::ListNodesResponse> for Nodes {
    fn from(response: &v1::ListNodesResponse) -> Self {
        Self {
            schema: NodesSchema::V1,
            listens: response.listens,
            nodes: response.nodes.iter().map(Into::into).collect(),
        }
    }
}

impl From<&v1::Node> for Node {
    fn from(node: &v1::Node) -> Self {
        Self {
            id: node.id.clone(),
            name: node.name.clone(),
            here: node.here,
            address: Some(node.address.clone()).filter(|address| !address.is_empty()),
            presence: node.presence.clone(),
            since_at: time(node.since_ms),
            record: node.record.as_ref().map(Into::into),
            record_age_ms: node.record_age_ms,
        }
    }
}

impl From<&v1::NodeRecord> for NodeRecord {
    fn from(record: &v1::NodeRecord) -> Self {
        let model = |model: &v1::NodeModel| NodeModel {
            name: model.name.clone(),
            count: model.count,
            mig_capable: model.mig_capable,
        };
        Self {
            store_epoch: record.store_epoch,
            revision: record.revision,
            models: record.models.iter().map(model).collect(),
            gpus: record.gpus,
            gpus_ok: record.gpus_ok,
            gpus_in_maintenance: record.gpus_in_maintenance,
            gpus_free: record.gpus_free,
            slices: record.slices,
            slices_free: record.slices_free,
            leased: record.leased,
            cpu_milli: record.cpu_milli,
            cpu_free_milli: record.cpu_free_milli,
            memory_bytes: record.memory_bytes,
            memory_free_bytes: record.memory_free_bytes,
            load_per_mille: record.load_per_mille,
            jobs: record.jobs,
            admission: record.admission.clone(),
            labels: record.labels.clone().into_iter().collect(),
            price_milli_per_hour: record.price_milli_per_hour,
        }
    }
}

#[cfg(test)]
mod tests;
