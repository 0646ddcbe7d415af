//! The two modes of a GPU, each changed in one transaction that is done when KFD shows it.

use kerf_types::{AmdGpu, ComputePartition, MemoryPartition, PciAddress, Step, Timestamp};

use super::error::fits;
use super::observe::{folder, observe};
use super::{AmdError, kfd};
use crate::systree::transaction::{self, Before, Change, Condition, Done, Outcome, Patience, Undo};
use crate::systree::{SysTree, TreeError};

/// Carries out a step and returns the GPU as it is then; `None` for a step that is not an AMD GPU's.
pub fn apply(
    tree: &dyn SysTree,
    step: &Step,
    now: Timestamp,
    patience: &mut dyn Patience,
) -> Option<Result<AmdGpu, AmdError>> {
    match *step {
        Step::SetAmdCompute { gpu, mode } => Some(compute(tree, gpu, mode, now, patience)),
        Step::SetAmdMemory { gpu, mode } => Some(memory(tree, gpu, mode, now, patience)),
        _ => None,
    }
}

/// The compute mode. Its partitions come and go with it, so nobody may use the GPU.
fn compute(
    tree: &dyn SysTree,
    pci: PciAddress,
    mode: ComputePartition,
    now: Timestamp,
    patience: &mut dyn Patience,
) -> Result<AmdGpu, AmdError> {
    let gpu = observe(tree, pci, now)?;
    offered(pci, mode, &gpu.compute_modes)?;
    fits(pci, mode, gpu.memory_mode, gpu.xccs)?;
    if gpu.compute != Some(mode) && !gpu.processes.is_empty() {
        return Err(AmdError::in_use(pci, &gpu.processes));
    }
    let path = format!("{}/current_compute_partition", folder(pci));
    let of = |mode: ComputePartition| -> Box<dyn Condition> {
        let count = gpu.xccs.map(|xccs| mode.partitions(xccs));
        Box::new(Listed { pci, count })
    };
    let before = gpu.compute;
    let change = Change {
        path,
        value: mode.to_string(),
        before: before.map_or(Before::Any, |before| Before::Is(before.to_string())),
        done: Done::ReadsBackAnd(of(mode)),
        undo: before.map_or(Undo::Restore, |before| Undo::RestoreAnd(of(before))),
    };
    carry_out(tree, pci, change, patience)?;
    observe(tree, pci, now)
}

/// The memory mode: a request, which the driver carries out when it is loaded anew. Nothing shows it meanwhile,
/// so the answer says it, and whoever asked must remember it.
fn memory(
    tree: &dyn SysTree,
    pci: PciAddress,
    mode: MemoryPartition,
    now: Timestamp,
    patience: &mut dyn Patience,
) -> Result<AmdGpu, AmdError> {
    let gpu = observe(tree, pci, now)?;
    offered(pci, mode, &gpu.memory_modes)?;
    if gpu.memory_mode == Some(mode) {
        return Ok(gpu);
    }
    let change = Change {
        path: format!("{}/current_memory_partition", folder(pci)),
        value: mode.to_string(),
        before: Before::Any,
        done: Done::Accepted,
        undo: Undo::Impossible,
    };
    carry_out(tree, pci, change, patience)?;
    let gpu = observe(tree, pci, now)?;
    let pending_memory = (gpu.memory_mode != Some(mode)).then_some(mode);
    Ok(AmdGpu {
        pending_memory,
        ..gpu
    })
}

fn carry_out(
    tree: &dyn SysTree,
    pci: PciAddress,
    change: Change<'_>,
    patience: &mut dyn Patience,
) -> Result<(), AmdError> {
    match transaction::run(tree, &[change], patience) {
        Outcome::Done { .. } => Ok(()),
        Outcome::Undone { reason } => Err(AmdError::undone(pci, reason)),
        Outcome::Stuck { reason, left } => Err(AmdError::stuck(pci, reason, &left)),
    }
}

fn offered<T: PartialEq + ToString>(pci: PciAddress, mode: T, all: &[T]) -> Result<(), AmdError> {
    if all.contains(&mode) {
        return Ok(());
    }
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let offered = match names.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let mode = mode.to_string();
    Err(AmdError::NotOffered { pci, mode, offered })
}

/// So many partitions of a GPU stand in KFD's list. Where it was not in the list before, that cannot be asked.
#[derive(Debug)]
struct Listed {
    pci: PciAddress,
    count: Option<u32>,
}

impl Condition for Listed {
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError> {
        let Some(count) = self.count else {
            return Ok(true);
        };
        let nodes = kfd::nodes(tree, self.pci)?;
        Ok(nodes.is_some_and(|nodes| u32::try_from(nodes.partitions.len()) == Ok(count)))
    }

    fn words(&self) -> String {
        let count = self.count.unwrap_or_default();
        format!("{count} KFD nodes of GPU {}", self.pci)
    }
}
