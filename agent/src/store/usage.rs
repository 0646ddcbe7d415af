//! What leases have used, one document each, which stays when the lease has gone.

use super::{Doing, Store, StoreError};

/// Accounts of ended leases that are kept. At half a KiB each, what is kept fits in one
/// answer of the API.
pub const USAGE_KEPT: i64 = 5_000;

/// An account as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The lease.
    pub lease: String,
    /// Boot in which it began, and the moment in it in milliseconds.
    pub began: (String, u64),
    /// Whether the lease has ended.
    pub is_ended: bool,
    /// The `kerf.v1.LeaseUsage` document.
    pub document: String,
}

impl Store {
    /// Writes an account, new or changed, and forgets the oldest beyond [`USAGE_KEPT`].
    pub fn put_usage(&mut self, row: &UsageRow) -> Result<(), StoreError> {
        self.connection
            .execute(
                "INSERT INTO usage (lease, boot, began_ms, ended, document) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (lease) DO UPDATE SET ended = excluded.ended, document = excluded.document",
                (
                    &row.lease,
                    &row.began.0,
                    row.began.1.cast_signed(),
                    row.is_ended,
                    &row.document,
                ),
            )
            .doing("write an account")?;
        self.connection
            .execute(
                "DELETE FROM usage WHERE ended AND number <= (SELECT max(number) FROM usage) - ?1",
                [USAGE_KEPT],
            )
            .doing("shorten the accounts")?;
        Ok(())
    }

    /// Accounts of ended leases, the newest first; at most `limit`, 0 for all that are kept.
    pub fn ended_usage(&self, limit: u32) -> Result<Vec<UsageRow>, StoreError> {
        let limit = match limit {
            0 => -1,
            limit => i64::from(limit),
        };
        self.usage(true, limit)
    }

    /// Accounts of leases that had not ended when they were written.
    pub fn open_usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        self.usage(false, -1)
    }

    fn usage(&self, ended: bool, limit: i64) -> Result<Vec<UsageRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT lease, boot, began_ms, ended, document FROM usage WHERE ended = ?1 \
                 ORDER BY number DESC LIMIT ?2",
            )
            .doing("read accounts")?;
        let rows = statement
            .query_map((ended, limit), |row| {
                Ok(UsageRow {
                    lease: row.get(0)?,
                    began: (row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()),
                    is_ended: row.get(3)?,
                    document: row.get(4)?,
                })
            })
            .doing("read accounts")?;
        rows.map(|row| row.doing("read accounts")).collect()
    }
}
