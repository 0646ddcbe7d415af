//! MIG through the C ABI: the raw functions as a partitioner calls them.

use std::ptr;

use crate::common::{Nvml, World, check, get, string, zero};
use nvml_wrapper_sys::bindings::*;

const INVALID_ARGUMENT: u32 = 2;
const NOT_SUPPORTED: u32 = 3;
const NOT_FOUND: u32 = 6;
const IN_USE: u32 = 19;
const INSUFFICIENT_RESOURCES: u32 = 23;
const VERSION_MISMATCH: u32 = 25;

fn mig_gpu(nvml: &Nvml) -> nvmlDevice_t {
    let gpu = nvml.gpu(0).expect("a GPU");
    assert_eq!(nvml.set_mig(gpu, true), Ok(0));
    gpu
}

/// Index in the enumeration, id, name, slices, MiB: every profile that the loop over 0..=0x1f finds.
fn profiles(nvml: &Nvml, gpu: nvmlDevice_t) -> Vec<(u32, u32, String, u32, u64)> {
    (0..=0x1f)
        .filter_map(|index| {
            let mut info: nvmlGpuInstanceProfileInfo_v2_t = zero();
            info.version = profile_v2();
            match get!(nvml, nvmlDeviceGetGpuInstanceProfileInfoV, info, gpu, index) {
                Ok(info) => Some((
                    index,
                    info.id,
                    string(&info.name),
                    info.sliceCount,
                    info.memorySizeMB,
                )),
                Err(code) => {
                    assert_eq!(
                        code,
                        if index < 18 {
                            NOT_SUPPORTED
                        } else {
                            INVALID_ARGUMENT
                        }
                    );
                    None
                }
            }
        })
        .collect()
}

fn profile_v2() -> u32 {
    u32::try_from(size_of::<nvmlGpuInstanceProfileInfo_v2_t>()).expect("small") | 2 << 24
}

#[test]
fn profiles_are_found_by_looping_over_holes() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let found = profiles(&nvml, nvml.gpu(0).expect("a GPU"));
    let shown: Vec<String> = found
        .iter()
        .map(|(index, id, name, slices, mib)| format!("{index} {id} {name} {slices} {mib}"))
        .collect();
    assert_eq!(
        shown,
        [
            "0 19 MIG 1g.10gb 1 9984",
            "1 14 MIG 2g.20gb 2 20096",
            "2 9 MIG 3g.40gb 3 40448",
            "3 5 MIG 4g.40gb 4 40448",
            "4 0 MIG 7g.80gb 7 81152",
            "7 20 MIG 1g.10gb+me 1 9984",
            "9 15 MIG 1g.20gb 1 20096",
        ]
    );
}

#[test]
fn every_version_of_a_profile_says_the_same() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = mig_gpu(&nvml);
    let (zero_v1, mut v2, mut v3): (
        nvmlGpuInstanceProfileInfo_t,
        nvmlGpuInstanceProfileInfo_v2_t,
        nvmlGpuInstanceProfileInfo_v3_t,
    ) = (zero(), zero(), zero());
    let v1 = get!(nvml, nvmlDeviceGetGpuInstanceProfileInfo, zero_v1, gpu, 2).expect("v1");
    v2.version = profile_v2();
    let by_id = get!(nvml, nvmlDeviceGetGpuInstanceProfileInfoByIdV, v2, gpu, 9).expect("by id");
    v3.version = u32::try_from(size_of_val(&v3)).expect("small") | 3 << 24;
    // SAFETY: the version tells the library which structure is behind the pointer.
    check(unsafe {
        nvml.0
            .nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 2, ptr::from_mut(&mut v3).cast())
    })
    .expect("v3");
    for (id, multiprocessors, copy, memory) in [
        (
            v1.id,
            v1.multiprocessorCount,
            v1.copyEngineCount,
            v1.memorySizeMB,
        ),
        (
            by_id.id,
            by_id.multiprocessorCount,
            by_id.copyEngineCount,
            by_id.memorySizeMB,
        ),
        (
            v3.id,
            v3.multiprocessorCount,
            v3.copyEngineCount,
            v3.memorySizeMB,
        ),
    ] {
        assert_eq!((id, multiprocessors, copy, memory), (9, 60, 3, 40_448));
    }
    assert_eq!(
        (string(&v3.name), v3.capabilities),
        ("MIG 3g.40gb".to_owned(), 0)
    );
    v2.version = 4 << 24;
    let wrong = get!(nvml, nvmlDeviceGetGpuInstanceProfileInfoV, v2, gpu, 2);
    assert_eq!(wrong.err(), Some(VERSION_MISMATCH));
}

#[test]
fn placements_are_counted_and_listed() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = mig_gpu(&nvml);
    let count = get!(
        nvml,
        nvmlDeviceGetGpuInstancePossiblePlacements_v2,
        0u32,
        gpu,
        15,
        ptr::null_mut()
    );
    assert_eq!(count, Ok(4));
    let mut places = [nvmlGpuInstancePlacement_t {
        start: 99,
        size: 99,
    }; 4];
    let listed = get!(
        nvml,
        nvmlDeviceGetGpuInstancePossiblePlacements_v2,
        4u32,
        gpu,
        15,
        places.as_mut_ptr()
    );
    assert_eq!(listed, Ok(4));
    assert_eq!(
        places.map(|place| (place.start, place.size)),
        [(0, 2), (2, 2), (4, 2), (6, 2)]
    );
}

#[test]
fn ampere_describes_its_profiles_in_mig_mode_only() {
    let world = World::new("a100x1");
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    let empty: nvmlGpuInstanceProfileInfo_t = zero();
    let off = get!(nvml, nvmlDeviceGetGpuInstanceProfileInfo, empty, gpu, 0);
    assert_eq!(off.err(), Some(NOT_SUPPORTED));
    mig_gpu(&nvml);
    assert_eq!(profiles(&nvml, gpu).len(), 7);
}

#[test]
fn a_slice_is_found_by_every_name() {
    let world = World::new("h100x8");
    let nvml = world.nvml();
    let gpu = mig_gpu(&nvml);
    let slice = nvml.cut(gpu, 9, 4, 4);
    let info = nvml.gi_info(slice.gi).expect("it was just made");
    let placement = (info.placement.start, info.placement.size);
    assert_eq!(
        (info.device, info.id, info.profileId, placement),
        (gpu, 2, 9, (4, 4))
    );
    let by_id = get!(nvml, nvmlDeviceGetGpuInstanceById, ptr::null_mut(), gpu, 2);
    assert_eq!(by_id, Ok(slice.gi));
    let mut list = [ptr::null_mut(); 2];
    assert_eq!(
        get!(
            nvml,
            nvmlDeviceGetGpuInstances,
            0u32,
            gpu,
            9,
            list.as_mut_ptr()
        ),
        Ok(1)
    );
    assert_eq!(list[0], slice.gi);
    let ci = nvml.ci_info(slice.ci).expect("it was just made");
    assert_eq!(
        (ci.gpuInstance, ci.id, ci.profileId, ci.placement.size),
        (slice.gi, 0, 2, 3)
    );
    let by_index = get!(
        nvml,
        nvmlDeviceGetMigDeviceHandleByIndex,
        ptr::null_mut(),
        gpu,
        0
    );
    assert_eq!(by_index, Ok(slice.device));
    let uuid = nvml.uuid(slice.device).expect("a MIG device");
    assert!(uuid.starts_with("MIG-"), "{uuid}");
    let c_uuid = std::ffi::CString::new(uuid).expect("no NUL");
    let by_uuid = get!(
        nvml,
        nvmlDeviceGetHandleByUUID,
        ptr::null_mut(),
        c_uuid.as_ptr()
    );
    assert_eq!(by_uuid, Ok(slice.device));
    assert_eq!(
        get!(nvml, nvmlDeviceIsMigDeviceHandle, 9u32, slice.device),
        Ok(1)
    );
    assert_eq!(
        get!(nvml, nvmlDeviceGetGpuInstanceId, 9u32, slice.device),
        Ok(2)
    );
    assert_eq!(
        get!(nvml, nvmlDeviceGetComputeInstanceId, 9u32, slice.device),
        Ok(0)
    );
    let parent = get!(
        nvml,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle,
        ptr::null_mut(),
        slice.device
    );
    assert_eq!(parent, Ok(gpu));
}

#[test]
fn a_slice_is_described_and_dies_from_the_inside_out() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = mig_gpu(&nvml);
    let slice = nvml.cut(gpu, 9, 4, 4);
    let empty: nvmlDeviceAttributes_t = zero();
    let attributes = get!(nvml, nvmlDeviceGetAttributes_v2, empty, slice.device).expect("a slice");
    assert_eq!(
        (attributes.multiprocessorCount, attributes.memorySizeMB),
        (60, 40_448)
    );
    assert_eq!(nvml.destroy_gi(slice.gi), Err(IN_USE));
    assert_eq!(nvml.destroy_ci(slice.ci), Ok(()));
    assert_eq!(
        nvml.uuid(slice.device),
        Err(INVALID_ARGUMENT),
        "the handle died with it"
    );
    assert_eq!(nvml.destroy_gi(slice.gi), Ok(()));
    assert_eq!(nvml.gi_info(slice.gi).err(), Some(INVALID_ARGUMENT));
    assert_eq!(nvml.destroy_gi(slice.gi), Err(INVALID_ARGUMENT));
}

#[test]
fn mig_indices_are_sparse() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = mig_gpu(&nvml);
    let slices: Vec<_> = (0..3).map(|start| nvml.cut(gpu, 19, start, 1)).collect();
    nvml.destroy_ci(slices[1].ci).expect("idle");
    let device = |index| {
        get!(
            nvml,
            nvmlDeviceGetMigDeviceHandleByIndex,
            ptr::null_mut(),
            gpu,
            index
        )
    };
    assert_eq!(device(0), Ok(slices[0].device));
    assert_eq!(device(1), Err(NOT_FOUND));
    assert_eq!(device(2), Ok(slices[2].device));
    assert_eq!(device(7), Err(INVALID_ARGUMENT));
    assert_eq!(get!(nvml, nvmlDeviceGetMaxMigDeviceCount, 0u32, gpu), Ok(7));
}

#[test]
fn refusals_have_the_drivers_codes() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let gpu = nvml.gpu(0).expect("a GPU");
    assert_eq!(
        nvml.create_gi(gpu, 19, None),
        Err(NOT_SUPPORTED),
        "MIG mode is off"
    );
    mig_gpu(&nvml);
    nvml.cut(gpu, 14, 0, 2);
    assert_eq!(
        nvml.create_gi(gpu, 9, Some((0, 4))),
        Err(INSUFFICIENT_RESOURCES)
    );
    assert_eq!(nvml.create_gi(gpu, 9, Some((1, 4))), Err(INVALID_ARGUMENT));
    assert_eq!(
        nvml.create_gi(gpu, 9, Some((4, 3))),
        Err(INVALID_ARGUMENT),
        "wrong size"
    );
    assert_eq!(
        nvml.create_gi(gpu, 1, None),
        Err(INVALID_ARGUMENT),
        "an index is no id"
    );
    let gi = nvml.create_gi(gpu, 9, None).expect("room at 4");
    assert_eq!(
        nvml.create_ci(gi, 3),
        Err(INVALID_ARGUMENT),
        "no 4c in a 3g"
    );
    nvml.create_ci(gi, 1).expect("2c");
    assert_eq!(nvml.create_ci(gi, 1), Err(INSUFFICIENT_RESOURCES));
    let left = |profile| {
        get!(
            nvml,
            nvmlGpuInstanceGetComputeInstanceRemainingCapacity,
            9u32,
            gi,
            profile
        )
    };
    assert_eq!((left(0), left(1)), (Ok(1), Ok(0)));
    // A device handle is no instance handle.
    assert_eq!(nvml.destroy_gi(gpu.cast()), Err(INVALID_ARGUMENT));
    let null: nvmlGpuInstance_t = ptr::null_mut();
    assert_eq!(nvml.destroy_gi(null), Err(INVALID_ARGUMENT));
}
