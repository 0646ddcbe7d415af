//! Jobs and leases. Names that users chose (of jobs, images, containers) are told only where the host allows
//! it, and so are reasons, which may hold some. Arguments and environment are told never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kerf_api::json::web::{Job, Jobs, Lease, Subject};
use kerf_types::job::{JobSpec, JobState};
use kerf_types::lease::{self, Holder};
use kerf_types::{JobId, LeaseId, LeasedDevice};

use crate::host::HostView;
use crate::store::{JobRow, Placed};

/// Jobs that the page has room for. Each is about 400 bytes of the document, which goes out up to four times a
/// second.
pub(in crate::web) const JOBS_SHOWN: usize = 100;

/// Hosts of one job that are named. A wide job has hundreds, and who wants them all asks `kerf jobs ID`.
const HOSTS_SHOWN: usize = 3;

/// Jobs as they were seen.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct JobsSeen {
    /// At most [`JOBS_SHOWN`].
    pub shown: Vec<(JobRow, Arc<JobSpec>)>,
    /// How many there are in each state.
    pub by_state: BTreeMap<JobState, u64>,
}

pub(super) fn jobs(seen: &JobsSeen, names: bool) -> Jobs {
    let shown = u64::try_from(seen.shown.len()).unwrap_or(u64::MAX);
    let by_state = seen.by_state.iter().filter(|(_, count)| **count > 0);
    Jobs {
        by_state: by_state
            .map(|(state, count)| (state.as_str().to_owned(), *count))
            .collect(),
        entries: seen
            .shown
            .iter()
            .map(|(row, spec)| job(row, spec, names))
            .collect(),
        left_out: seen.by_state.values().sum::<u64>().saturating_sub(shown),
    }
}

fn job(row: &JobRow, spec: &JobSpec, names: bool) -> Job {
    let told = |text: &str| (names && !text.is_empty()).then(|| text.to_owned());
    let hosts = row.placed.as_ref().map(hosts).unwrap_or_default();
    Job {
        id: row.id.to_string(),
        name: told(&spec.name),
        image: told(&spec.image),
        accelerator: spec.accelerator.as_ref().map(ToString::to_string),
        members: spec.members,
        host_count: u32::try_from(hosts.len()).unwrap_or(u32::MAX),
        hosts: hosts.into_iter().take(HOSTS_SHOWN).collect(),
        state: row.state.as_str().to_owned(),
        reason: told(&row.reason),
        exit_code: row.exit_code,
        uid: row.uid(),
        lease: row.lease.map(|lease| lease.to_string()),
        submitted_at: row.submitted.to_string(),
        started_at: row.started.map(|time| time.to_string()),
        ended_at: row.ended.map(|time| time.to_string()),
        restarts: row.restarts,
    }
}

/// The name of each host once; two hosts of one name are two.
fn hosts(placed: &Placed) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let first = placed.hosts.iter().filter(|(id, _)| seen.insert(*id));
    first.map(|(_, name)| name.clone()).collect()
}

pub(super) fn leases(view: &HostView, holders: &Holders) -> Vec<Lease> {
    let one = |lease: &lease::Lease| Lease {
        id: lease.id.to_string(),
        state: lease.state.as_str().to_owned(),
        holder: holders.of(lease),
        subjects: lease
            .subjects
            .iter()
            .map(|one| subject(view, one))
            .chain(lease.devices.iter().map(device))
            .collect(),
        on_demand: lease.on_demand,
        created_at: lease.created.to_string(),
        expires_at: lease.expires.map(|time| time.to_string()),
    };
    view.leases.iter().map(one).collect()
}

/// A device of another maker: its kind in the place of a profile, and its name in that of a slice.
fn device(device: &LeasedDevice) -> Subject {
    let name = device.name.to_string();
    Subject {
        gpu_index: None,
        pci: device
            .pci
            .map_or_else(|| name.clone(), |pci| pci.to_string()),
        profile: Some(device.kind.to_string()),
        slice: Some(name),
    }
}

fn subject(view: &HostView, subject: &lease::Subject) -> Subject {
    let pci = subject.gpu();
    let gpus = &view.inventory.gpus;
    let (profile, slice) = match subject {
        lease::Subject::Slice { slice, profile, .. } => {
            (Some(profile.to_string()), Some(slice.to_string()))
        }
        lease::Subject::Gpu { .. } => (None, None),
    };
    Subject {
        gpu_index: gpus.iter().find(|gpu| gpu.pci == pci).map(|gpu| gpu.index),
        pci: pci.to_string(),
        profile,
        slice,
    }
}

/// Who has which lease, in words.
pub(super) struct Holders {
    jobs: BTreeMap<LeaseId, JobId>,
    names: bool,
}

impl Holders {
    /// A job's lease is its container's; the job itself knows which one.
    pub fn new(seen: &JobsSeen, names: bool) -> Self {
        let held = seen.shown.iter();
        Self {
            jobs: held
                .filter_map(|(row, _)| Some((row.lease?, row.id)))
                .collect(),
            names,
        }
    }

    /// A job is named by its id, which kerf made or checked; a container's name was chosen by its user.
    pub fn of(&self, lease: &lease::Lease) -> String {
        if let Some(job) = self.jobs.get(&lease.id) {
            return format!("job {job}");
        }
        match (&lease.container, &lease.holder) {
            (_, Holder::Job(job)) => format!("job {job}"),
            (Some(container), _) | (None, Holder::Container(container)) if self.names => {
                format!("container {container}")
            }
            (_, Holder::Container(_)) => "a container".to_owned(),
            (_, Holder::User { uid }) => format!("user {uid}"),
            (_, Holder::Pod { .. }) => "a pod".to_owned(),
        }
    }
}
