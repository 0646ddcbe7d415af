//! NVML's return codes as an error type. Owns the numbers and the words of `nvmlErrorString`;
//! knows nothing of what went wrong.

use thiserror::Error;

/// A return code of NVML other than success (nvml.h, `nvmlReturn_t`). The text is the driver's
/// own, for `nvmlErrorString` returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[repr(u32)]
pub enum Status {
    /// The library was not initialised.
    #[error("Uninitialized")]
    Uninitialized = 1,
    /// An argument is null, out of range, or a handle that names nothing.
    #[error("Invalid Argument")]
    InvalidArgument = 2,
    /// This device, or this kind of handle, does not offer the function.
    #[error("Not Supported")]
    NotSupported = 3,
    /// The caller may not change the machine.
    #[error("Insufficient Permissions")]
    NoPermission = 4,
    /// Nothing is found under that name.
    #[error("Not Found")]
    NotFound = 6,
    /// The caller's buffer is too small.
    #[error("Insufficient Size")]
    InsufficientSize = 7,
    /// There is no machine state: no driver.
    #[error("Driver Not Loaded")]
    DriverNotLoaded = 9,
    /// Nothing happened in the time given.
    #[error("Timeout")]
    Timeout = 10,
    /// The GPU has fallen off the bus.
    #[error("GPU is lost")]
    GpuIsLost = 15,
    /// The change waits for a reset of the GPU.
    #[error("GPU requires reset")]
    ResetRequired = 16,
    /// The library does not understand this machine's state.
    #[error("Driver/library version mismatch")]
    LibRmVersionMismatch = 18,
    /// A process or an inner instance uses what was to be destroyed or changed.
    #[error("In use by another client")]
    InUse = 19,
    /// The state could not be written.
    #[error("Insufficient Memory")]
    Memory = 20,
    /// The wanted slot is taken, or no slot is left.
    #[error("Insufficient Resources")]
    InsufficientResources = 23,
    /// The `version` of a structure is not one that the library knows.
    #[error("Argument version mismatch")]
    ArgumentVersionMismatch = 25,
    /// The function was withdrawn by the vendor.
    #[error("Requested functionality has been deprecated")]
    Deprecated = 26,
    /// A defect of this library.
    #[error("Unknown Error")]
    Unknown = 999,
}

impl Status {
    /// The number that crosses the C ABI.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }
}
