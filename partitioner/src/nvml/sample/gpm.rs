//! SM activity from GPM, the performance counters of Hopper and later.
//!
//! GPM compares two samples of one GPU or GPU instance. The first sample of each is kept here under the
//! slice's whole identity, so that a slice made anew at the same place never inherits the old one's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kerf_types::sample::SliceSample;
use kerf_types::{GiId, GpuUuid, MigUuid};
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::{Device, GpmSample, Nvml};

use crate::nvml::error::{NvmlError, called, optional};

/// What is watched: a GPU, or one life of a slice on it.
pub type Key = (GpuUuid, Option<(GiId, MigUuid)>);

/// Least time between two samples that are compared. nvml.h asks for more than 100 ms.
const LEAST_GAP: Duration = Duration::from_millis(101);

/// The sample to compare the next one with, and what the last comparison gave.
struct Kept<'n> {
    sample: GpmSample<'n>,
    taken: Instant,
    ratio: Option<f64>,
}

/// GPM samples of every GPU and slice that was read.
pub struct Gpm<'n> {
    nvml: &'n Nvml,
    kept: BTreeMap<Key, Kept<'n>>,
}

impl<'n> Gpm<'n> {
    /// Nothing kept.
    pub fn new(nvml: &'n Nvml) -> Self {
        Self {
            nvml,
            kept: BTreeMap::new(),
        }
    }

    /// Share of SMs busy since the sample before, 0 to 1; `None` until there are two samples, and on
    /// GPUs without GPM. Asked again too soon, it repeats the last answer.
    pub fn sm_activity(
        &mut self,
        device: &Device<'n>,
        key: Key,
        at: Instant,
    ) -> Result<Option<f64>, NvmlError> {
        if let Some(kept) = self.kept.get(&key)
            && at.saturating_duration_since(kept.taken) < LEAST_GAP
        {
            return Ok(kept.ratio);
        }
        let Some(sample) = optional(take(device, &key))? else {
            self.kept.remove(&key);
            return Ok(None);
        };
        let ratio = match self.kept.get(&key) {
            Some(before) => self.compare(&before.sample, &sample)?,
            None => None,
        };
        self.kept.insert(
            key,
            Kept {
                sample,
                taken: at,
                ratio,
            },
        );
        Ok(ratio)
    }

    /// Drops every sample of a GPU.
    pub fn forget(&mut self, gpu: &GpuUuid) {
        self.kept.retain(|(owner, _), _| owner != gpu);
    }

    /// Drops what was kept of slices of `gpu` that are no more.
    pub fn forget_others(&mut self, gpu: &GpuUuid, live: &[SliceSample]) {
        let is_live = |(owner, slice): &Key| match slice {
            Some((gi, uuid)) if owner == gpu => live
                .iter()
                .any(|sample| sample.gi == *gi && sample.uuid == *uuid),
            Some(_) => true,
            None => owner != gpu,
        };
        self.kept.retain(|key, _| is_live(key));
    }

    fn compare(
        &self,
        before: &GpmSample<'n>,
        after: &GpmSample<'n>,
    ) -> Result<Option<f64>, NvmlError> {
        let call = "nvmlGpmMetricsGet";
        let metrics = [GpmMetricId::SmUtil];
        let answer = nvml_wrapper::gpm::gpm_metrics_get(self.nvml, before, after, &metrics);
        let result = optional(called(call, answer))?.and_then(|mut results| results.pop());
        let percent = match result {
            Some(result) => optional(called(call, result))?.map(|metric| metric.value),
            None => None,
        };
        Ok(percent
            .filter(|percent| percent.is_finite())
            .map(|percent| (percent / 100.0).clamp(0.0, 1.0)))
    }
}

fn take<'n>(device: &Device<'n>, (_, slice): &Key) -> Result<GpmSample<'n>, NvmlError> {
    match slice {
        Some((gi, _)) => called("nvmlGpmMigSampleGet", device.gpm_mig_sample(gi.0)),
        None => called("nvmlGpmSampleGet", device.gpm_sample()),
    }
}
