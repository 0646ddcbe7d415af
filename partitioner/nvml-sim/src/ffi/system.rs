//! Library and system: initialisation, versions, words for return codes.

use std::ffi::{CStr, c_char};
use std::fs;

use super::call;
use super::pointer::{InOut, Out, OutText, Version, Versioned, text_field};
use crate::model::status::Status;
use crate::{CUDA_VERSION, DRIVER_VERSION, NVML_VERSION};

nvml! {
    fn nvmlInit_v2() { call::initialise() }

    fn nvmlInit() { call::initialise() }

    // NO_GPUS (1) and NO_ATTACH (2) change what a real driver does at start, not what it answers.
    fn nvmlInitWithFlags(_flags: u32) { call::initialise() }

    fn nvmlShutdown() { call::shut_down() }

    fn nvmlSystemGetDriverVersion(version: OutText, length: u32) {
        call::machine()?;
        version.put(length, DRIVER_VERSION)
    }

    fn nvmlSystemGetNVMLVersion(version: OutText, length: u32) {
        version.put(length, NVML_VERSION)
    }

    fn nvmlSystemGetCudaDriverVersion(version: Out<i32>) { version.put(CUDA_VERSION) }

    fn nvmlSystemGetCudaDriverVersion_v2(version: Out<i32>) { version.put(CUDA_VERSION) }

    fn nvmlSystemGetProcessName(pid: u32, name: OutText, length: u32) {
        call::machine()?;
        name.put(length, &process_name(pid)?)
    }

    fn nvmlSystemGetDriverBranch(info: Versioned, _length: u32) {
        call::machine()?;
        let mut branch = info.get::<DriverBranch>()?;
        branch.branch = text_field("r590_00");
        info.put(branch)
    }

    fn nvmlSystemGetHicVersion(count: InOut<u32>, _entries: *mut u8) {
        call::machine()?;
        count.put(0)
    }

    fn nvmlUnitGetCount(count: Out<u32>) {
        call::machine()?;
        count.put(0)
    }

    fn nvmlGetExcludedDeviceCount(count: Out<u32>) { count.put(0) }

    fn nvmlGetBlacklistDeviceCount(count: Out<u32>) { count.put(0) }
}

/// `nvmlSystemDriverBranchInfo_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct DriverBranch {
    version: u32,
    branch: [u8; 80],
}

impl Version for DriverBranch {
    const NUMBER: u32 = 1;
}

/// The command of a real process.
fn process_name(pid: u32) -> Result<String, Status> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).map_err(|_| Status::NotFound)?;
    let command = line.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(command).into_owned())
}

/// The words of every code that this library returns.
#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(result: u32) -> *const c_char {
    let text: &CStr = match result {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        5 => c"Already Initialized",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        8 => c"Insufficient External Power",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        11 => c"Interrupt Request Issue",
        12 => c"NVML Shared Library Not Found",
        13 => c"Function Not Found",
        14 => c"Corrupted infoROM",
        15 => c"GPU is lost",
        16 => c"GPU requires reset",
        17 => c"GPU access blocked by the operating system",
        18 => c"Driver/library version mismatch",
        19 => c"In use by another client",
        20 => c"Insufficient Memory",
        21 => c"No data",
        22 => c"The requested vgpu operation is not available on target device, because ECC is enabled",
        23 => c"Insufficient Resources",
        24 => c"Frequency not supported",
        25 => c"Argument version mismatch",
        26 => c"Requested functionality has been deprecated",
        27 => c"The system is not ready for the request",
        28 => c"No GPUs were found",
        29 => c"Invalid state",
        _ => c"Unknown Error",
    };
    text.as_ptr()
}
