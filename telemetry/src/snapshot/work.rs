//! Leases and jobs.

use std::collections::BTreeMap;

use kerf_types::job::JobState;
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{ContainerRef, GpuUuid, JobId, LeaseId, MigUuid, Timestamp};

/// A lease that lives. The optional fields are shown only where names are allowed.
#[derive(Debug, Clone)]
pub struct LeaseEntry {
    /// Its id.
    pub id: LeaseId,
    /// Where it is in its life.
    pub state: LeaseState,
    /// What it is about.
    pub devices: Vec<LeasedDevice>,
    /// When it was made.
    pub created: Timestamp,
    /// The container that has it.
    pub container: Option<ContainerRef>,
    /// The job that it is for.
    pub job: Option<JobId>,
    /// The image of that job or container.
    pub image: Option<String>,
    /// Who pays.
    pub tenant: Option<String>,
}

/// A device of a lease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeasedDevice {
    /// The GPU.
    pub gpu: GpuUuid,
    /// The slice on it; `None` for the whole GPU.
    pub mig: Option<MigUuid>,
}

impl From<&Subject> for LeasedDevice {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Slice { parent, uuid, .. } => Self {
                gpu: parent.clone(),
                mig: Some(uuid.clone()),
            },
            Subject::Gpu { uuid, .. } => Self {
                gpu: uuid.clone(),
                mig: None,
            },
        }
    }
}

impl From<&Lease> for LeaseEntry {
    /// All that a lease itself tells; image and tenant are the job's.
    fn from(lease: &Lease) -> Self {
        let job = match lease.holder {
            Holder::Job(job) => Some(job),
            Holder::Container(_) | Holder::User { .. } | Holder::Pod { .. } => None,
        };
        Self {
            id: lease.id,
            state: lease.state,
            devices: lease.subjects.iter().map(LeasedDevice::from).collect(),
            created: lease.created,
            container: lease.container.clone(),
            job,
            image: None,
            tenant: None,
        }
    }
}

/// Jobs that this host knows of.
#[derive(Debug, Clone, Default)]
pub struct JobFacts {
    /// How many are in each state; a state that is missing here has none.
    pub by_state: BTreeMap<JobState, u64>,
    /// How many of each tenant are in each state; shown only where names are allowed.
    pub by_tenant: BTreeMap<(String, JobState), u64>,
    /// When the oldest job that still waits was submitted.
    pub oldest_pending: Option<Timestamp>,
}
