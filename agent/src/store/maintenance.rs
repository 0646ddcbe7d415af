//! What is in maintenance: written before the driver is closed, so that a kerfd that starts meanwhile stays out of it.

use kerf_api::json::history::Requester;
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::{Doing, Store, StoreError};

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
        let found: Option<String> = self
            .connection
            .query_row("SELECT document FROM maintenance", [], |row| row.get(0))
            .optional()
            .doing("read what is in maintenance")?;
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
        Ok(found.map(read))
    }

    /// Writes down what is in maintenance, in place of what was.
    pub fn put_maintenance(&mut self, row: &MaintenanceRow) -> Result<(), StoreError> {
        let document = serde_json::to_string(row).map_err(|error| StoreError::Row {
            what: "maintenance",
            why: error.to_string(),
        })?;
        self.connection
            .execute(
                "INSERT INTO maintenance (only_one, document) VALUES (1, ?1) \
                 ON CONFLICT (only_one) DO UPDATE SET document = excluded.document",
                [document],
            )
            .doing("write down what is in maintenance")?;
        Ok(())
    }

    /// Nothing is any more.
    pub fn end_maintenance(&mut self) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM maintenance", [])
            .doing("end the maintenance")?;
        Ok(())
    }
}
