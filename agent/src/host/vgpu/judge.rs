//! What becomes of a record, by what its function shows. Pure.

use kerf_types::{PciAddress, Vgpu, VgpuGpu};

use crate::store::{VgpuRow, VgpuState};

/// A verdict over a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it was, or nothing can be said.
    Keep,
    /// The vGPU that was being made is there: where it lies is known now.
    Made(Vgpu),
    /// The vGPU that was being taken away is still there.
    Finish,
    /// It is no more, for this reason.
    Ended(&'static str),
}

/// Judges a record. `seen` is none where the GPU did not answer this time, whatever it showed before. While a worker of
/// an earlier kerfd is still at work it may be in the very write that the record is of, or may be taking that back:
/// then nothing that is seen says how it ends.
pub fn judge(
    row: &VgpuRow,
    seen: Option<&VgpuGpu>,
    boot_id: &str,
    is_earlier_at_work: bool,
) -> Verdict {
    if row.boot_id != boot_id {
        return Verdict::Ended("the machine was booted since");
    }
    if is_earlier_at_work && row.state != VgpuState::Made {
        return Verdict::Keep;
    }
    let Some(seen) = seen else {
        return Verdict::Keep;
    };
    let functions = seen.functions.iter();
    let mut functions = functions.filter(|one| one.pci.to_string() == row.function);
    let vgpus = match functions.next() {
        None => return Verdict::Ended("its function is gone"),
        Some(function) => match &function.vgpus {
            None => return Verdict::Keep,
            Some(vgpus) => vgpus,
        },
    };
    match (row.state, find(row, vgpus)) {
        (VgpuState::Made, Some(_)) => Verdict::Keep,
        (VgpuState::Making, Some(vgpu)) => Verdict::Made(vgpu.clone()),
        (VgpuState::Unmaking, Some(_)) => Verdict::Finish,
        (VgpuState::Making, None) => Verdict::Ended("it was never made"),
        (VgpuState::Unmaking, None) => Verdict::Ended("it was taken away"),
        (VgpuState::Made, None) if vgpus.is_empty() => Verdict::Ended("somebody else took it away"),
        (VgpuState::Made, None) => Verdict::Ended("another vGPU is in its place"),
    }
}

/// The vGPU that a record speaks of, of those on its function: nothing that was seen of it may be otherwise. What does
/// not read now may be as it was.
pub fn find<'v>(row: &VgpuRow, vgpus: &'v [Vgpu]) -> Option<&'v Vgpu> {
    vgpus.iter().find(|vgpu| is_like(row, vgpu))
}

/// Whether this vGPU is the one that a record speaks of.
pub fn is_it(row: &VgpuRow, function: PciAddress, vgpu: &Vgpu) -> bool {
    function.to_string() == row.function && is_like(row, vgpu)
}

fn is_like(row: &VgpuRow, vgpu: &Vgpu) -> bool {
    let same =
        |known: Option<u32>, now: Option<u32>| known.is_none() || now.is_none() || known == now;
    vgpu.uuid.map(|uuid| uuid.to_string()) == row.uuid
        && vgpu.type_id.0 == row.type_id
        && same(row.gpu_instance, vgpu.gpu_instance.map(|gi| gi.0))
        && same(row.placement, vgpu.placement)
}
