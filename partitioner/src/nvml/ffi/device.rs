//! Calls on a whole GPU that the wrapper answers wrongly or cuts short.

use nvml_wrapper::Device;
use nvml_wrapper_sys::bindings as sys;

use super::{NvmlError, check, symbol};

/// What kind of device is at the other end of an NVLink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// A GPU.
    Gpu,
    /// An NVSwitch.
    Switch,
    /// A CPU (POWER9).
    Cpu,
    /// Something that the driver does not name.
    Unnamed,
}

/// The kind of device at the other end of link number `link`.
pub fn link_end(device: &Device<'_>, link: u32) -> Result<LinkEnd, NvmlError> {
    const CALL: &str = "nvmlDeviceGetNvLinkRemoteDeviceType";
    let function = symbol(
        &device.nvml().lib().nvmlDeviceGetNvLinkRemoteDeviceType,
        CALL,
    )?;
    let mut kind = sys::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_UNKNOWN;
    // SAFETY: the function belongs to the library that `device` came from and writes one number to
    // `kind`, which outlives the call.
    let code = unsafe { function(device.handle(), link, &raw mut kind) };
    check(CALL, code)?;
    Ok(match kind {
        sys::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_GPU => LinkEnd::Gpu,
        sys::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_SWITCH => LinkEnd::Switch,
        sys::nvmlIntNvLinkDeviceType_enum_NVML_NVLINK_DEVICE_TYPE_IBMNPU => LinkEnd::Cpu,
        _ => LinkEnd::Unnamed,
    })
}

/// Why the clocks are held down, with every bit that the driver sets; the wrapper drops those that it
/// has no name for. Drivers before 535 know the function by its older name alone.
pub fn clock_event_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    const CALL: &str = "nvmlDeviceGetCurrentClocksEventReasons";
    let lib = device.nvml().lib();
    let function = symbol(&lib.nvmlDeviceGetCurrentClocksEventReasons, CALL)
        .or_else(|_| symbol(&lib.nvmlDeviceGetCurrentClocksThrottleReasons, CALL))?;
    let mut reasons = 0;
    // SAFETY: as in `link_end`, for `reasons`; both names have this signature.
    let code = unsafe { function(device.handle(), &raw mut reasons) };
    check(CALL, code)?;
    Ok(reasons)
}
