//! Virtual functions on and off.

use kerf_types::PciAddress;

use super::carry_out_or;
use super::conditions::Functions;
use crate::systree::SysTree;
use crate::systree::transaction::{Before, Change, Done, Patience, Undo};
use crate::vgpu::VgpuError;
use crate::vgpu::observe::{folder, observe};

/// All of them, or none. A GPU with a vGPU, or with a function that does not say, keeps them.
pub fn set(
    tree: &dyn SysTree,
    gpu: PciAddress,
    enabled: bool,
    patience: &mut dyn Patience,
) -> Result<(), VgpuError> {
    let seen = observe(tree, gpu)?;
    let why = "it has no virtual functions";
    let sriov = seen.sriov.ok_or(VgpuError::NotOffered { gpu, why })?;
    let wanted = if enabled { sriov.most } else { 0 };
    // Some functions are as good as all: more of them would first have to go.
    if sriov.functions == wanted || enabled && sriov.functions > 0 {
        return Ok(());
    }
    if !enabled {
        for function in &seen.functions {
            let pci = function.pci;
            let vgpus = function.vgpus.as_ref();
            let vgpus = vgpus.ok_or(VgpuError::Unknown { function: pci })?;
            if let Some(vgpu) = vgpus.first() {
                let by = format!("a vGPU of type {} on {pci}", vgpu.type_id);
                return Err(VgpuError::InUse { pci: gpu, by });
            }
        }
    }
    let of = |count| Box::new(Functions { gpu, count });
    let change = Change {
        path: format!("{}/sriov_numvfs", folder(gpu)),
        value: wanted.to_string(),
        before: Before::Is(sriov.functions.to_string()),
        done: Done::ReadsBackAnd(of(wanted)),
        undo: Undo::RestoreAnd(of(sriov.functions)),
    };
    let expected = sriov.functions;
    let other = |found| VgpuError::Changed {
        gpu,
        found,
        expected,
    };
    carry_out_or(tree, gpu, &[change], patience, other)
        .map(drop)
        .map_err(|error| match error.errno() {
            Some(nix::errno::Errno::EBUSY) if matches!(error, VgpuError::Undone { .. }) => {
                let by = "a process or a virtual machine".to_owned();
                VgpuError::InUse { pci: gpu, by }
            }
            _ => error,
        })
}
