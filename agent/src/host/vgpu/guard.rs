//! Keeping plans and leases off the hardware that vGPUs have.
//!
//! A plan knows them from the last look and is refused whole; but virtual machine managers make vGPUs at any time, so
//! each GPU of a vGPU host is looked at again before a step that would take something from under one, and before a
//! lease is written. What a stranger makes in the moment between is told in `kerf status`, and is the driver's to refuse.

use kerf_api::partitioner::v1::failure::Code;
use kerf_types::lease::Subject;
use kerf_types::{PciAddress, Step};

use super::uses::in_words;
use super::{Host, HostError, VgpuUse, VgpuUses};
use crate::hardware::HardwareError;

impl Host {
    /// Whose hardware vGPUs have, as it was seen last.
    pub(in crate::host) fn vgpu_uses(&self) -> VgpuUses {
        let in_doubt = self.in_doubt();
        let unread = self.vgpus.unread.union(&in_doubt).copied().collect();
        VgpuUses::of(&self.vgpus.seen, &self.vgpus.rows, &unread)
    }

    /// Whether a GPU's vGPUs have never been read.
    pub(in crate::host) fn is_unread(&self, gpu: PciAddress) -> bool {
        self.vgpus.unread.contains(&gpu)
    }

    /// Refuses a step that would take an instance, or the mode of its GPU, from under a vGPU: as a driver does that
    /// says in use, so that a plan of which it is one is taken back as after any refusal.
    pub(in crate::host) async fn spare_vgpus(&mut self, step: &Step) -> Result<(), HardwareError> {
        let (gpu, gi) = match step {
            Step::SetMigMode { gpu, .. } => (*gpu, None),
            Step::DestroyGpuInstance { gpu, gi, .. }
            | Step::DestroyComputeInstance { gpu, gi, .. } => (*gpu, Some(*gi)),
            _ => return Ok(()),
        };
        self.look_at_vgpus_of(gpu).await?;
        let uses = self.vgpu_uses();
        let on_it = uses.on(gpu).unwrap_or_default().iter();
        let in_the_way = |one: &&VgpuUse| gi.is_none() || one.gi.is_none() || one.gi == gi;
        let found: Vec<VgpuUse> = on_it.filter(in_the_way).cloned().collect();
        if found.is_empty() {
            return Ok(());
        }
        let what = match gi {
            Some(gi) => format!("GPU instance {gi} of GPU {gpu}"),
            None => format!("GPU {gpu}"),
        };
        Err(HardwareError::Failed {
            code: Code::InUse,
            message: format!("{what} carries {}", in_words(&found)),
        })
    }

    /// Refuses a GPU for a new lease by what is known.
    pub(in crate::host) fn refuse_vgpus(&self, gpu: PciAddress) -> Result<(), HostError> {
        match self.vgpu_uses().on(gpu) {
            None => Ok(()),
            Some(uses) => Err(HostError::Busy {
                what: format!("GPU {gpu}"),
                state: "not free".to_owned(),
                by: Some(in_words(uses)),
            }),
        }
    }

    /// The same after a fresh look at each GPU of a lease that is about to be written.
    pub(in crate::host) async fn spare_vgpus_of(
        &mut self,
        subjects: &[Subject],
    ) -> Result<(), HostError> {
        for subject in subjects {
            self.look_at_vgpus_of(subject.gpu()).await?;
            self.refuse_vgpus(subject.gpu())?;
        }
        Ok(())
    }

    /// A fresh look at a GPU on which vGPUs can be made now. The others cost nothing, or next to nothing.
    pub(super) async fn look_at_vgpus_of(&mut self, gpu: PciAddress) -> Result<(), HardwareError> {
        let seen = self.vgpus.seen.get(&gpu);
        let can_have = seen.is_some_and(|seen| match (&seen.framework, &seen.sriov) {
            (None, None) => false,
            (None, Some(_)) => !self.has_no_functions(gpu),
            (Some(_), _) => true,
        });
        if can_have {
            let seen = self.hardware.observe_vgpu(gpu).await?;
            self.vgpus.seen.insert(gpu, seen);
        }
        Ok(())
    }

    /// Whether a GPU that no framework knew a moment ago still has nothing that a vGPU could be on: no virtual function,
    /// and no entry among those that mediated devices are made on.
    fn has_no_functions(&self, gpu: PciAddress) -> bool {
        let sys = self.config.paths.sysroot.join("sys");
        let functions = sys.join(format!("bus/pci/devices/{gpu}/sriov_numvfs"));
        let functions = std::fs::read_to_string(functions);
        let mediated = sys.join(format!("class/mdev_bus/{gpu}"));
        functions.is_ok_and(|text| text.trim() == "0") && !mediated.exists()
    }

    /// Says where a vGPU and a lease are on one GPU: kerf brings that about nowhere, others may.
    pub(super) fn tell_of_shared(&mut self) {
        let uses = self.vgpu_uses();
        let gpus: Vec<PciAddress> = self.inventory.gpus.iter().map(|gpu| gpu.pci).collect();
        for gpu in gpus {
            let what = format!("lease beside vGPUs on {gpu}");
            let mut leases = self.leases.values();
            let lease = leases.find(|row| row.lease.subjects.iter().any(|one| one.gpu() == gpu));
            match (uses.on(gpu), lease) {
                (Some(on_it), Some(row)) => {
                    let (id, on_it) = (row.lease.id, in_words(on_it));
                    let why = format!("lease {id} is on the GPU, which carries {on_it}");
                    self.degrade(&what, why, "one of the two has to end");
                }
                _ => self.recovered(&what),
            }
        }
    }
}
