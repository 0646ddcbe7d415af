//! Layouts against nvml-wrapper-sys, and handles.

use nvml_wrapper_sys::bindings as sys;

use super::handle::{Handle, Target};
use super::pointer::version_of;
use super::{ecc, events, fabric, fields, gpm, memory, pcie, process, types, utilization};

macro_rules! same_size {
    ($($ours:ty => $theirs:ty),* $(,)?) => {$(
        assert_eq!(size_of::<$ours>(), size_of::<$theirs>(), stringify!($theirs));
        assert_eq!(align_of::<$ours>(), align_of::<$theirs>(), stringify!($theirs));
    )*};
}

#[test]
fn structures_have_the_headers_sizes() {
    same_size! {
        Handle => sys::nvmlDevice_t,
        types::Attributes => sys::nvmlDeviceAttributes_t,
        types::Placement => sys::nvmlGpuInstancePlacement_t,
        types::GiInfo => sys::nvmlGpuInstanceInfo_t,
        types::CiInfo => sys::nvmlComputeInstanceInfo_t,
        types::GiProfileV1 => sys::nvmlGpuInstanceProfileInfo_t,
        types::GiProfileV2 => sys::nvmlGpuInstanceProfileInfo_v2_t,
        types::GiProfileV3 => sys::nvmlGpuInstanceProfileInfo_v3_t,
        types::CiProfileV1 => sys::nvmlComputeInstanceProfileInfo_t,
        types::CiProfileV2 => sys::nvmlComputeInstanceProfileInfo_v2_t,
        types::CiProfileV3 => sys::nvmlComputeInstanceProfileInfo_v3_t,
        memory::MemoryV1 => sys::nvmlMemory_t,
        memory::MemoryV1 => sys::nvmlBAR1Memory_t,
        memory::MemoryV2 => sys::nvmlMemory_v2_t,
        pcie::PciInfo => sys::nvmlPciInfo_t,
        process::ProcessV1 => sys::nvmlProcessInfo_v1_t,
        process::ProcessV2 => sys::nvmlProcessInfo_v2_t,
        process::Detail => sys::nvmlProcessDetail_v1_t,
        process::DetailList => sys::nvmlProcessDetailList_v1_t,
        process::UtilizationV1 => sys::nvmlProcessUtilizationSample_t,
        process::UtilizationV2 => sys::nvmlProcessUtilizationInfo_v1_t,
        process::UtilizationList => sys::nvmlProcessesUtilizationInfo_v1_t,
        ecc::SramStatus => sys::nvmlEccSramErrorStatus_v1_t,
        events::EventData => sys::nvmlEventData_t,
        fabric::FabricV1 => sys::nvmlGpuFabricInfo_t,
        fabric::FabricV2 => sys::nvmlGpuFabricInfo_v2_t,
        fabric::FabricV3 => sys::nvmlGpuFabricInfo_v3_t,
        fields::FieldValue => sys::nvmlFieldValue_t,
        gpm::Metric => sys::nvmlGpmMetric_t,
        utilization::Sample => sys::nvmlSample_t,
    }
}

#[test]
fn versions_are_the_headers_numbers() {
    // Constants of nvidia-ml-py, which has them from the header.
    assert_eq!(version_of::<memory::MemoryV2>(), 0x0200_0028);
    assert_eq!(version_of::<types::GiProfileV2>(), 0x0200_0098);
    assert_eq!(version_of::<types::CiProfileV2>(), 0x0200_0088);
    assert_eq!(version_of::<process::DetailList>(), 0x0100_0018);
    assert_eq!(version_of::<fabric::FabricV2>(), 0x0200_0024);
}

#[test]
fn handles_survive_the_journey_and_strangers_do_not() {
    for target in [
        Target::Gpu(0),
        Target::Gpu(255),
        Target::Mig(7, u32::MAX),
        Target::Gi(3, 1),
        Target::Ci(0, 1 << 31),
    ] {
        assert_eq!(Handle::of(target).target(), Ok(target));
    }
    let foreign = |value: u64| {
        // SAFETY: a handle is a transparent number, and every number is one.
        unsafe { std::mem::transmute::<u64, Handle>(value) }
    };
    for value in [0, 1, 1 << 44 | 1, 9 << 44, u64::MAX, 0x7fff_dead_beef] {
        assert!(foreign(value).target().is_err(), "{value:#x}");
    }
}
