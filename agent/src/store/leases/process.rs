//! A process in the document of a lease.

use kerf_types::lease::InitProcess;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProcessDocument {
    pid: u32,
    start_ticks: u64,
    boot_id: String,
}

impl From<&InitProcess> for ProcessDocument {
    fn from(process: &InitProcess) -> Self {
        Self {
            pid: process.pid,
            start_ticks: process.start_ticks,
            boot_id: process.boot_id.clone(),
        }
    }
}

impl From<ProcessDocument> for InitProcess {
    fn from(document: ProcessDocument) -> Self {
        Self {
            pid: document.pid,
            start_ticks: document.start_ticks,
            boot_id: document.boot_id,
        }
    }
}
