//! Processes and memory accounting, against the figures of the H100 capture.

use super::*;
use crate::model::gpu::Fault;
use crate::model::load::{LoadError, Memory, Process};
use crate::model::product::MemoryFigures;

fn process(pid: u32, gi: Option<u32>, sm_percent: u32, memory_mib: u64) -> Process {
    Process {
        pid,
        started: None,
        pid_namespace: None,
        gi,
        ci: None,
        sm_percent,
        memory_bytes: memory_mib << 20,
        mps: None,
    }
}

/// As nvidia-smi prints it: MiB, rounded up.
fn printed(memory: Memory) -> [u64; 4] {
    [memory.total, memory.reserved, memory.used, memory.free()].map(|bytes| bytes.div_ceil(1 << 20))
}

#[test]
fn memory_of_an_idle_and_a_loaded_h100_is_as_captured() {
    let mut machine = machine("h100x1");
    let product = machine.product().expect("a product");
    assert_eq!(
        printed(machine.gpus[0].memory(product)),
        [81_559, 479, 0, 81_081]
    );
    for (pid, mib) in [(11_327, 2_566), (11_328, 1_542), (11_345, 15_690)] {
        machine
            .set_load(0, process(pid, None, 0, mib), START_US)
            .expect("it fits");
    }
    // The capture's driver used 20 MiB more than its processes.
    assert_eq!(
        printed(machine.gpus[0].memory(product)),
        [81_559, 479, 19_798, 61_283]
    );
}

#[test]
fn memory_of_mig_devices_is_as_captured() {
    let mut machine = mig_machine("h100x1");
    let product = machine.product().expect("a product");
    for profile in [9, 14, 19, 19] {
        create_full(&mut machine, profile, None);
    }
    let gpu = &machine.gpus[0];
    assert_eq!(printed(gpu.memory(product)), [81_559, 479, 59, 81_022]);
    let slices: Vec<_> = gpu
        .instances
        .iter()
        .map(|gi| printed(gpu.gi_memory(product, gi, MemoryFigures::Listed)))
        .collect();
    assert_eq!(
        slices,
        [
            [40_448, 0, 26, 40_423],
            [20_096, 0, 17, 20_080],
            [9_984, 0, 9, 9_976],
            [9_984, 0, 9, 9_976]
        ]
    );
}

#[test]
fn a_load_in_mig_mode_names_an_instance_that_can_run_it() {
    let mut machine = mig_machine("h100x1");
    let gi = create(&mut machine, 14, Some(0)).expect("room");
    let refused = |machine: &mut Machine, gi| machine.set_load(0, process(1, gi, 1, 1), START_US);
    assert_eq!(
        refused(&mut machine, None),
        Err(LoadError::NeedsInstance { gpu: 0 })
    );
    let empty = Err(LoadError::NoInstance { gpu: 0, gi: 3 });
    assert_eq!(
        refused(&mut machine, Some(3)),
        empty,
        "no compute instance yet"
    );
    machine.create_ci(gi, 1, None, START_US).expect("room");
    refused(&mut machine, Some(3)).expect("now it can");
    assert_eq!(machine.gpus[0].processes[0].ci, Some(0));
    machine.end_processes(START_US, |_, _| true);
    machine.set_mig_mode(0, false, START_US).expect("idle");
    assert_eq!(
        refused(&mut machine, Some(3)),
        Err(LoadError::NotMig { gpu: 0, gi: 3 })
    );
}

#[test]
fn a_load_takes_no_more_memory_than_there_is() {
    let mut machine = machine("h100x1");
    machine
        .set_load(0, process(1, None, 10, 80_000), START_US)
        .expect("it fits");
    let second = machine.set_load(0, process(2, None, 10, 2_000), START_US);
    assert!(
        matches!(second, Err(LoadError::Memory { .. })),
        "{second:?}"
    );
    machine
        .set_load(0, process(1, None, 10, 70_000), START_US)
        .expect("it replaces itself");
    machine
        .set_load(0, process(2, None, 10, 2_000), START_US)
        .expect("now it fits");
}

#[test]
fn nothing_runs_on_a_lost_or_absent_gpu() {
    let mut machine = machine("h100x1");
    assert_eq!(
        machine.set_load(5, process(1, None, 1, 1), START_US),
        Err(LoadError::NoGpu { gpu: 5 })
    );
    machine.gpus[0].fault = Fault::Lost;
    assert_eq!(
        machine.set_load(0, process(1, None, 1, 1), START_US),
        Err(LoadError::Lost { gpu: 0 })
    );
}
