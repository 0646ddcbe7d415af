//! One reading of a GPU's sensors and counters, in base units.
//!
//! What a GPU does not tell is left out and never written as zero; a GPU that is gone is an error. Owns
//! what a reading needs from before: the GPM samples to compare with, the event sets in which XIDs wait,
//! and the profiles by which slices are found. All of it is lost with the worker, and a fresh one begins
//! anew.

mod events;
mod gpm;
mod sensors;
mod slices;

use std::time::Instant;

use kerf_types::sample::{GpuSample, SampleCost};
use kerf_types::{GpuUuid, MigMode, Timestamp};
use nvml_wrapper::{Device, Nvml};

use super::error::{NvmlError, calls_made};
use super::observe::{self, GpuAccess};
use super::{identity, processes};
use events::Events;
use gpm::Gpm;
use slices::Slices;

/// Reads sensors, and remembers what the next reading needs.
pub struct Sampler<'n> {
    nvml: &'n Nvml,
    gpm: Gpm<'n>,
    events: Events<'n>,
    slices: Slices,
}

impl<'n> Sampler<'n> {
    /// One that has read nothing yet.
    pub fn new(nvml: &'n Nvml) -> Self {
        let (gpm, events) = (Gpm::new(nvml), Events::new(nvml));
        Self {
            nvml,
            gpm,
            events,
            slices: Slices::default(),
        }
    }

    /// Lets go of what is held of a GPU in the driver, before a change that may renew the device. The
    /// newest XID is remembered.
    pub fn release(&mut self, access: GpuAccess) {
        // A GPU that does not answer makes the change itself fail, and with a better word.
        let device = access.device(self.nvml);
        if let Ok(gpu) = device.and_then(|device| identity::uuid(&device)) {
            self.gpm.forget(&gpu);
            self.events.forget(&gpu);
            self.slices.forget(&gpu);
        }
    }

    /// Reads one GPU. `now` is the host's clock, `at` the same moment on a clock that never jumps.
    pub fn sample(
        &mut self,
        access: GpuAccess,
        now: Timestamp,
        at: Instant,
    ) -> Result<(GpuSample, SampleCost), NvmlError> {
        let calls_before = calls_made();
        let device = access.device(self.nvml)?;
        let gpu = identity::uuid(&device)?;
        let mut sample = sensors::read(&device, gpu.clone(), now)?;
        let mig_mode = observe::mig_mode(&device)?;
        if mig_mode.is_on() {
            sample.slices = self.slices.read(&device, &gpu, at, &mut self.gpm)?;
        }
        sample.sm_activity_ratio = self.whole_gpu(&device, &gpu, mig_mode, at)?;
        sample.processes = processes::processes(&device)?;
        sample.last_xid = self.events.last_xid(&device, &gpu)?;
        let cost = SampleCost {
            calls: calls_made() - calls_before,
            microseconds: u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        Ok((sample, cost))
    }

    /// GPM of the whole GPU, which drivers refuse while MIG is on.
    fn whole_gpu(
        &mut self,
        device: &Device<'n>,
        gpu: &GpuUuid,
        mig_mode: MigMode,
        at: Instant,
    ) -> Result<Option<f64>, NvmlError> {
        if mig_mode.is_on() {
            return Ok(None);
        }
        self.gpm.sm_activity(device, (gpu.clone(), None), at)
    }
}
