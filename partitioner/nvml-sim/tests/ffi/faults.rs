//! Calls that go wrong, through the C ABI.

use std::ptr;
use std::time::{Duration, Instant};

use nvidia_ml::control::{FaultRequest, fault, reset, set_policy};
use nvidia_ml::model::machine::Policy;
use nvidia_ml::model::mischief::{Delay, Mischief};
use nvidia_ml::model::product::MemoryFigures;
use nvml_wrapper_sys::bindings::*;

use crate::common::{Nvml, Result, World, get, zero};

const INVALID_ARGUMENT: u32 = 2;
const FUNCTION_NOT_FOUND: u32 = 13;
const IN_USE: u32 = 19;
const UNKNOWN: u32 = 999;

fn misbehave(world: &World, function: &str, how: Mischief, times: Option<u32>) {
    let function = function.to_owned();
    let request = FaultRequest::Misbehave {
        function,
        how,
        times,
    };
    fault(world.dir(), request).expect("a driver");
}

fn mig_gpu(world: &World) -> (Nvml, nvmlDevice_t) {
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    assert_eq!(nvml.set_mig(gpu, true), Ok(0));
    (nvml, gpu)
}

/// Start of every instance of that profile.
fn starts(nvml: &Nvml, gpu: nvmlDevice_t, profile: u32) -> Vec<u32> {
    let mut found = [ptr::null_mut(); 7];
    let count = get!(
        nvml,
        nvmlDeviceGetGpuInstances,
        0u32,
        gpu,
        profile,
        found.as_mut_ptr()
    );
    let count = usize::try_from(count.expect("a list")).expect("small");
    let infos = found[..count].iter().map(|&gi| nvml.gi_info(gi));
    infos
        .map(|info| info.expect("it is listed").placement.start)
        .collect()
}

fn attributes(nvml: &Nvml, device: nvmlDevice_t) -> Result<nvmlDeviceAttributes_t> {
    get!(nvml, nvmlDeviceGetAttributes_v2, zero(), device)
}

#[test]
fn a_call_fails_so_often_and_no_more() {
    let world = World::new("h100x1");
    let (nvml, gpu) = mig_gpu(&world);
    let gi = nvml.create_gi(gpu, 19, Some((3, 1))).expect("room");
    misbehave(
        &world,
        "nvmlGpuInstanceDestroy",
        Mischief::Answer(IN_USE),
        Some(2),
    );
    assert_eq!(nvml.destroy_gi(gi), Err(IN_USE));
    assert_eq!(nvml.destroy_gi(gi), Err(IN_USE));
    assert_eq!(nvml.destroy_gi(gi), Ok(()));
}

#[test]
fn a_call_that_worked_may_still_say_that_it_did_not() {
    let world = World::new("h100x1");
    let (nvml, gpu) = mig_gpu(&world);
    misbehave(
        &world,
        "nvmlDeviceCreateGpuInstanceWithPlacement",
        Mischief::Late(UNKNOWN),
        Some(1),
    );
    assert_eq!(nvml.create_gi(gpu, 19, Some((3, 1))), Err(UNKNOWN));
    assert_eq!(starts(&nvml, gpu, 19), [3]);
}

#[test]
fn a_create_may_make_nothing_and_a_destroy_destroy_nothing() {
    let world = World::new("h100x1");
    let (nvml, gpu) = mig_gpu(&world);
    let create = "nvmlDeviceCreateGpuInstanceWithPlacement";
    misbehave(&world, create, Mischief::Forget, Some(1));
    let nothing = nvml.create_gi(gpu, 9, Some((4, 4))).expect("it says so");
    assert_eq!(nvml.gi_info(nothing).err(), Some(INVALID_ARGUMENT));
    assert!(starts(&nvml, gpu, 9).is_empty());
    let slice = nvml.cut(gpu, 9, 4, 4);
    assert_ne!(slice.gi, nothing);
    assert_eq!(
        nvml.gi_info(nothing).err(),
        Some(INVALID_ARGUMENT),
        "its handle never names another"
    );
    misbehave(
        &world,
        "nvmlComputeInstanceDestroy",
        Mischief::Forget,
        Some(1),
    );
    assert_eq!(nvml.destroy_ci(slice.ci), Ok(()));
    assert!(nvml.uuid(slice.device).is_ok(), "it is still there");
    misbehave(&world, "nvmlDeviceSetMigMode", Mischief::Forget, Some(1));
    assert_eq!(nvml.set_mig(gpu, false), Ok(0));
    assert_eq!(starts(&nvml, gpu, 9), [4], "the mode is still on");
}

#[test]
fn an_instance_may_lie_elsewhere_than_asked() {
    let world = World::new("h100x1");
    let (nvml, gpu) = mig_gpu(&world);
    let create = "nvmlDeviceCreateGpuInstanceWithPlacement";
    misbehave(&world, create, Mischief::Elsewhere, Some(2));
    let gi = nvml.create_gi(gpu, 9, Some((0, 4))).expect("room");
    let info = nvml.gi_info(gi).expect("it was just made");
    assert_eq!((info.id, info.placement.start), (2, 4));
    nvml.create_gi(gpu, 9, Some((0, 4))).expect("room");
    assert_eq!(
        starts(&nvml, gpu, 9),
        [4, 0],
        "where there is no other place, the one asked for"
    );
}

#[test]
fn calls_take_as_long_as_they_are_told() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    let request = FaultRequest::Delay {
        function: Some("nvmlDeviceGetUUID".to_owned()),
        delay: Delay {
            us: 60_000,
            under_load: false,
        },
    };
    fault(world.dir(), request).expect("a driver");
    let before = Instant::now();
    nvml.uuid(gpu).expect("an answer");
    assert!(before.elapsed() >= Duration::from_millis(60));
}

#[test]
fn an_old_driver_lacks_what_came_later() {
    let world = World::new("h100x1");
    let (nvml, gpu) = mig_gpu(&world);
    fault(world.dir(), FaultRequest::OldDriver).expect("a driver");
    let mut info: nvmlGpuInstanceProfileInfo_v2_t = zero();
    info.version = u32::try_from(size_of_val(&info)).expect("small") | 2 << 24;
    let named = get!(nvml, nvmlDeviceGetGpuInstanceProfileInfoV, info, gpu, 0);
    assert_eq!(named.err(), Some(FUNCTION_NOT_FOUND));
    let plain = get!(
        nvml,
        nvmlDeviceGetGpuInstanceProfileInfo,
        zero::<nvmlGpuInstanceProfileInfo_t>(),
        gpu,
        0
    );
    assert_eq!(plain.expect("the first version").id, 19);
}

#[test]
fn a_reset_leaves_no_handle_of_an_instance_alive() {
    let world = World::new("a100x1");
    let (nvml, gpu) = mig_gpu(&world);
    let slice = nvml.cut(gpu, 9, 4, 4);
    reset(world.dir(), 0).expect("idle");
    assert_eq!(nvml.gi_info(slice.gi).err(), Some(INVALID_ARGUMENT));
    assert_eq!(nvml.ci_info(slice.ci).err(), Some(INVALID_ARGUMENT));
    assert_eq!(nvml.uuid(slice.device).err(), Some(INVALID_ARGUMENT));
    // The same place gives the same id again; the old handles still name nothing.
    let again = nvml.cut(gpu, 9, 4, 4);
    assert_eq!(nvml.gi_info(again.gi).map(|info| info.id), Ok(2));
    assert_eq!(nvml.gi_info(slice.gi).err(), Some(INVALID_ARGUMENT));
    assert_eq!(nvml.uuid(slice.device).err(), Some(INVALID_ARGUMENT));
}

#[test]
fn memory_is_told_as_the_driver_has_it() {
    let world = World::new("rtxpro6000x4");
    let (nvml, gpu) = mig_gpu(&world);
    let policy = Policy {
        memory: MemoryFigures::Other,
        ..Policy::default()
    };
    let slice = nvml.cut(gpu, 47, 9, 3);
    let profile = || {
        let empty: nvmlGpuInstanceProfileInfo_t = zero();
        let info = get!(nvml, nvmlDeviceGetGpuInstanceProfileInfo, empty, gpu, 10);
        info.map(|info| (info.id, info.memorySizeMB, info.encoderCount))
    };
    let mib =
        || attributes(&nvml, slice.device).map(|told| (told.memorySizeMB, told.sharedEncoderCount));
    assert_eq!((profile(), mib()), (Ok((47, 24_192, 1)), Ok((24_192, 1))));
    set_policy(world.dir(), policy).expect("a machine");
    assert_eq!((profile(), mib()), (Ok((47, 23_680, 1)), Ok((23_680, 1))));
    let mut named: nvmlGpuInstanceProfileInfo_v3_t = zero();
    named.version = u32::try_from(size_of_val(&named)).expect("small") | 3 << 24;
    // SAFETY: the version tells the library which structure is behind the pointer.
    let code = unsafe {
        nvml.0
            .nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 10, ptr::from_mut(&mut named).cast())
    };
    assert_eq!((code, named.capabilities), (0, 2), "it can draw");
}

#[test]
fn events_name_the_instances_that_they_are_about() {
    let world = World::new("h100x1");
    let (nvml, gpu) = mig_gpu(&world);
    let set = get!(nvml, nvmlEventSetCreate, ptr::null_mut()).expect("a set");
    let (mig_config, xid) = (0x100u64, 0x8u64);
    // SAFETY: both handles are the library's own.
    let registered = unsafe { nvml.0.nvmlDeviceRegisterEvents(gpu, mig_config | xid, set) };
    assert_eq!(registered, 0);
    nvml.cut(gpu, 9, 4, 4);
    let request = FaultRequest::Xid {
        gpu: 0,
        number: 31,
        gi: Some(2),
    };
    fault(world.dir(), request).expect("a GPU");
    let next = || {
        let mut data: nvmlEventData_t = zero();
        // SAFETY: the set is open, and `data` is the record of this version.
        let code = unsafe { nvml.0.nvmlEventSetWait_v2(set, &mut data, 10_000) };
        assert_eq!(code, 0);
        let instances = (data.gpuInstanceId, data.computeInstanceId);
        (data.eventType, data.eventData, instances)
    };
    let none = u32::MAX;
    assert_eq!(next(), (mig_config, 0, (2, none)), "the GPU instance");
    assert_eq!(next(), (mig_config, 0, (2, 0)), "the compute instance");
    assert_eq!(next(), (xid, 31, (2, 0)));
}
