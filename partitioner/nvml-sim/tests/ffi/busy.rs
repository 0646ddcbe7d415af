//! What a process that runs on a GPU or MIG device holds back.

use crate::common::{World, check, get, zero};
use nvidia_ml::control::tools::{self, MpsProcess};
use nvidia_ml::control::{self, LoadRequest, LoadSelector};
use nvidia_ml::model::share::MpsRole;
use nvml_wrapper_sys::bindings::*;

const IN_USE: u32 = 19;

#[test]
fn a_slice_with_a_process_is_in_use_until_it_ends() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    nvml.set_mig(gpu, true).expect("idle");
    let slice = nvml.cut(gpu, 14, 2, 2);
    let request = LoadRequest {
        gpu: 0,
        gi: Some(4),
        ci: None,
        sm_percent: 80,
        memory_bytes: 4 << 30,
        pid: u32::MAX,
    };
    control::load(world.dir(), request).expect("it fits");
    assert_eq!(nvml.destroy_ci(slice.ci), Err(IN_USE));
    assert_eq!(
        nvml.set_mig(gpu, false),
        Err(IN_USE),
        "Hopper refuses while busy"
    );
    let empty: nvmlMemory_t = zero();
    let memory = get!(nvml, nvmlDeviceGetMemoryInfo, empty, slice.device).expect("a slice");
    assert_eq!(memory.used, (4 << 30) + ((2 * 8_576) << 10));
    let mut records: [nvmlProcessInfo_t; 2] = zero();
    let mut count = 2;
    // SAFETY: the array has room for `count` records.
    let listed = check(unsafe {
        nvml.0
            .nvmlDeviceGetComputeRunningProcesses_v3(gpu, &mut count, records.as_mut_ptr())
    });
    assert_eq!((listed, count), (Ok(()), 1));
    let record = records[0];
    assert_eq!(
        (record.pid, record.gpuInstanceId, record.computeInstanceId),
        (u32::MAX, 4, 0)
    );
    control::clear_load(world.dir(), LoadSelector::default()).expect("a machine");
    assert_eq!(nvml.destroy_ci(slice.ci), Ok(()));
}

#[test]
fn ampere_mode_waits_while_busy() {
    let world = World::new("a100x1");
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    let request = LoadRequest {
        gpu: 0,
        gi: None,
        ci: None,
        sm_percent: 1,
        memory_bytes: 0,
        pid: u32::MAX,
    };
    control::load(world.dir(), request).expect("it fits");
    assert_eq!(nvml.set_mig(gpu, true), Ok(IN_USE), "accepted, not active");
    let mut pending = 9;
    let current = get!(nvml, nvmlDeviceGetMigMode, 9u32, gpu, &mut pending);
    // The first out argument is the current mode; `get!` hands over the last.
    assert_eq!((pending, current), (0, Ok(1)));
    control::clear_load(world.dir(), LoadSelector::default()).expect("a machine");
    control::reset(world.dir(), 0).expect("idle");
    let current = get!(nvml, nvmlDeviceGetMigMode, 9u32, gpu, &mut pending);
    assert_eq!((pending, current), (1, Ok(1)));
}

#[test]
fn clients_of_mps_are_listed_apart_and_among_all() {
    let world = World::new("h100x1");
    let device = tools::device(world.dir(), "0").expect("a GPU");
    for (pid, role) in [(u32::MAX - 1, MpsRole::Server), (u32::MAX, MpsRole::Client)] {
        let process = MpsProcess {
            pid,
            role,
            sm_percent: 0,
            memory_bytes: 1 << 20,
        };
        tools::enter_mps(world.dir(), &device, process).expect("room");
    }
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    let mut records = [zero::<nvmlProcessInfo_t>(); 4];
    let mut count = 4;
    // SAFETY: the array has room for `count` records.
    let listed = check(unsafe {
        nvml.0
            .nvmlDeviceGetMPSComputeRunningProcesses_v3(gpu, &mut count, records.as_mut_ptr())
    });
    assert_eq!((listed, count, records[0].pid), (Ok(()), 1, u32::MAX));
    let mut all = 4;
    // SAFETY: as above.
    let listed = check(unsafe {
        nvml.0
            .nvmlDeviceGetComputeRunningProcesses_v3(gpu, &mut all, records.as_mut_ptr())
    });
    assert_eq!((listed, all), (Ok(()), 2));
}
