//! A vGPU is made: the record first, then the write, then what was read back.

use std::collections::BTreeSet;
use std::time::Instant;

use kerf_types::layout::GpuSelector;
use kerf_types::lease::Subject;
use kerf_types::vgpu::VgpuFramework;
use kerf_types::{MigMode, PciAddress, Step, VgpuGpu, VgpuType, VgpuUuid};

use super::{Host, HostError, NewVgpu, VgpuRefusal, judge};
use crate::errors::chain;
use crate::host::now;
use crate::store::{VgpuRow, VgpuState, WorkRow};

impl Host {
    /// Makes a vGPU on a GPU that nobody has leased.
    pub(super) async fn create_vgpu(&mut self, wish: &NewVgpu) -> Result<VgpuRow, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        let gpu = self.gpu_named(&wish.gpu)?;
        self.refuse_if_held(gpu)?;
        self.must_be_free(gpu)?;
        // Records of functions that were cleared meanwhile must not stand beside the new one.
        self.look_at_vgpus().await;
        self.refuse_in_doubt(gpu)?;
        self.note_gpu(gpu, 1, 0);
        let mut turned = None;
        let made = match self.with_functions(gpu, wish, &mut turned).await {
            Ok(seen) => self.create_on(seen, wish).await,
            Err(error) => Err(error),
        };
        match (made, turned) {
            (Ok(row), turned) => {
                self.keep_functions(gpu, turned);
                Ok(row)
            }
            (Err(error), None) => Err(error),
            // It is left as it was before they were turned on for a vGPU that was refused.
            (Err(error), Some(turned)) => match self.settle_functions(turned).await {
                Ok(()) => Err(error),
                Err(stays) => Err(HostError::LeftOn {
                    stays: chain(&stays).into(),
                    source: Box::new(error),
                }),
            },
        }
    }

    /// The GPU with its functions, and the intent of turning them on where that was done for this.
    async fn with_functions(
        &mut self,
        gpu: PciAddress,
        wish: &NewVgpu,
        turned: &mut Option<WorkRow>,
    ) -> Result<VgpuGpu, HostError> {
        let seen = self.hardware.observe_vgpu(gpu).await?;
        match seen.sriov {
            _ if seen.framework.is_some() => Ok(seen),
            Some(sriov) if sriov.functions == 0 && wish.enable_sriov => {
                self.may_turn_on(gpu, &wish.kind)?;
                *turned = Some(self.begin_functions(gpu)?);
                self.turn(gpu, true).await
            }
            Some(sriov) if sriov.functions == 0 => Err(VgpuRefusal::SriovOff { gpu }.into()),
            _ => Err(VgpuRefusal::NotOffered { gpu }.into()),
        }
    }

    /// What is known to be in the way before there is a function that names types.
    fn may_turn_on(&self, gpu: PciAddress, kind: &str) -> Result<(), HostError> {
        let known = self.gpu(gpu)?;
        if let Some(process) = known.processes.first() {
            return Err(HostError::Busy {
                what: format!("GPU {gpu}"),
                state: "in use".to_owned(),
                by: Some(format!("process {}", process.pid)),
            });
        }
        if known.mig_mode == MigMode::Enabled && known.instances.is_empty() {
            let kind = kind.to_owned();
            return Err(VgpuRefusal::NeedsInstance { gpu, kind }.into());
        }
        Ok(())
    }

    /// Makes it, on a GPU whose functions are there.
    async fn create_on(&mut self, seen: VgpuGpu, wish: &NewVgpu) -> Result<VgpuRow, HostError> {
        let gpu = seen.pci;
        let framework = seen.framework.ok_or(VgpuRefusal::NotOffered { gpu })?;
        let kind = self.kind_of(&seen, &wish.kind)?;
        let function = self.function_for(&seen, &kind, wish.function, framework)?;
        let (row, step) = self.intend(&seen, &kind, function, wish)?;
        self.put_vgpu(row.clone())?;
        let begun = Instant::now();
        let outcome = self.hardware.apply_vgpu(&step).await;
        self.note_tried(step.to_string(), begun, outcome.as_ref().err());
        match outcome {
            Ok(after) => {
                let found = after.function(function);
                let vgpus = found.and_then(|found| found.vgpus.as_deref());
                let vgpu = vgpus.and_then(|vgpus| judge::find(&row, vgpus)).cloned();
                self.vgpus.seen.insert(gpu, after);
                let name = function.to_string();
                let vgpu = vgpu.ok_or(VgpuRefusal::Unsettled { name })?;
                self.note_made(row, &vgpu)
            }
            Err(error) => {
                // Where the worker cannot say, the record stays and the next look decides.
                if error.was_not_done() {
                    self.forget_vgpu(row.fence)?;
                }
                Err(HostError::Hardware(error))
            }
        }
    }

    fn gpu_named(&self, name: &str) -> Result<PciAddress, HostError> {
        let selector: GpuSelector = kerf_api::convert::gpu_selector(name)?;
        let mut gpus = self.inventory.gpus.iter();
        let one = match selector {
            // One that has dropped out is known by the index of another by now.
            GpuSelector::Index(_) => {
                gpus.find(|gpu| selector.selects(gpu) && !gpu.health.is_lost())
            }
            GpuSelector::Uuid(_) | GpuSelector::Pci(_) => gpus.find(|gpu| selector.selects(gpu)),
            _ => None,
        };
        one.map(|gpu| gpu.pci).ok_or_else(|| HostError::NotFound {
            what: "GPU",
            name: name.to_owned(),
        })
    }

    /// A driver takes any free GPU instance for a vGPU, and time slices of a whole GPU: so nobody may have any of it.
    pub(in crate::host) fn must_be_free(&self, gpu: PciAddress) -> Result<(), HostError> {
        self.refuse_if_shared(gpu, format!("GPU {gpu}"))?;
        let mut leases = self.leases.values();
        let here = BTreeSet::from([gpu]);
        let on_it = |subject: &Subject| self.is_on_any(subject, &here);
        match leases.find(|row| row.lease.subjects.iter().any(on_it)) {
            None => Ok(()),
            Some(row) => Err(HostError::Busy {
                what: format!("GPU {gpu}"),
                state: "leased".to_owned(),
                by: Some(row.lease.holder.to_string()),
            }),
        }
    }

    /// A type by its number, its name, or the last word of it.
    fn kind_of(&self, seen: &VgpuGpu, text: &str) -> Result<VgpuType, HostError> {
        let gpu = seen.pci;
        let found = seen.types.iter().find(|kind| kind.is_called(text));
        let cut = self
            .gpu(gpu)
            .is_ok_and(|gpu| gpu.mig_mode == MigMode::Enabled);
        let kind = text.to_owned();
        match found {
            Some(kind) if kind.available > 0 => Ok(kind.clone()),
            Some(found) if cut && found.is_mig_backed() => {
                Err(VgpuRefusal::NeedsInstance { gpu, kind }.into())
            }
            Some(_) => Err(VgpuRefusal::Full { gpu, kind }.into()),
            None if cut => Err(VgpuRefusal::NeedsInstance { gpu, kind }.into()),
            None => {
                let offered = seen.types.iter().map(|kind| kind.name.clone()).collect();
                Err(VgpuRefusal::NoType { gpu, kind, offered }.into())
            }
        }
    }

    /// The record of what is about to be made, and the step that makes it.
    fn intend(
        &mut self,
        seen: &VgpuGpu,
        kind: &VgpuType,
        function: PciAddress,
        wish: &NewVgpu,
    ) -> Result<(VgpuRow, Step), HostError> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(HostError::Random)?;
        let created = now();
        let uuid = VgpuUuid::new(created.0, random);
        let fence = self.write(crate::store::Store::next_fence)?;
        let is_mediated = seen.framework == Some(VgpuFramework::Mdev);
        let row = VgpuRow {
            fence: fence.0,
            state: VgpuState::Making,
            gpu: seen.pci.to_string(),
            function: function.to_string(),
            uuid: is_mediated.then(|| uuid.to_string()),
            type_id: kind.id.0,
            type_name: kind.name.clone(),
            gpu_instance: None,
            placement: wish.placement,
            uid: wish.by.uid,
            for_containers: wish.for_containers,
            boot_id: self.machine_boot(),
            created_ms: created.0,
        };
        let step = Step::CreateVgpu {
            gpu: seen.pci,
            function,
            type_id: kind.id,
            uuid,
            placement: wish.placement,
        };
        Ok((row, step))
    }
    /// The function that was named, or the first on which the type can be made. One of which a record does not know yet
    /// what becomes of it is not free, whatever it shows.
    fn function_for(
        &self,
        seen: &VgpuGpu,
        kind: &VgpuType,
        wanted: Option<PciAddress>,
        framework: VgpuFramework,
    ) -> Result<PciAddress, HostError> {
        let is_open = |pci: PciAddress| self.unsettled_at(&pci.to_string()).is_some();
        let mut functions = seen.functions.iter().filter(|one| {
            let free = framework == VgpuFramework::Mdev
                || one.vgpus.as_ref().is_some_and(|vgpus| vgpus.is_empty()) && !is_open(one.pci);
            let creatable = one.creatable.iter().flatten();
            free && creatable.into_iter().any(|id| *id == kind.id)
        });
        let found = functions.find(|one| wanted.is_none_or(|wanted| wanted == one.pci));
        found.map(|one| one.pci).ok_or_else(|| {
            let (gpu, kind) = (seen.pci, kind.name.clone());
            VgpuRefusal::Full { gpu, kind }.into()
        })
    }
}
