//! Leases as rows. The document is a format of its own, converted to and from [`Lease`].

mod attachment;
mod document;
mod process;

use std::path::PathBuf;

use kerf_types::SliceId;
use kerf_types::lease::{Holder, InitProcess, Lease};

use self::document::Document;
use super::{Doing, Store, StoreError, UsageRow};
use crate::process::BootMoment;
use crate::process::attach::Attachment;
use crate::process::cgroup::Cgroup;

/// A lease together with what is still to be learnt about its container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The lease.
    pub lease: Lease,
    /// The launch that has not yet shown its first process.
    pub pending: Option<PendingLaunch>,
    /// The slices among its subjects that were cut for it, and go with it.
    pub cut: Vec<SliceId>,
    /// What it was asked for, in canonical form: a promise serves this ask and no other.
    pub wanted: String,
    /// uid of the local user who asked for it over the API, and may give it back.
    pub by: Option<u32>,
    /// Until when it is promised, on the clock of this boot. The lease itself says it in time of day, for
    /// people: that clock may be set.
    pub until: Option<BootMoment>,
    /// The cgroup that is named for its container: whatever is in there may use what was granted, also when
    /// the first process is gone.
    pub cgroup: Option<Cgroup>,
    /// What it has put into a container that ran already; `None` for one that was made with it.
    pub attachment: Option<Attachment>,
    /// Whether it is a promise without a CDI name, which nobody can have taken up by it.
    pub is_nameless: bool,
}

/// A container on its way: the OCI runtime has been told to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLaunch {
    /// The runtime's process; once it has ended, the container exists or never will.
    pub runtime: InitProcess,
    /// Where it writes the pid of the container's first process.
    pub pid_file: Option<PathBuf>,
}

impl LeaseRow {
    /// The row as a JSON document, also used for the copy that lies in the run folder.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them always serialize.
        serde_json::to_string(&Document::from(self)).unwrap_or_default()
    }

    /// Reads such a document.
    pub fn from_json(text: &str) -> Result<Self, StoreError> {
        let bad = |why: String| StoreError::Row { what: "lease", why };
        let document: Document =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        Self::try_from(document).map_err(|error| bad(error.to_string()))
    }
}

/// Whether the row of a lease is flushed. A lease ends with its boot, so its row need not outlive that; a job's is what
/// another host was told of, like everything else of jobs.
pub fn is_flushed(lease: &Lease) -> bool {
    matches!(lease.holder, Holder::Job(_))
}

impl Store {
    /// Every lease, and what is wrong with those that cannot be read: one damaged row must not keep a host
    /// from starting.
    pub fn leases(&self) -> Result<(Vec<LeaseRow>, Vec<String>), StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT document FROM leases ORDER BY fence")
            .doing("read leases")?;
        let rows = statement
            .query_map([], |row| row.get::<_, String>(0))
            .doing("read leases")?;
        let (mut good, mut damaged) = (Vec::new(), Vec::new());
        for row in rows {
            match LeaseRow::from_json(&row.doing("read leases")?) {
                Ok(row) => good.push(row),
                Err(error) => damaged.push(crate::errors::chain(&error)),
            }
        }
        Ok((good, damaged))
    }

    /// Writes a new lease and ends the work that its slices were cut by, both or neither.
    pub fn put_lease_and_end(&mut self, row: &LeaseRow, work: &[i64]) -> Result<(), StoreError> {
        self.as_lasting(&row.lease, |store| {
            store.both(|store| {
                store.insert_lease(row)?;
                store.note_fence(row.lease.fence)?;
                work.iter().try_for_each(|number| store.end_work(*number))
            })
        })
    }

    fn as_lasting(
        &mut self,
        lease: &Lease,
        operation: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let turns = self.turns.clone();
        let _turn = turns.take();
        match is_flushed(lease) {
            true => operation(self),
            false => self.without_flush(operation),
        }
    }

    fn both(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.carry_out("BEGIN IMMEDIATE")
            .doing("begin a transaction")?;
        let outcome = operation(self);
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        outcome.and(self.carry_out(end).doing("end a transaction"))
    }

    fn carry_out(&self, statement: &str) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(statement)?;
        statement.execute([]).map(drop)
    }

    /// Writes a lease, new or changed.
    pub fn put_lease(&mut self, row: &LeaseRow) -> Result<(), StoreError> {
        self.as_lasting(&row.lease, |store| store.insert_lease(row))
    }

    fn insert_lease(&mut self, row: &LeaseRow) -> Result<(), StoreError> {
        let statement = "INSERT INTO leases (id, fence, state, document) VALUES (?1, ?2, ?3, ?4) \
                         ON CONFLICT (id) DO UPDATE SET state = excluded.state, \
                         document = excluded.document";
        let values = (
            row.lease.id.to_string(),
            row.lease.fence.0.cast_signed(),
            row.lease.state.as_str(),
            row.to_json(),
        );
        self.connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute(values))
            .doing("write a lease")?;
        Ok(())
    }

    /// Forgets a lease that has ended, and keeps its account; both or neither.
    pub fn end_lease(
        &mut self,
        lease: &Lease,
        account: Option<&UsageRow>,
    ) -> Result<(), StoreError> {
        self.as_lasting(lease, |store| match account {
            None => store.delete_lease(lease),
            Some(account) => store.both(|store| {
                store.delete_lease(lease)?;
                store.put_usage(account)
            }),
        })
    }

    fn delete_lease(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM leases WHERE id = ?1")
            .and_then(|mut statement| statement.execute([lease.id.to_string()]))
            .doing("end a lease")?;
        Ok(())
    }
}
