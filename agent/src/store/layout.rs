//! The layout that this host is to have: what was applied last on each GPU, to be had again after a boot. GPU instances
//! never outlive one.

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::{Doing, Store, StoreError};

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLayout {
    /// The `kerf.v1.Layout` document; each rule speaks of one GPU by its address.
    pub layout: String,
    /// Whether GPU resets were accepted.
    pub allow_reset: bool,
    /// The boot in which it was last brought about.
    pub boot_id: String,
    /// Addresses of the GPUs that do not have theirs yet.
    pub unmet: Vec<String>,
    /// What GPUs had before maintenance and do not have again, as another such document.
    #[serde(default)]
    pub owed: String,
}

impl Store {
    /// The kept layout. One that does not read is none: what is there shows in the hardware.
    pub fn kept_layout(&self) -> Result<Option<KeptLayout>, StoreError> {
        let found: Option<String> = self
            .connection
            .query_row("SELECT document FROM layout", [], |row| row.get(0))
            .optional()
            .doing("read the kept layout")?;
        let read = found.map(|text| serde_json::from_str(&text));
        if let Some(Err(error)) = &read {
            tracing::error!(%error, "unreadable kept layout left out");
        }
        Ok(read.and_then(Result::ok))
    }

    /// Keeps a layout in place of the one before.
    pub fn keep_layout(&mut self, kept: &KeptLayout) -> Result<(), StoreError> {
        let document = serde_json::to_string(kept).map_err(|error| StoreError::Row {
            what: "kept layout",
            why: error.to_string(),
        })?;
        self.connection
            .execute(
                "INSERT INTO layout (only_one, document) VALUES (1, ?1) \
                 ON CONFLICT (only_one) DO UPDATE SET document = excluded.document",
                [document],
            )
            .doing("keep the layout")?;
        Ok(())
    }

    /// Forgets it.
    pub fn forget_layout(&mut self) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM layout", [])
            .doing("forget the layout")?;
        Ok(())
    }
}
