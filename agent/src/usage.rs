//! The ledger of leases that run: what each has used so far. The owner of the host opens and closes accounts, the sampler
//! adds what it reads; neither waits for the other. Owns no store and asks no driver.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kerf_telemetry::usage::{DeviceReading, Usage, energy, part};
use kerf_types::lease::{Lease, LeaseState, Subject};
use kerf_types::sample::GpuSample;
use kerf_types::{Gpu, GpuUuid, LeaseId};

use crate::host::SliceView;

/// Longest span that one reading speaks for. After a pause (a driver that hung, a suspended machine) nobody knows what was
/// between, and the reading is not made to.
const LONGEST_SPAN: Duration = Duration::from_secs(60);

/// Accounts that are open.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<LeaseId, Usage>,
    /// Energy counter of each GPU at its last reading, and when that was.
    last: BTreeMap<GpuUuid, (Instant, Option<f64>)>,
}

/// A GPU that was read, with what is on it.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'v> {
    /// The GPU.
    pub gpu: &'v Gpu,
    /// Slices of the host.
    pub slices: &'v [SliceView],
    /// Leases of the host.
    pub leases: &'v [Lease],
}

impl Ledger {
    /// Opens an account with what is known of it; one that is open already goes on.
    pub fn open(&self, lease: LeaseId, usage: Usage) {
        self.state().accounts.entry(lease).or_insert(usage);
    }

    /// What a lease has used so far; nothing for one without an account.
    pub fn usage(&self, lease: LeaseId) -> Usage {
        self.state()
            .accounts
            .get(&lease)
            .copied()
            .unwrap_or_default()
    }

    /// Closes an account.
    pub fn close(&self, lease: LeaseId) -> Usage {
        self.state().accounts.remove(&lease).unwrap_or_default()
    }

    /// Adds a reading of one GPU, taken at `now`, to every account that has a part of it.
    pub fn add(&self, scene: Scene<'_>, sample: &GpuSample, now: Instant) {
        let gpu = scene.gpu;
        let mut state = self.state();
        let before = state
            .last
            .insert(gpu.uuid.clone(), (now, sample.energy_joules));
        // The first reading speaks for no span.
        let Some((then, counter)) = before else {
            return;
        };
        let span = now.saturating_duration_since(then);
        if span > LONGEST_SPAN {
            return;
        }
        let joules = energy(counter, sample.energy_joules, sample.power_watts, span);
        for lease in scene
            .leases
            .iter()
            .filter(|lease| lease.state == LeaseState::Active)
        {
            let on_it = lease.subjects.iter().filter(|one| one.gpu() == gpu.pci);
            let readings: Vec<DeviceReading> = on_it
                .map(|subject| reading(subject, scene, sample, joules))
                .collect();
            if let Some(usage) = state
                .accounts
                .get_mut(&lease.id)
                .filter(|_| !readings.is_empty())
            {
                usage.add(span, &readings);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Sums are whole after every line, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of what a lease is about, as people read them.
pub fn devices(lease: &Lease) -> Vec<String> {
    let name = |subject: &Subject| match subject {
        Subject::Slice { slice, .. } => slice.to_string(),
        Subject::Gpu { gpu, .. } => gpu.to_string(),
    };
    let others = lease.devices.iter().map(|device| device.name.to_string());
    lease.subjects.iter().map(name).chain(others).collect()
}

fn reading(
    subject: &Subject,
    scene: Scene<'_>,
    sample: &GpuSample,
    joules: Option<f64>,
) -> DeviceReading {
    let of = subject.share().map_or(1, |share| share.of);
    let all = scene
        .gpu
        .profiles
        .iter()
        .map(|profile| profile.sm_count)
        .max();
    let (activity, memory_used, part) = match subject {
        Subject::Slice { slice, uuid, .. } => {
            let own = scene.slices.iter().find(|one| one.id == *slice);
            let seen = sample.slices.iter().find(|one| one.uuid == *uuid);
            let own = own.map_or(0, |own| own.sm_count);
            (
                seen.and_then(|seen| seen.sm_activity_ratio),
                seen.and_then(|seen| seen.memory_used),
                part(own, all.unwrap_or(0), of),
            )
        }
        Subject::Gpu { .. } => (
            sample.sm_activity_ratio.or(sample.utilization_ratio),
            sample.memory_used,
            part(1, 1, of),
        ),
    };
    DeviceReading {
        // Nobody tells the clients of a shared device apart.
        activity: activity.filter(|_| of == 1),
        memory_used: memory_used.filter(|_| of == 1),
        gpu_energy_joules: joules,
        part,
    }
}
