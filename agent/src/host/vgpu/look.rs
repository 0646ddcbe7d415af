//! Looking at vGPUs, and setting the records against what is there.

use std::collections::BTreeSet;

use kerf_types::{PciAddress, Step, Vgpu, VgpuGpu, VgpuTypeId};

use super::judge::{Verdict, judge};
use super::{DEGRADED, Host, HostError};
use crate::errors::chain;
use crate::hardware::HardwareError;
use crate::host::now;
use crate::store::{VgpuRow, VgpuState};

impl Host {
    /// Reads every GPU's vGPUs and settles the records. A GPU that does not answer keeps what was known.
    pub(in crate::host) async fn look_at_vgpus(&mut self) {
        if self.maintenance.is_some() {
            // Who works on the driver may take its files away, which ends no vGPU of ours.
            return;
        }
        // Who has ended by now has done what it does before this look.
        self.look_for_earlier_workers().await;
        let gpus: Vec<PciAddress> = self.inventory.gpus.iter().map(|gpu| gpu.pci).collect();
        let mut answered = BTreeSet::new();
        let mut is_silent = false;
        for pci in gpus {
            match self.hardware.observe_vgpu(pci).await {
                Ok(gpu) => {
                    answered.insert(gpu.pci);
                    self.take_vgpus(gpu);
                }
                // Its files are not where they are looked for: nothing that vGPUs could be made with.
                Err(error) if error.is_not_found() => {
                    self.vgpus.seen.remove(&pci);
                    self.vgpus.unread.remove(&pci);
                }
                Err(error) => {
                    is_silent = true;
                    if !self.vgpus.seen.contains_key(&pci) {
                        self.vgpus.unread.insert(pci);
                    }
                    // Where nobody answers at all, that has an entry of its own.
                    if !matches!(
                        error,
                        HardwareError::DriverHangs { .. } | HardwareError::Worker { .. }
                    ) {
                        let hint = "its vGPUs are left as they are until they can be read";
                        self.degrade(&name(pci), chain(&error), hint);
                    }
                }
            }
        }
        for fence in self.vgpus.rows.keys().copied().collect::<Vec<u64>>() {
            self.settle_vgpu(fence, &answered).await;
        }
        self.tell_of_shared();
        // What a GPU showed before is as old as it was.
        if !is_silent {
            self.vgpus.looked = Some(now());
        }
    }

    fn take_vgpus(&mut self, gpu: VgpuGpu) {
        match gpu.problems.first() {
            None => self.recovered(&name(gpu.pci)),
            Some(problem) => {
                let hint = "what does not read is left alone";
                self.degrade(&name(gpu.pci), problem.clone(), hint);
            }
        }
        self.vgpus.unread.remove(&gpu.pci);
        self.vgpus.seen.insert(gpu.pci, gpu);
    }

    /// One record, by what its GPU has just answered: an earlier picture says nothing of a write that came after it.
    /// A store that cannot be written shows as degraded, and the next look tries again.
    async fn settle_vgpu(&mut self, fence: u64, answered: &BTreeSet<PciAddress>) {
        let Some(row) = self.vgpus.rows.get(&fence).cloned() else {
            return;
        };
        let gpu = row.gpu.parse().ok();
        let gpu = gpu.filter(|pci| answered.contains(pci));
        let seen = gpu.and_then(|pci: PciAddress| self.vgpus.seen.get(&pci));
        let settled = match judge(&row, seen, &self.machine_boot(), self.is_earlier_at_work()) {
            Verdict::Keep => Ok(()),
            Verdict::Made(vgpu) => self.note_made(row, &vgpu).map(drop),
            // Only a table of leases that is older than the record says so: the lease ends first.
            Verdict::Finish if self.lease_on(&row).is_some() => Ok(()),
            Verdict::Finish => self.finish_vgpu(row).await,
            Verdict::Ended(why) => {
                self.tell_of_vgpu(&row, why);
                if let Some(lease) = self.lease_on(&row) {
                    let text = format!("its vGPU on {} is gone: {why}", row.function);
                    self.events.add("lease", &lease.id.to_string(), &text);
                }
                self.forget_vgpu(fence)
            }
        };
        if let Err(error) = settled {
            tracing::debug!(fence, error = chain(&error), "vgpu record not settled");
        }
    }

    /// Writes down that a vGPU is there, and where it lies.
    pub(super) fn note_made(&mut self, row: VgpuRow, vgpu: &Vgpu) -> Result<VgpuRow, HostError> {
        let row = VgpuRow {
            state: VgpuState::Made,
            gpu_instance: vgpu.gpu_instance.map(|gi| gi.0).or(row.gpu_instance),
            placement: vgpu.placement.or(row.placement),
            ..row
        };
        self.tell_of_vgpu(&row, "made");
        self.put_vgpu(row.clone())?;
        Ok(row)
    }

    /// Takes away what a record says, and forgets it then. One that is in use goes on.
    pub(super) async fn finish_vgpu(&mut self, row: VgpuRow) -> Result<(), HostError> {
        match self.hardware.apply_vgpu(&unmaking(&row)?).await {
            Ok(gpu) => {
                self.vgpus.seen.insert(gpu.pci, gpu);
                self.tell_of_vgpu(&row, "taken away");
                self.forget_vgpu(row.fence)
            }
            Err(error) => {
                // Whoever asked is told that it failed, and must find it as it was.
                if error.was_not_done() {
                    let state = VgpuState::Made;
                    self.put_vgpu(VgpuRow { state, ..row })?;
                }
                Err(HostError::Hardware(error))
            }
        }
    }

    pub(super) fn tell_of_vgpu(&self, row: &VgpuRow, what: &str) {
        let text = format!("{} on {}: {what}", row.type_name, row.function);
        self.events.add("gpu", &row.gpu, &text);
    }
}

/// The step that takes a record's vGPU away, and no other.
pub(super) fn unmaking(row: &VgpuRow) -> Result<Step, HostError> {
    let uuid = row.uuid.as_deref().map(str::parse).transpose();
    Ok(Step::DestroyVgpu {
        gpu: row.gpu.parse()?,
        function: row.function.parse()?,
        type_id: VgpuTypeId(row.type_id),
        uuid: uuid?,
    })
}

fn name(pci: PciAddress) -> String {
    format!("{DEGRADED} {pci}")
}
