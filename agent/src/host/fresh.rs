//! Whether a slice is there at this moment, without a call of the driver's library: a launch waits for the answer, and such
//! calls take milliseconds, or wait for others of them.
//!
//! The kernel driver lists a capability for each MIG instance for as long as it lives, so a look of a few seconds ago
//! still holds where it lists the ones that this look saw, under the same minors. Whole GPUs are looked at in any case: no
//! file tells their mode. One instance that was put by hand in the place of another since the last look, with the same
//! ids, is taken for it until the next.

use std::time::Duration;

use kerf_types::lease::Subject;
use kerf_types::{ComputeInstance, Gpu, GpuInstance, MigUuid, SliceId};

use super::{Host, HostError};

/// What was read longer ago is read again.
const HOLDS: Duration = Duration::from_secs(10);

impl Host {
    /// Looks at the GPUs of those of which it cannot be told otherwise that they stand.
    pub(super) async fn see_standing(&mut self, subjects: &[Subject]) -> Result<(), HostError> {
        for subject in subjects {
            if !self.still_stands(subject) {
                self.look_at(subject.gpu()).await?;
            }
        }
        Ok(())
    }

    /// Whether what was leased still stands as it was seen last; where this cannot be told, it does not.
    fn still_stands(&self, subject: &Subject) -> bool {
        let Subject::Slice { slice, uuid, .. } = subject else {
            return false;
        };
        let read = self.heard.get(&slice.gpu);
        let is_recent = read.is_some_and(|read| read.elapsed() < HOLDS);
        let Ok(gpu) = self.gpu(slice.gpu) else {
            return false;
        };
        is_recent && files_of(gpu, *slice, uuid).is_some_and(|files| self.are_listed(&files))
    }

    fn are_listed(&self, files: &[(String, u32)]) -> bool {
        files.iter().all(|(path, minor)| {
            let text = std::fs::read_to_string(self.config.paths.sysroot.join(path));
            text.is_ok_and(|text| minor_in(&text) == Some(*minor))
        })
    }
}

/// The files in which the driver lists the capabilities of a slice, relative to the root, and the minor in each.
fn files_of(gpu: &Gpu, slice: SliceId, uuid: &MigUuid) -> Option<[(String, u32); 2]> {
    let at_place = |one: &&GpuInstance| one.placement == slice.placement;
    let instance = gpu.instances.iter().find(at_place)?;
    let of_it = |one: &&ComputeInstance| one.uuid == *uuid;
    let compute = instance.compute.iter().find(of_it)?;
    let folder = format!(
        "proc/driver/nvidia/capabilities/gpu{}/mig/gi{}",
        gpu.minor, instance.id
    );
    let of_compute = format!("{folder}/ci{}/access", compute.id);
    Some([
        (format!("{folder}/access"), instance.capability_minor?.0),
        (of_compute, compute.capability_minor?.0),
    ])
}

/// The minor that such a file names: a line `DeviceFileMinor: 12`.
fn minor_in(text: &str) -> Option<u32> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("DeviceFileMinor:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests;
