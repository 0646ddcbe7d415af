//! Tables of one document: read, put in place of what was, and emptied.

use rusqlite::OptionalExtension;
use serde::Serialize;

use super::{Doing, Store, StoreError};

/// A table that holds at most one document.
#[derive(Debug, Clone, Copy)]
pub(super) enum Only {
    /// The kept layout.
    Layout,
    /// What is in maintenance.
    Maintenance,
}

impl Only {
    fn table(self) -> &'static str {
        match self {
            Self::Layout => "layout",
            Self::Maintenance => "maintenance",
        }
    }

    /// What it is, in words.
    fn what(self) -> &'static str {
        match self {
            Self::Layout => "kept layout",
            Self::Maintenance => "maintenance",
        }
    }
}

impl Store {
    /// The document, if there is one.
    pub(super) fn only(&self, table: Only) -> Result<Option<String>, StoreError> {
        let query = format!("SELECT document FROM {}", table.table());
        let found = self.connection.query_row(&query, [], |row| row.get(0));
        let doing = match table {
            Only::Layout => "read the kept layout",
            Only::Maintenance => "read what is in maintenance",
        };
        found.optional().doing(doing)
    }

    /// Puts a document in place of what was.
    pub(super) fn put_only(
        &mut self,
        table: Only,
        document: &impl Serialize,
    ) -> Result<(), StoreError> {
        let document = serde_json::to_string(document).map_err(|error| StoreError::Row {
            what: table.what(),
            why: error.to_string(),
        })?;
        let statement = format!(
            "INSERT INTO {} (only_one, document) VALUES (1, ?1) \
             ON CONFLICT (only_one) DO UPDATE SET document = excluded.document",
            table.table()
        );
        let doing = match table {
            Only::Layout => "keep the layout",
            Only::Maintenance => "write down what is in maintenance",
        };
        self.connection
            .execute(&statement, [document])
            .doing(doing)?;
        Ok(())
    }

    /// Empties the table.
    pub(super) fn clear_only(&mut self, table: Only) -> Result<(), StoreError> {
        let statement = format!("DELETE FROM {}", table.table());
        let doing = match table {
            Only::Layout => "forget the layout",
            Only::Maintenance => "end the maintenance",
        };
        self.connection.execute(&statement, []).doing(doing)?;
        Ok(())
    }
}
