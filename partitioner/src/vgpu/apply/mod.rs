//! Steps of vGPUs, each one or two transactions that are done when the kernel shows it.
//!
//! A step that makes a vGPU answers only for one that it wrote itself: one that was there already, or came first, is
//! somebody else's, whatever its type. So a value that "holds already" is a conflict here, and nothing is taken back
//! on a guess: before a vGPU of a function is cleared, the function must still show what this step wrote.

mod conditions;
mod create;
mod destroy;
mod sriov;

use kerf_types::{PciAddress, Step, VgpuGpu};

use super::{VgpuError, observe};
use crate::systree::SysTree;
use crate::systree::transaction::{self, Change, Outcome, Patience, Refusal};

/// Carries out a step and returns the GPU as it is then; `None` for a step that is not of vGPUs.
pub fn apply(
    tree: &dyn SysTree,
    step: &Step,
    patience: &mut dyn Patience,
) -> Option<Result<VgpuGpu, VgpuError>> {
    let done = match *step {
        Step::SetSriov { gpu, enabled } => sriov::set(tree, gpu, enabled, patience),
        Step::CreateVgpu {
            gpu,
            function,
            type_id,
            uuid,
            placement,
        } => {
            let wanted = create::Wanted {
                function,
                type_id,
                uuid,
                placement,
            };
            create::create(tree, gpu, wanted, patience)
        }
        Step::DestroyVgpu {
            gpu,
            function,
            type_id,
            uuid,
        } => destroy::destroy(tree, gpu, (function, type_id, uuid), patience),
        _ => return None,
    };
    let pci = step.gpu();
    Some(done.and_then(|()| {
        observe(tree, pci).map_err(|cause| {
            let cause = Box::new(cause);
            VgpuError::Unseen { pci, cause }
        })
    }))
}

/// Runs changes of a function; returns how many values were written. Another value than the expected one is a vGPU
/// that is there.
fn carry_out(
    tree: &dyn SysTree,
    function: PciAddress,
    changes: &[Change<'_>],
    patience: &mut dyn Patience,
) -> Result<usize, VgpuError> {
    let other = |found: String| {
        let found = format!("a vGPU of type {found}");
        VgpuError::Conflict { function, found }
    };
    carry_out_or(tree, function, changes, patience, other)
}

/// The same of a GPU or function, where another value than the expected one means this.
fn carry_out_or(
    tree: &dyn SysTree,
    pci: PciAddress,
    changes: &[Change<'_>],
    patience: &mut dyn Patience,
    other: impl FnOnce(String) -> VgpuError,
) -> Result<usize, VgpuError> {
    match transaction::run(tree, changes, patience) {
        Outcome::Done { written } => Ok(written),
        Outcome::Undone {
            reason: Refusal::Conflict { found, .. },
        } => Err(other(found)),
        Outcome::Undone { reason } => Err(VgpuError::Undone { pci, cause: reason }),
        Outcome::Stuck { reason, left } => Err(VgpuError::stuck(pci, reason, &left)),
    }
}
