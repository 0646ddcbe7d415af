//! One reading of a GPU's sensors and counters, in base units.
//!
//! What a GPU does not tell is left out and never written as zero; a GPU that is gone is an error. Owns
//! the two things that a reading needs from before: the GPM samples to compare with, and the event sets
//! in which XIDs wait. Both are lost with the worker, and a fresh one begins anew.

mod events;
mod gpm;
mod meter;
mod sensors;

use std::time::Instant;

use kerf_types::sample::{GpuSample, SampleCost, SliceSample};
use kerf_types::{MigMode, Timestamp};
use nvml_wrapper::{Device, Nvml};

use super::error::{NvmlError, called};
use super::observe::{self, GpuAccess};
use super::{ffi, identity, instances, processes};
use events::Events;
use gpm::Gpm;
use meter::Meter;

/// Reads sensors, and remembers what the next reading needs.
pub struct Sampler<'n> {
    nvml: &'n Nvml,
    gpm: Gpm<'n>,
    events: Events<'n>,
}

impl<'n> Sampler<'n> {
    /// One that has read nothing yet.
    pub fn new(nvml: &'n Nvml) -> Self {
        Self {
            nvml,
            gpm: Gpm::new(nvml),
            events: Events::new(nvml),
        }
    }

    /// Reads one GPU. `now` is the host's clock, `at` the same moment on a clock that never jumps.
    pub fn sample(
        &mut self,
        access: GpuAccess,
        now: Timestamp,
        at: Instant,
    ) -> Result<(GpuSample, SampleCost), NvmlError> {
        let mut meter = Meter::default();
        let device = meter.count(1, || access.device(self.nvml))?;
        let gpu = meter.count(1, || identity::uuid(&device))?;
        let mut sample = sensors::read(&device, gpu.clone(), now, &mut meter)?;
        let mig_mode = meter.count(1, || observe::mig_mode(&device))?;
        if mig_mode.is_on() {
            sample.slices = self.slices(&device, &gpu, at, &mut meter)?;
        }
        sample.sm_activity_ratio = self.whole_gpu(&device, &gpu, mig_mode, at, &mut meter)?;
        sample.processes = meter.count(3, || processes::processes(&device))?;
        sample.last_xid = meter.count(1, || self.events.last_xid(&device, &gpu))?;
        Ok((sample, meter.cost()))
    }

    /// GPM of the whole GPU, which drivers refuse while MIG is on.
    fn whole_gpu(
        &mut self,
        device: &Device<'n>,
        gpu: &kerf_types::GpuUuid,
        mig_mode: MigMode,
        at: Instant,
        meter: &mut Meter,
    ) -> Result<Option<f64>, NvmlError> {
        if mig_mode.is_on() {
            return Ok(None);
        }
        meter.count(2, || self.gpm.sm_activity(device, (gpu.clone(), None), at))
    }

    fn slices(
        &mut self,
        device: &Device<'n>,
        gpu: &kerf_types::GpuUuid,
        at: Instant,
        meter: &mut Meter,
    ) -> Result<Vec<SliceSample>, NvmlError> {
        let slices = meter.count(1, || slice_devices(device))?;
        let mut samples = Vec::new();
        for (slice, mig_device) in slices {
            let memory = meter.ask("nvmlDeviceGetMemoryInfo_v2", || mig_device.memory_info())?;
            let key = (gpu.clone(), Some((slice.gi, slice.uuid.clone())));
            let activity = meter.count(2, || self.gpm.sm_activity(device, key, at))?;
            samples.push(SliceSample {
                memory_used: memory.as_ref().map(|memory| kerf_types::Bytes(memory.used)),
                memory_total: memory
                    .as_ref()
                    .map(|memory| kerf_types::Bytes(memory.total)),
                sm_activity_ratio: activity,
                ..slice
            });
        }
        self.gpm.forget_others(gpu, &samples);
        samples.sort_by_key(|sample| (sample.gi, sample.ci));
        Ok(samples)
    }
}

/// Slices by the driver's MIG indices, with their devices. Cheaper than going through every profile, as
/// observing does: one call for each possible MIG device, of which a GPU has at most seven.
fn slice_devices<'n>(device: &Device<'n>) -> Result<Vec<(SliceSample, Device<'n>)>, NvmlError> {
    let most = called("nvmlDeviceGetMaxMigDeviceCount", device.mig_device_count())?;
    let mut slices = Vec::new();
    for index in 0..most.min(ffi::ARRAY_LIMIT) {
        let found = called(
            "nvmlDeviceGetMigDeviceHandleByIndex",
            device.mig_device_by_index(index),
        );
        // Indices have holes, and an instance may go while we ask.
        let Some(mig_device) = instances::if_there(found)? else {
            continue;
        };
        let ids = instances::if_there(ffi::instance_ids(&mig_device))?;
        let uuid = instances::if_there(instances::mig_uuid(&mig_device))?;
        if let (Some((gi, ci)), Some(uuid)) = (ids, uuid) {
            let slice = SliceSample {
                gi: kerf_types::GiId(gi),
                ci: kerf_types::CiId(ci),
                uuid,
                memory_used: None,
                memory_total: None,
                sm_activity_ratio: None,
            };
            slices.push((slice, mig_device));
        }
    }
    Ok(slices)
}
