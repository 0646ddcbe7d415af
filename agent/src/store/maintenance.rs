//! What is in maintenance: written before the driver is closed, so that a kerfd that starts meanwhile stays out of it.

use kerf_api::json::history::Requester;
use serde::{Deserialize, Serialize};

use super::only::Only;
use super::{Store, StoreError};

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceRow {
    /// Whether the whole host is.
    pub whole_host: bool,
    /// Addresses of the GPUs that are.
    pub gpus: Vec<String>,
    /// Since when.
    pub since_ms: u64,
    /// Who asked for it.
    pub by: Option<Requester>,
    /// What the GPUs had when it began, as a `kerf.v1.Layout` document.
    pub before: String,
}

impl Store {
    /// What is in maintenance. Where that does not read it is the whole host: to open a driver that somebody works on
    /// would be worse than to stay out of it until somebody says so.
    pub fn maintenance(&self) -> Result<Option<MaintenanceRow>, StoreError> {
        let read = |text: String| {
            serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::error!(%error, "unreadable maintenance taken for one of the whole host");
                MaintenanceRow {
                    whole_host: true,
                    gpus: Vec::new(),
                    since_ms: 0,
                    by: None,
                    before: String::new(),
                }
            })
        };
        Ok(self.only(Only::Maintenance)?.map(read))
    }

    /// Writes down what is in maintenance, in place of what was.
    pub fn put_maintenance(&mut self, row: &MaintenanceRow) -> Result<(), StoreError> {
        self.put_only(Only::Maintenance, row)
    }

    /// Nothing is any more.
    pub fn end_maintenance(&mut self) -> Result<(), StoreError> {
        self.clear_only(Only::Maintenance)
    }
}
