//! Layouts against nvml-wrapper-sys, handles, and the list of exported symbols against a real
//! driver's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Names of exported functions in this folder's sources.
fn exported() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(sources).expect("the sources") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let called = words.filter(|word| word.starts_with("nvml") && word.len() > 4);
        if path.file_name().is_some_and(|name| name != "tests.rs") {
            names.extend(called.map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_symbol_of_the_real_driver_is_exported() {
    let shared = std::env::var_os("KERF_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let capture = shared.join("data/nvidia-smi/h100-80gb-hbm3-590.48.01.txt");
    let Ok(text) = fs::read_to_string(&capture) else {
        println!("skipped: {} is not there", capture.display());
        assert!(!std::env::var("KERF_REQUIRE").is_ok_and(|list| list.contains("data")));
        return;
    };
    let real: BTreeSet<String> = text
        .lines()
        .filter(|line| {
            line.starts_with("nvml") && line.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .map(str::to_owned)
        .collect();
    assert!(real.len() > 400, "{}", real.len());
    let ours = exported();
    let missing: Vec<_> = real.difference(&ours).collect();
    // NVIDIA's own tools alone call this one; it hands out tables of private functions.
    assert_eq!(missing, ["nvmlInternalGetExportTable"]);
}
