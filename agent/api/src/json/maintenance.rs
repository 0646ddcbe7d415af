//! `kerf maintenance`: what is in maintenance, and who has the driver open.

use serde::Serialize;

use super::{schema_tag, time};
use crate::v1;

schema_tag!(MaintenanceSchema, "kerf.v1.Maintenance");

/// What is in maintenance, and who has the driver open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Maintenance {
    /// Names this document.
    pub schema: MaintenanceSchema,
    /// Whether anything is in maintenance.
    pub active: bool,
    /// Whether that is the whole host.
    pub whole_host: bool,
    /// Addresses of the GPUs.
    pub gpus: Vec<String>,
    /// Since when; null where nothing is in maintenance.
    pub since_at: Option<String>,
    /// uid of who asked for it; null where nothing is in maintenance.
    pub by: Option<u32>,
    /// Whether no process of kerf has anything of the driver open.
    pub closed: bool,
    /// The processes of kerf that have.
    pub ours: Vec<DriverHolder>,
    /// Processes of others that have what is in maintenance open.
    pub others: Vec<DriverHolder>,
    /// Programs of which kerfd may not know what they have open.
    pub unread: Vec<DriverHolder>,
    /// Kernel modules of the driver, with how often each is used.
    pub modules: Vec<String>,
    /// What is not well after leaving.
    pub unwell: Vec<String>,
}

/// A process that has something of the driver open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriverHolder {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub command: String,
    /// Device nodes and the driver's library.
    pub holds: Vec<String>,
}

impl From<&v1::Maintenance> for Maintenance {
    fn from(maintenance: &v1::Maintenance) -> Self {
        let holders = |of: &[v1::DriverHolder]| of.iter().map(DriverHolder::from).collect();
        Self {
            schema: MaintenanceSchema::V1,
            active: maintenance.active,
            whole_host: maintenance.whole_host,
            gpus: maintenance.gpus.clone(),
            since_at: maintenance.active.then(|| time(maintenance.since_ms)),
            by: maintenance.by,
            closed: maintenance.ours.is_empty(),
            ours: holders(&maintenance.ours),
            others: holders(&maintenance.others),
            unread: holders(&maintenance.unread),
            modules: maintenance.modules.clone(),
            unwell: maintenance.unwell.clone(),
        }
    }
}

impl From<&v1::DriverHolder> for DriverHolder {
    fn from(holder: &v1::DriverHolder) -> Self {
        Self {
            pid: holder.pid,
            command: holder.command.clone(),
            holds: holder.holds.clone(),
        }
    }
}
