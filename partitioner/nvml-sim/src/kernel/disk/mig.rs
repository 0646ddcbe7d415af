//! MIG as the driver of vGPUs shares it with NVML: copied from NVML's state, and wiped there.

use std::convert::Infallible;

use crate::kernel::state::State;
use crate::model::machine::place;
use crate::store::{Store, StoreError};

/// Whether NVML's state says something else by now. One that cannot be read says nothing.
pub fn differs(nvml: &Store, state: &State) -> bool {
    let Some(vgpu) = &state.vgpu else {
        return false;
    };
    nvml.read()
        .is_ok_and(|machine| vgpu.has_other_mig(&machine))
}

/// Takes over what NVML's state says.
pub fn copy(nvml: &Store, state: &mut State) -> Result<(), StoreError> {
    if let Some(vgpu) = &mut state.vgpu {
        vgpu.copy_mig(&*nvml.read()?);
    }
    Ok(())
}

/// Wipes the layouts of GPUs whose virtual functions have just gone. It comes before the kernel's own state is
/// written: killed in between, SR-IOV is still on and the layout gone, and whoever tries again ends where this does.
pub fn wipe(nvml: &Store, state: &mut State) -> Result<(), StoreError> {
    let Some(vgpu) = &mut state.vgpu else {
        return Ok(());
    };
    let wiped = std::mem::take(&mut vgpu.wiped);
    if wiped.is_empty() {
        return Ok(());
    }
    let cleared = nvml.change(|machine, _| {
        for gpu in wiped {
            if let Some(gpu) = machine.gpus.get_mut(place(gpu)) {
                gpu.instances.clear();
            }
        }
        Ok::<_, Infallible>(())
    });
    cleared.map(drop)
}
