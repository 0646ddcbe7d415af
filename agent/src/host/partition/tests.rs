//! What stands in for an AMD GPU that a layout changes.

use kerf_types::layout::GpuSelector;
use kerf_types::{AmdWish, ComputePartition, MemoryPartition};

use super::{modes, rule_of};
use crate::host::fixture;

#[test]
fn the_way_back_names_the_compute_mode_alone() {
    let mut gpu = fixture::amd(0);
    gpu.memory_mode = Some(MemoryPartition::Nps4);
    let back = rule_of(&gpu).expect("a way back");
    assert_eq!(back.gpus, [GpuSelector::Pci(gpu.pci)]);
    let kept = AmdWish {
        compute: Some(ComputePartition::Spx),
        memory: None,
    };
    assert_eq!(back.amd, Some(kept));
    gpu.compute = None;
    assert_eq!(rule_of(&gpu), None);
}

#[test]
fn a_request_is_another_host_although_no_file_of_the_kernel_shows_it() {
    let mut inventory = fixture::inventory(Vec::new());
    inventory.amd = vec![fixture::amd(0)];
    let before = modes(&inventory);
    inventory.amd[0].pending_memory = Some(MemoryPartition::Nps4);
    assert_ne!(modes(&inventory), before);
}
