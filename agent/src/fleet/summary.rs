//! What a host's record comes to in numbers, for those who look at many hosts. Pure.

use kerf_types::HostRecord;
use kerf_types::host_record::{GpuHealth, GpuRecord, Occupancy};

/// A record in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Models of its GPUs that it has any of, in the order of the record.
    pub models: Vec<ModelCount>,
    /// GPUs.
    pub gpus: u32,
    /// GPUs that are well.
    pub gpus_ok: u32,
    /// GPUs that are in maintenance.
    pub gpus_in_maintenance: u32,
    /// GPUs that are well, not cut, and nobody's.
    pub gpus_free: u32,
    /// Slices.
    pub slices: u32,
    /// Slices that nobody has.
    pub slices_free: u32,
    /// Slices and whole GPUs that are leased.
    pub leased: u32,
}

/// GPUs of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCount {
    /// Marketing name.
    pub name: String,
    /// How many.
    pub count: u32,
    /// Whether it can be cut into slices.
    pub mig_capable: bool,
}

impl Summary {
    /// Counts what a record tells.
    pub fn of(record: &HostRecord) -> Self {
        let gpus = &record.gpus;
        let slices = || gpus.iter().flat_map(|gpu| &gpu.slices);
        let has = |wanted, found: Occupancy| found == wanted;
        let leased_gpus = gpus
            .iter()
            .filter(|gpu| has(Occupancy::Leased, gpu.occupancy));
        let leased = slices().filter(|slice| has(Occupancy::Leased, slice.occupancy));
        let (slices_free, all_slices) = record.slices();
        Self {
            models: models(record),
            gpus: count(gpus.len()),
            gpus_ok: of_health(gpus, GpuHealth::Ok),
            gpus_in_maintenance: of_health(gpus, GpuHealth::Maintenance),
            gpus_free: count(gpus.iter().filter(|gpu| is_free(gpu)).count()),
            slices: count(all_slices),
            slices_free: count(slices_free),
            leased: count(leased_gpus.count().saturating_add(leased.count())),
        }
    }
}

fn of_health(gpus: &[GpuRecord], health: GpuHealth) -> u32 {
    count(gpus.iter().filter(|gpu| gpu.health == health).count())
}

/// A GPU in MIG mode is none that could be given as a whole, even if nothing lies on it.
fn is_free(gpu: &GpuRecord) -> bool {
    gpu.health == GpuHealth::Ok
        && gpu.occupancy == Occupancy::Free
        && gpu.slices.is_empty()
        && !gpu.mig_mode.is_on()
}

fn models(record: &HostRecord) -> Vec<ModelCount> {
    let one = |(at, model): (usize, &kerf_types::host_record::GpuModel)| {
        let of_it = || record.gpus.iter().filter(move |gpu| gpu.model == at);
        ModelCount {
            name: model.name.clone(),
            count: count(of_it().count()),
            mig_capable: !model.profiles.is_empty() || of_it().any(|gpu| gpu.mig_mode.is_on()),
        }
    };
    let models = record.models.iter().enumerate().map(one);
    models.filter(|model| model.count > 0).collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
