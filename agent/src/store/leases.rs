//! Leases as rows. The document is a format of its own, converted to and from [`Lease`].

use std::path::PathBuf;

use kerf_types::lease::{Holder, InitProcess, Lease, Subject};
use kerf_types::{ContainerRef, Fence, ParseError, Placement, SliceId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Doing, Store, StoreError};

/// A lease together with what is still to be learnt about its container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The lease.
    pub lease: Lease,
    /// The launch that has not yet shown its first process.
    pub pending: Option<PendingLaunch>,
    /// The slices among its subjects that were cut for it, and go with it.
    pub cut: Vec<SliceId>,
}

/// A container on its way: the OCI runtime has been told to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLaunch {
    /// The runtime's process; once it has ended, the container exists or never will.
    pub runtime: InitProcess,
    /// Where it writes the pid of the container's first process.
    pub pid_file: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    id: String,
    fence: u64,
    state: String,
    subjects: Vec<SubjectDocument>,
    holder: HolderDocument,
    container: Option<(String, String)>,
    init: Option<ProcessDocument>,
    pending: Option<PendingDocument>,
    /// `start:size` by GPU address, of the slices that were cut for this lease.
    #[serde(default)]
    cut: Vec<(String, String)>,
    created_ms: u64,
    expires_ms: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectDocument {
    Slice {
        gpu: String,
        placement: String,
        profile: String,
        parent: String,
        uuid: String,
    },
    Gpu {
        gpu: String,
        uuid: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HolderDocument {
    Container { namespace: String, id: String },
    Job { id: String },
    User { uid: u32 },
}

#[derive(Debug, Serialize, Deserialize)]
struct ProcessDocument {
    pid: u32,
    start_ticks: u64,
    boot_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct PendingDocument {
    runtime: ProcessDocument,
    pid_file: Option<PathBuf>,
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
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .doing("begin a transaction")?;
        let outcome = self
            .put_lease(row)
            .and_then(|()| work.iter().try_for_each(|number| self.end_work(*number)));
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        outcome.and(
            self.connection
                .execute_batch(end)
                .doing("end a transaction"),
        )
    }

    /// Writes a lease, new or changed.
    pub fn put_lease(&mut self, row: &LeaseRow) -> Result<(), StoreError> {
        self.connection
            .execute(
                "INSERT INTO leases (id, fence, state, document) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, \
                 document = excluded.document",
                (
                    row.lease.id.to_string(),
                    row.lease.fence.0.cast_signed(),
                    row.lease.state.as_str(),
                    row.to_json(),
                ),
            )
            .doing("write a lease")?;
        Ok(())
    }

    /// Forgets a lease that has ended.
    pub fn delete_lease(&mut self, lease: &Lease) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM leases WHERE id = ?1", [lease.id.to_string()])
            .doing("end a lease")?;
        Ok(())
    }
}

impl From<&LeaseRow> for Document {
    fn from(row: &LeaseRow) -> Self {
        let lease = &row.lease;
        Self {
            id: lease.id.to_string(),
            fence: lease.fence.0,
            state: lease.state.as_str().to_owned(),
            subjects: lease.subjects.iter().map(SubjectDocument::from).collect(),
            holder: HolderDocument::from(&lease.holder),
            container: lease
                .container
                .as_ref()
                .map(|c| (c.namespace.clone(), c.id.clone())),
            init: lease.init.as_ref().map(ProcessDocument::from),
            pending: row.pending.as_ref().map(|pending| PendingDocument {
                runtime: ProcessDocument::from(&pending.runtime),
                pid_file: pending.pid_file.clone(),
            }),
            cut: row
                .cut
                .iter()
                .map(|slice| (slice.gpu.to_string(), slice.placement.to_string()))
                .collect(),
            created_ms: lease.created.0,
            expires_ms: lease.expires.map(|time| time.0),
        }
    }
}

impl TryFrom<Document> for LeaseRow {
    type Error = ParseError;

    fn try_from(document: Document) -> Result<Self, ParseError> {
        let subjects: Result<Vec<_>, _> = document
            .subjects
            .into_iter()
            .map(Subject::try_from)
            .collect();
        let container = document
            .container
            .map(|(namespace, id)| ContainerRef::try_new(&namespace, &id))
            .transpose()?;
        let cut = document
            .cut
            .iter()
            .map(|(gpu, placement)| {
                Ok(SliceId {
                    gpu: gpu.parse()?,
                    placement: placement.parse()?,
                })
            })
            .collect::<Result<Vec<SliceId>, ParseError>>()?;
        let lease = Lease {
            id: document.id.parse()?,
            fence: Fence(document.fence),
            subjects: subjects?,
            holder: Holder::try_from(document.holder)?,
            state: document.state.parse()?,
            container,
            init: document.init.map(InitProcess::from),
            on_demand: !cut.is_empty(),
            created: Timestamp(document.created_ms),
            expires: document.expires_ms.map(Timestamp),
        };
        let pending = document.pending.map(|pending| PendingLaunch {
            runtime: InitProcess::from(pending.runtime),
            pid_file: pending.pid_file,
        });
        Ok(Self {
            lease,
            pending,
            cut,
        })
    }
}

impl From<&Subject> for SubjectDocument {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Slice {
                slice,
                profile,
                parent,
                uuid,
            } => Self::Slice {
                gpu: slice.gpu.to_string(),
                placement: slice.placement.to_string(),
                profile: profile.to_string(),
                parent: parent.to_string(),
                uuid: uuid.to_string(),
            },
            Subject::Gpu { gpu, uuid } => Self::Gpu {
                gpu: gpu.to_string(),
                uuid: uuid.to_string(),
            },
        }
    }
}

impl TryFrom<SubjectDocument> for Subject {
    type Error = ParseError;

    fn try_from(document: SubjectDocument) -> Result<Self, ParseError> {
        Ok(match document {
            SubjectDocument::Slice {
                gpu,
                placement,
                profile,
                parent,
                uuid,
            } => Self::Slice {
                slice: SliceId {
                    gpu: gpu.parse()?,
                    placement: placement.parse::<Placement>()?,
                },
                profile: profile.parse()?,
                parent: parent.parse()?,
                uuid: uuid.parse()?,
            },
            SubjectDocument::Gpu { gpu, uuid } => Self::Gpu {
                gpu: gpu.parse()?,
                uuid: uuid.parse()?,
            },
        })
    }
}

impl From<&Holder> for HolderDocument {
    fn from(holder: &Holder) -> Self {
        match holder {
            Holder::Container(container) => Self::Container {
                namespace: container.namespace.clone(),
                id: container.id.clone(),
            },
            Holder::Job(id) => Self::Job { id: id.to_string() },
            Holder::User { uid } => Self::User { uid: *uid },
        }
    }
}

impl TryFrom<HolderDocument> for Holder {
    type Error = ParseError;

    fn try_from(document: HolderDocument) -> Result<Self, ParseError> {
        Ok(match document {
            HolderDocument::Container { namespace, id } => {
                Self::Container(ContainerRef::try_new(&namespace, &id)?)
            }
            HolderDocument::Job { id } => Self::Job(id.parse()?),
            HolderDocument::User { uid } => Self::User { uid },
        })
    }
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
