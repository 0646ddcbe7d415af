//! The NVLink fabric, whose structure has three forms, and fields of one scope, for which the wrapper has no call.

use nvml_wrapper::Device;
use nvml_wrapper_sys::bindings as sys;

use super::profile::version;
use super::{NvmlError, ReturnCode, check, symbol};

/// Value types of a field that are numbers without a sign (`nvmlValueType_t`): 32 bits, C's `unsigned long`, 64 bits.
const UNSIGNED_INT: u32 = 1;
const UNSIGNED_LONG: u32 = 2;
const UNSIGNED_LONG_LONG: u32 = 3;

/// What the driver says of a GPU's fabric, as it says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FabricInfo {
    /// UUID of the cluster.
    pub cluster: [u8; 16],
    /// Return code of joining it.
    pub status: u32,
    /// Clique in the cluster.
    pub clique: u32,
    /// State.
    pub state: u32,
    /// Health mask; `None` in the first form.
    pub mask: Option<u32>,
    /// Summary of it; `None` in the first and the second form.
    pub summary: Option<u32>,
}

/// The fabric in the newest form that this driver knows.
pub fn fabric_info(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    for form in [fabric_v3, fabric_v2] {
        match form(device) {
            Err(error) if is_form_unknown(&error) => {}
            answer => return answer,
        }
    }
    fabric_v1(device)
}

/// Whether the refusal may be about the form rather than the GPU.
fn is_form_unknown(error: &NvmlError) -> bool {
    let codes = [
        ReturnCode::ARGUMENT_VERSION_MISMATCH,
        ReturnCode::INVALID_ARGUMENT,
        ReturnCode::FUNCTION_NOT_FOUND,
        ReturnCode::DEPRECATED,
    ];
    matches!(error, NvmlError::Missing { .. })
        || error.code().is_some_and(|code| codes.contains(&code))
}

// The driver writes by the layout of nvml.h; bindings of another layout would let it write elsewhere.
const _: () = assert!(size_of::<sys::nvmlGpuFabricInfo_t>() == 28);
const _: () = assert!(size_of::<sys::nvmlGpuFabricInfo_v2_t>() == 36);
const _: () = assert!(size_of::<sys::nvmlGpuFabricInfo_v3_t>() == 40);

pub(in crate::nvml) fn fabric_v3(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    let info = newer(device, version(size_of::<sys::nvmlGpuFabricInfo_v3_t>(), 3))?;
    let summary = Some(info.healthSummary.into());
    Ok(FabricInfo {
        summary,
        ..told_by(&info)
    })
}

pub(in crate::nvml) fn fabric_v2(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    let info = newer(device, version(size_of::<sys::nvmlGpuFabricInfo_v2_t>(), 2))?;
    Ok(told_by(&info))
}

/// What the second form tells.
fn told_by(info: &sys::nvmlGpuFabricInfo_v3_t) -> FabricInfo {
    FabricInfo {
        cluster: info.clusterUuid,
        status: info.status,
        clique: info.cliqueId,
        state: info.state.into(),
        mask: Some(info.healthMask),
        summary: None,
    }
}

/// Asks for the form that `version` names. There is room for the newest one, of which the second is the beginning.
fn newer(device: &Device<'_>, version: u32) -> Result<sys::nvmlGpuFabricInfo_v3_t, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuFabricInfoV";
    let function = symbol(&device.nvml().lib().nvmlDeviceGetGpuFabricInfoV, CALL)?;
    let mut info = sys::nvmlGpuFabricInfo_v3_t {
        version,
        clusterUuid: [0; 16],
        status: 0,
        cliqueId: 0,
        state: 0,
        healthMask: 0,
        healthSummary: 0,
    };
    // SAFETY: the function belongs to the library that `device` came from, which is loaded as long as `device` lives;
    // it writes the structure that `version` names, which is `info` or its beginning and outlives the call.
    let code = unsafe { function(device.handle(), &raw mut info) };
    check(CALL, code)?;
    Ok(info)
}

pub(in crate::nvml) fn fabric_v1(device: &Device<'_>) -> Result<FabricInfo, NvmlError> {
    const CALL: &str = "nvmlDeviceGetGpuFabricInfo";
    let function = symbol(&device.nvml().lib().nvmlDeviceGetGpuFabricInfo, CALL)?;
    let mut info = sys::nvmlGpuFabricInfo_t {
        clusterUuid: [0; 16],
        status: 0,
        cliqueId: 0,
        state: 0,
    };
    // SAFETY: as in `newer`, for the one form that this function has.
    let code = unsafe { function(device.handle(), &raw mut info) };
    check(CALL, code)?;
    Ok(FabricInfo {
        cluster: info.clusterUuid,
        status: info.status,
        clique: info.cliqueId,
        state: info.state.into(),
        mask: None,
        summary: None,
    })
}

/// Whether the links between the GPU and its processor are in use.
pub fn c2c_enabled(device: &Device<'_>) -> Result<bool, NvmlError> {
    const CALL: &str = "nvmlDeviceGetC2cModeInfoV";
    let function = symbol(&device.nvml().lib().nvmlDeviceGetC2cModeInfoV, CALL)?;
    let mut info = sys::nvmlC2cModeInfo_v1_t { isC2cEnabled: 0 };
    // SAFETY: as in `fabric_v3`, for a structure that has no version (nvml.h).
    let code = unsafe { function(device.handle(), &raw mut info) };
    check(CALL, code)?;
    Ok(info.isC2cEnabled != 0)
}

/// A field that is asked for: its id (`NVML_FI_*`), and which of several is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The id.
    pub id: u32,
    /// Which: a link's number, for instance.
    pub scope: u32,
}

/// The values of these fields, in their order; `None` where the driver has none of it, or it is no number without a
/// sign.
pub fn fields(device: &Device<'_>, asked: &[Field]) -> Result<Vec<Option<u64>>, NvmlError> {
    const CALL: &str = "nvmlDeviceGetFieldValues";
    let function = symbol(&device.nvml().lib().nvmlDeviceGetFieldValues, CALL)?;
    let empty = |field: &Field| sys::nvmlFieldValue_t {
        fieldId: field.id,
        scopeId: field.scope,
        timestamp: 0,
        latencyUsec: 0,
        valueType: 0,
        nvmlReturn: ReturnCode::NOT_SUPPORTED.0,
        value: sys::nvmlValue_t { ullVal: 0 },
    };
    let mut values: Vec<sys::nvmlFieldValue_t> = asked.iter().map(empty).collect();
    let count = i32::try_from(values.len()).unwrap_or(0);
    // SAFETY: the function belongs to the library that `device` came from; it reads and writes `count` entries of the
    // array, which has as many (or more, were there 2^31) and outlives the call.
    let code = unsafe { function(device.handle(), count, values.as_mut_ptr()) };
    check(CALL, code)?;
    Ok(values.iter().map(number).collect())
}

fn number(value: &sys::nvmlFieldValue_t) -> Option<u64> {
    if value.nvmlReturn != 0 {
        return None;
    }
    match value.valueType {
        // SAFETY: the type says which member the driver wrote, and all bits of it are a number.
        UNSIGNED_INT => Some(unsafe { value.value.uiVal }.into()),
        // SAFETY: as above.
        UNSIGNED_LONG => Some(unsafe { value.value.ulVal }),
        // SAFETY: as above.
        UNSIGNED_LONG_LONG => Some(unsafe { value.value.ullVal }),
        _ => None,
    }
}
