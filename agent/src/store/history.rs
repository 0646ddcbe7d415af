//! What was done to the GPUs of this host: an entry is written before the first driver call and completed after the
//! last, so that one that still runs when kerfd starts is one that a crash cut off.

use kerf_api::json::history::{HistoryEntry, HistoryOutcome};
use rusqlite::OptionalExtension;

use super::{Doing, Store, StoreError};

/// Entries that are kept. At some hundred bytes each, and some dozens a day on a busy host, this is weeks of changes in
/// under a megabyte.
pub const HISTORY_KEPT: i64 = 1_000;

impl Store {
    /// Writes down that something begins, and forgets the oldest entry beyond [`HISTORY_KEPT`].
    pub fn begin_history(&mut self, entry: &HistoryEntry) -> Result<i64, StoreError> {
        self.connection
            .execute("INSERT INTO history (document) VALUES (?1)", [text(entry)?])
            .doing("write to the history")?;
        let number = self.connection.last_insert_rowid();
        self.connection
            .execute(
                "DELETE FROM history WHERE number <= ?1",
                [number - HISTORY_KEPT],
            )
            .doing("shorten the history")?;
        Ok(number)
    }

    /// Replaces an entry by what has come of it.
    pub fn end_history(&mut self, number: i64, entry: &HistoryEntry) -> Result<(), StoreError> {
        self.connection
            .execute(
                "UPDATE history SET document = ?2 WHERE number = ?1",
                (number, text(entry)?),
            )
            .doing("write to the history")?;
        Ok(())
    }

    /// One entry, where it is still kept and reads.
    pub fn history_entry(&self, number: i64) -> Result<Option<HistoryEntry>, StoreError> {
        let found: Option<String> = self
            .connection
            .query_row(
                "SELECT document FROM history WHERE number = ?1",
                [number],
                |row| row.get(0),
            )
            .optional()
            .doing("read the history")?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Documents with their numbers, the newest first; at most `limit`, and only `number` where one is named.
    pub fn history(
        &self,
        limit: u32,
        number: Option<u64>,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        let limit = match limit {
            0 => HISTORY_KEPT,
            limit => i64::from(limit),
        };
        let number = number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let query = "SELECT number, document FROM history WHERE ?1 IS NULL OR number = ?1 \
                     ORDER BY number DESC LIMIT ?2";
        let mut statement = self.connection.prepare(query).doing("read the history")?;
        let rows = statement
            .query_map((number, limit), |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?))
            })
            .doing("read the history")?;
        let entry = |row: rusqlite::Result<(i64, String)>| {
            let (number, document) = row.doing("read the history")?;
            Ok((number.unsigned_abs(), document))
        };
        rows.map(entry).collect()
    }

    /// Marks what a kerfd before us did not complete. Returns the numbers.
    pub fn interrupt_history(&mut self) -> Result<Vec<u64>, StoreError> {
        let mut interrupted = Vec::new();
        for (number, document) in self.history(0, None)? {
            let Ok(mut entry) = serde_json::from_str::<HistoryEntry>(&document) else {
                continue;
            };
            if entry.outcome == HistoryOutcome::Running {
                entry.outcome = HistoryOutcome::Interrupted;
                entry.why = Some("kerfd ended on the way".to_owned());
                self.end_history(i64::try_from(number).unwrap_or(i64::MAX), &entry)?;
                interrupted.push(number);
            }
        }
        Ok(interrupted)
    }
}

fn text(entry: &HistoryEntry) -> Result<String, StoreError> {
    serde_json::to_string(entry).map_err(|error| StoreError::Row {
        what: "history entry",
        why: error.to_string(),
    })
}
