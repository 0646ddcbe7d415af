//! Series of leases and jobs.

use std::collections::BTreeSet;

use kerf_types::job::JobState;
use kerf_types::lease::LeaseState;

use crate::families::work as families;
use crate::labels::Labels;
use crate::page::{Page, seconds};
use crate::snapshot::{LeaseEntry, Snapshot};

const LEASE_STATES: [LeaseState; 3] = [
    LeaseState::Reserved,
    LeaseState::Active,
    LeaseState::Releasing,
];

/// Writes the families of leases and jobs.
pub(super) fn write(snapshot: &Snapshot, page: &mut Page) {
    leases(snapshot, page);
    jobs(snapshot, page);
}

fn leases(snapshot: &Snapshot, page: &mut Page) {
    let mut seen = BTreeSet::new();
    let leases = snapshot.leases.iter();
    let leases: Vec<&LeaseEntry> = leases.filter(|lease| seen.insert(lease.id)).collect();
    page.family(&families::LEASES, |samples| {
        for state in LEASE_STATES {
            let in_state = leases.iter().filter(|lease| lease.state == state);
            let count: u64 = in_state.fold(0, |count, _| count + 1);
            samples.add(&Labels::none().with("state", state.as_str()), count);
        }
    });
    page.family(&families::LEASE_INFO, |samples| {
        for lease in &leases {
            for device in lease.devices.iter().collect::<BTreeSet<_>>() {
                let labels = Labels::none()
                    .with("lease_id", lease.id)
                    .with("gpu_uuid", &device.gpu)
                    .with_some("mig_uuid", device.mig.as_ref());
                let labels = if snapshot.allow_names {
                    named(labels, lease)
                } else {
                    labels
                };
                samples.add(&labels, true);
            }
        }
    });
    page.family(&families::LEASE_CREATED, |samples| {
        for lease in &leases {
            samples.add(&Labels::none().with("lease_id", lease.id), lease.created);
        }
    });
}

fn named(labels: Labels, lease: &LeaseEntry) -> Labels {
    labels
        .with_some("container_id", lease.container.as_ref())
        .with_some("job_id", lease.job)
        .with_some("image", lease.image.as_ref())
        .with_some("tenant", lease.tenant.as_ref())
}

fn jobs(snapshot: &Snapshot, page: &mut Page) {
    let jobs = &snapshot.jobs;
    let count = |state| jobs.by_state.get(&state).copied().unwrap_or(0);
    page.family(&families::JOBS, |samples| {
        for state in JobState::ALL {
            let labels = Labels::none().with("state", state.as_str());
            samples.add(&labels, count(state));
        }
    });
    page.family(&families::TENANT_JOBS, |samples| {
        if !snapshot.allow_names {
            return;
        }
        for ((tenant, state), count) in &jobs.by_tenant {
            let labels = Labels::none()
                .with("tenant", tenant)
                .with("state", state.as_str());
            samples.add(&labels, *count);
        }
    });
    page.single(&families::PENDING_JOBS, Some(count(JobState::Pending)));
    let waited = jobs
        .oldest_pending
        .map(|since| seconds(snapshot.taken.0.saturating_sub(since.0)));
    page.single(&families::OLDEST_PENDING, waited);
}
