//! Profiles of GPU instances and of compute instances, in whichever form this driver knows.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::mem::size_of;

use nvml_wrapper::Device;
use nvml_wrapper_sys::bindings as sys;

use super::{NvmlError, PROFILE_ENUMERATORS, ReturnCode, check, is_absent, symbol};

/// The `version` of a structure: its size and its number (nvml.h, `NVML_STRUCT_VERSION`).
pub(super) const fn version(size: usize, number: u32) -> u32 {
    assert!(size < 1 << 24, "the size shares a word with the number");
    #[expect(clippy::cast_possible_truncation, reason = "checked in the line above")]
    let size = size as u32;
    size | (number << 24)
}

// The driver writes by the layout of nvml.h; bindings of another layout would let it write elsewhere.
const _: () = assert!(size_of::<sys::nvmlGpuInstanceProfileInfo_t>() == 48);
const _: () = assert!(size_of::<sys::nvmlGpuInstanceProfileInfo_v2_t>() == 152);
const _: () = assert!(size_of::<sys::nvmlGpuInstanceProfileInfo_v3_t>() == 152);
const _: () = assert!(size_of::<sys::nvmlComputeInstanceProfileInfo_t>() == 36);

/// A GPU instance profile as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceProfile {
    /// The driver's enumerator, of `NVML_GPU_INSTANCE_PROFILE_*`.
    pub enumerator: u32,
    /// The id by which calls name it.
    pub id: u32,
    /// Its name; drivers before 525 do not tell.
    pub name: Option<String>,
    /// Compute slices.
    pub slices: u32,
    /// Most instances at one time.
    pub max_count: u32,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Copy, decode, encode, JPEG and optical flow engines.
    pub engines: [u32; 5],
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// A compute instance profile of one GPU instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeProfile {
    /// The id by which calls name it.
    pub id: u32,
    /// Compute slices.
    pub slices: u32,
    /// Most instances at one time.
    pub max_count: u32,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Copy, decode, encode, JPEG and optical flow engines, shared with its siblings.
    pub engines: [u32; 5],
}

/// Forms of the question, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    V3,
    V2,
    V1,
}

impl Form {
    fn older(self) -> Option<Self> {
        match self {
            Self::V3 => Some(Self::V2),
            Self::V2 => Some(Self::V1),
            Self::V1 => None,
        }
    }
}

/// Every GPU instance profile that the GPU has, in order of the enumerator. Empty where the GPU has no
/// MIG, or MIG is off and the driver does not tell.
pub fn instance_profiles(device: &Device<'_>) -> Result<Vec<InstanceProfile>, NvmlError> {
    instance_profiles_and_refusals(device, &mut BTreeMap::new())
}

/// The same, with the codes of the enumerators that name no profile.
pub fn instance_profiles_and_refusals(
    device: &Device<'_>,
    refused: &mut BTreeMap<u32, ReturnCode>,
) -> Result<Vec<InstanceProfile>, NvmlError> {
    let mut profiles = Vec::new();
    // The form that worked stays: asking in all three for each of the numbers that no profile has would
    // cost sixty calls more.
    let mut form = Form::V3;
    let mut is_known = false;
    for enumerator in PROFILE_ENUMERATORS {
        loop {
            match ask(device, enumerator, form) {
                Ok(profile) => {
                    profiles.push(profile);
                    is_known = true;
                    break;
                }
                Err(error) if !is_known && is_form_refused(&error) => match form.older() {
                    Some(older) => form = older,
                    None if matches!(error, NvmlError::Missing { .. }) => return Err(error),
                    None => {
                        refused.extend(error.code().map(|code| (enumerator, code)));
                        break;
                    }
                },
                Err(error) if is_absent(&error) => {
                    refused.extend(error.code().map(|code| (enumerator, code)));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !is_known && form == Form::V1 {
            form = Form::V3;
        }
    }
    Ok(profiles)
}

/// Whether the refusal may be about the form rather than the profile.
fn is_form_refused(error: &NvmlError) -> bool {
    matches!(error, NvmlError::Missing { .. })
        || matches!(
            error.code(),
            Some(
                ReturnCode::ARGUMENT_VERSION_MISMATCH
                    | ReturnCode::INVALID_ARGUMENT
                    | ReturnCode::FUNCTION_NOT_FOUND
                    | ReturnCode::DEPRECATED
            )
        )
}

pub(super) fn ask(
    device: &Device<'_>,
    enumerator: u32,
    form: Form,
) -> Result<InstanceProfile, NvmlError> {
    match form {
        Form::V3 => ask_v3(device, enumerator),
        Form::V2 => ask_v2(device, enumerator),
        Form::V1 => ask_v1(device, enumerator),
    }
}

fn ask_v3(device: &Device<'_>, enumerator: u32) -> Result<InstanceProfile, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuInstanceProfileInfoV";
    let function = symbol(
        &device.nvml().lib().nvmlDeviceGetGpuInstanceProfileInfoV,
        CALL,
    )?;
    let mut info = sys::nvmlGpuInstanceProfileInfo_v3_t {
        version: version(size_of::<sys::nvmlGpuInstanceProfileInfo_v3_t>(), 3),
        id: 0,
        sliceCount: 0,
        instanceCount: 0,
        multiprocessorCount: 0,
        copyEngineCount: 0,
        decoderCount: 0,
        encoderCount: 0,
        jpegCount: 0,
        ofaCount: 0,
        memorySizeMB: 0,
        name: [0; 96],
        capabilities: 0,
    };
    let pointer = (&raw mut info).cast::<sys::nvmlGpuInstanceProfileInfo_v2_t>();
    // SAFETY: the function belongs to the library that `device` came from, which is loaded as long as
    // `device` lives. It writes the structure that `version` names: that is `info`, which is larger than
    // or as large as the pointer's declared type (sizes asserted above) and outlives the call.
    let code = unsafe { function(device.handle(), enumerator, pointer) };
    check(CALL, code)?;
    Ok(InstanceProfile {
        enumerator,
        id: info.id,
        name: text(&info.name),
        slices: info.sliceCount,
        max_count: info.instanceCount,
        sm_count: info.multiprocessorCount,
        engines: [
            info.copyEngineCount,
            info.decoderCount,
            info.encoderCount,
            info.jpegCount,
            info.ofaCount,
        ],
        memory_mib: info.memorySizeMB,
    })
}

fn ask_v2(device: &Device<'_>, enumerator: u32) -> Result<InstanceProfile, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuInstanceProfileInfoV";
    let function = symbol(
        &device.nvml().lib().nvmlDeviceGetGpuInstanceProfileInfoV,
        CALL,
    )?;
    let mut info = sys::nvmlGpuInstanceProfileInfo_v2_t {
        version: version(size_of::<sys::nvmlGpuInstanceProfileInfo_v2_t>(), 2),
        id: 0,
        isP2pSupported: 0,
        sliceCount: 0,
        instanceCount: 0,
        multiprocessorCount: 0,
        copyEngineCount: 0,
        decoderCount: 0,
        encoderCount: 0,
        jpegCount: 0,
        ofaCount: 0,
        memorySizeMB: 0,
        name: [0; 96],
    };
    // SAFETY: as in `ask_v3`; the pointer's declared type is the structure that `version` names.
    let code = unsafe { function(device.handle(), enumerator, &raw mut info) };
    check(CALL, code)?;
    Ok(InstanceProfile {
        enumerator,
        id: info.id,
        name: text(&info.name),
        slices: info.sliceCount,
        max_count: info.instanceCount,
        sm_count: info.multiprocessorCount,
        engines: [
            info.copyEngineCount,
            info.decoderCount,
            info.encoderCount,
            info.jpegCount,
            info.ofaCount,
        ],
        memory_mib: info.memorySizeMB,
    })
}

fn ask_v1(device: &Device<'_>, enumerator: u32) -> Result<InstanceProfile, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuInstanceProfileInfo";
    let function = symbol(
        &device.nvml().lib().nvmlDeviceGetGpuInstanceProfileInfo,
        CALL,
    )?;
    let mut info = sys::nvmlGpuInstanceProfileInfo_t {
        id: 0,
        isP2pSupported: 0,
        sliceCount: 0,
        instanceCount: 0,
        multiprocessorCount: 0,
        copyEngineCount: 0,
        decoderCount: 0,
        encoderCount: 0,
        jpegCount: 0,
        ofaCount: 0,
        memorySizeMB: 0,
    };
    // SAFETY: as in `ask_v3`; this form has no `version`, and its size is asserted above.
    let code = unsafe { function(device.handle(), enumerator, &raw mut info) };
    check(CALL, code)?;
    Ok(InstanceProfile {
        enumerator,
        id: info.id,
        name: None,
        slices: info.sliceCount,
        max_count: info.instanceCount,
        sm_count: info.multiprocessorCount,
        engines: [
            info.copyEngineCount,
            info.decoderCount,
            info.encoderCount,
            info.jpegCount,
            info.ofaCount,
        ],
        memory_mib: info.memorySizeMB,
    })
}

/// The text up to the first NUL; `None` where it is empty or not UTF-8.
fn text(chars: &[c_char]) -> Option<String> {
    let bytes: Vec<u8> = chars
        .iter()
        .take_while(|char| **char != 0)
        .map(|char| char.to_ne_bytes()[0])
        .collect();
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}
