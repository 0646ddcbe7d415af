//! MIG as the driver of vGPUs shares it with NVML: copied from NVML's state, and wiped there; which instances carry vGPUs
//! is told to NVML, which destroys none of them.

use std::convert::Infallible;

use crate::kernel::state::State;
use crate::model::machine::{Machine, place};
use crate::store::{Held, Store, StoreError};

/// Whether NVML's state says something else by now. One that cannot be read says nothing.
pub fn differs(nvml: &Store, state: &State) -> bool {
    let Some(vgpu) = &state.vgpu else {
        return false;
    };
    nvml.read()
        .is_ok_and(|machine| vgpu.has_other_mig(&machine) || has_other_vgpus(&machine, state))
}

/// NVML's state while the kernel's is being changed.
pub struct Shared<'n> {
    nvml: &'n Store,
    held: Held,
}

impl<'n> Shared<'n> {
    /// Takes over what NVML's state says, which stays so until the end. `None` for a kernel without vGPUs.
    pub fn begin(nvml: &'n Store, state: &mut State) -> Result<Option<Self>, StoreError> {
        let Some(vgpu) = &mut state.vgpu else {
            return Ok(None);
        };
        let held = nvml.hold()?;
        vgpu.copy_mig(&*nvml.read()?);
        Ok(Some(Self { nvml, held }))
    }

    /// Wipes the layouts of GPUs whose virtual functions have just gone, and tells which vGPUs there are. It comes before
    /// the kernel's own state is written: killed in between, SR-IOV is still on and the layout gone, and whoever tries
    /// again ends where this does; vGPUs are told anew with the next look.
    pub fn end(self, state: &mut State) -> Result<(), StoreError> {
        let wiped = match &mut state.vgpu {
            Some(vgpu) => std::mem::take(&mut vgpu.wiped),
            None => Vec::new(),
        };
        if wiped.is_empty() && !has_other_vgpus(&*self.nvml.read()?, state) {
            return Ok(());
        }
        let told = self.nvml.change_held(&self.held, |machine, _| {
            for gpu in wiped {
                if let Some(gpu) = machine.gpus.get_mut(place(gpu)) {
                    gpu.instances.clear();
                }
            }
            for (gpu, vgpus) in machine.gpus.iter_mut().zip(carried(state)) {
                gpu.vgpus = vgpus;
            }
            Ok::<_, Infallible>(())
        });
        told.map(drop)
    }
}

fn has_other_vgpus(machine: &Machine, state: &State) -> bool {
    let mut gpus = machine.gpus.iter().zip(carried(state));
    gpus.any(|(gpu, vgpus)| gpu.vgpus != vgpus)
}

/// The GPU instance of each vGPU, by GPU.
fn carried(state: &State) -> impl Iterator<Item = Vec<Option<u32>>> {
    let gpus = state.vgpu.iter().flat_map(|vgpu| &vgpu.gpus);
    gpus.map(|gpu| {
        let devices = gpu.functions.iter().flat_map(|function| &function.vgpus);
        devices.map(|device| device.gi).collect()
    })
}
