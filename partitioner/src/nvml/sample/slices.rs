//! Readings of the slices of a GPU.

use std::collections::BTreeMap;
use std::time::Instant;

use kerf_types::sample::SliceSample;
use kerf_types::{Bytes, GiId, GpuUuid};
use nvml_wrapper::Device;

use super::gpm::Gpm;
use super::sensors::ask;
use crate::nvml::error::NvmlError;
use crate::nvml::ffi::{self, InstanceProfile};
use crate::nvml::instances::{self, ComputeProfiles, FoundInstance};

/// Profiles of each GPU. NVML promises that they stay for as long as MIG stays on, and asking for them
/// would cost more calls than the rest of a reading.
#[derive(Debug, Default)]
pub struct Slices {
    profiles: BTreeMap<GpuUuid, (Vec<InstanceProfile>, ComputeProfiles)>,
}

impl Slices {
    /// Drops a GPU's profiles.
    pub fn forget(&mut self, gpu: &GpuUuid) {
        self.profiles.remove(gpu);
    }

    /// Reads every slice of a GPU, by its instances' ids.
    pub fn read<'n>(
        &mut self,
        device: &Device<'n>,
        gpu: &GpuUuid,
        at: Instant,
        gpm: &mut Gpm<'n>,
    ) -> Result<Vec<SliceSample>, NvmlError> {
        let mut samples = Vec::new();
        for instance in self.find(device, gpu)? {
            let gi = GiId(instance.info.id);
            for ci in instance.compute {
                let memory = ask("nvmlDeviceGetMemoryInfo_v2", ci.device.memory_info())?;
                let key = (gpu.clone(), Some((gi, ci.uuid.clone())));
                samples.push(SliceSample {
                    gi,
                    ci: ci.id,
                    uuid: ci.uuid,
                    memory_used: memory.as_ref().map(|memory| Bytes(memory.used)),
                    memory_total: memory.map(|memory| Bytes(memory.total)),
                    sm_activity_ratio: gpm.sm_activity(device, key, at)?,
                });
            }
        }
        gpm.forget_others(gpu, &samples);
        Ok(samples)
    }

    /// Finds them by the profiles that were kept, or, where the driver does not know these any more (MIG
    /// was off meanwhile), by fresh ones.
    fn find<'n>(
        &mut self,
        device: &Device<'n>,
        gpu: &GpuUuid,
    ) -> Result<Vec<FoundInstance<'n>>, NvmlError> {
        if let Some((profiles, known)) = self.profiles.get_mut(gpu)
            && let Ok(found) = instances::walk(device, profiles, known)
        {
            return Ok(found);
        }
        let profiles = ffi::instance_profiles(device)?;
        let mut known = ComputeProfiles::new();
        let found = instances::walk(device, &profiles, &mut known)?;
        self.profiles.insert(gpu.clone(), (profiles, known));
        Ok(found)
    }
}
