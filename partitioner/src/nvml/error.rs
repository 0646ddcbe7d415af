//! What a driver call can fail with: the driver's own return code, a function that this driver's
//! library lacks, or an answer that makes no sense.

use std::cell::Cell;
use std::fmt;

use kerf_types::ParseError;
use nvml_wrapper::error::NvmlError as WrapperError;

/// A return code of NVML other than success (`nvmlReturn_t` in nvml.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReturnCode(pub u32);

impl ReturnCode {
    /// `NVML_ERROR_UNINITIALIZED`
    pub const UNINITIALIZED: Self = Self(1);
    /// `NVML_ERROR_INVALID_ARGUMENT`
    pub const INVALID_ARGUMENT: Self = Self(2);
    /// `NVML_ERROR_NOT_SUPPORTED`; also "MIG is off"
    pub const NOT_SUPPORTED: Self = Self(3);
    /// `NVML_ERROR_NO_PERMISSION`
    pub const NO_PERMISSION: Self = Self(4);
    /// `NVML_ERROR_NOT_FOUND`
    pub const NOT_FOUND: Self = Self(6);
    /// `NVML_ERROR_INSUFFICIENT_SIZE`
    pub const INSUFFICIENT_SIZE: Self = Self(7);
    /// `NVML_ERROR_DRIVER_NOT_LOADED`
    pub const DRIVER_NOT_LOADED: Self = Self(9);
    /// `NVML_ERROR_LIBRARY_NOT_FOUND`
    pub const LIBRARY_NOT_FOUND: Self = Self(12);
    /// `NVML_ERROR_FUNCTION_NOT_FOUND`
    pub const FUNCTION_NOT_FOUND: Self = Self(13);
    /// `NVML_ERROR_GPU_IS_LOST`
    pub const GPU_IS_LOST: Self = Self(15);
    /// `NVML_ERROR_RESET_REQUIRED`
    pub const RESET_REQUIRED: Self = Self(16);
    /// `NVML_ERROR_OPERATING_SYSTEM`: a cgroup or the kernel refused
    pub const OPERATING_SYSTEM: Self = Self(17);
    /// `NVML_ERROR_LIB_RM_VERSION_MISMATCH`: library and kernel driver are of different versions
    pub const VERSION_MISMATCH: Self = Self(18);
    /// `NVML_ERROR_IN_USE`
    pub const IN_USE: Self = Self(19);
    /// `NVML_ERROR_INSUFFICIENT_RESOURCES`: also an occupied place
    pub const INSUFFICIENT_RESOURCES: Self = Self(23);
    /// `NVML_ERROR_ARGUMENT_VERSION_MISMATCH`: this driver knows only older forms of a structure
    pub const ARGUMENT_VERSION_MISMATCH: Self = Self(25);
    /// `NVML_ERROR_DEPRECATED`
    pub const DEPRECATED: Self = Self(26);
    /// `NVML_ERROR_GPU_NOT_FOUND`
    pub const GPU_NOT_FOUND: Self = Self(28);

    fn words(self) -> &'static str {
        match self {
            Self::UNINITIALIZED => "the driver library is not initialised",
            Self::INVALID_ARGUMENT => "invalid argument",
            Self::NOT_SUPPORTED => "not supported",
            Self::NO_PERMISSION => "no permission",
            Self::NOT_FOUND => "not found",
            Self::INSUFFICIENT_SIZE => "buffer too small",
            Self::DRIVER_NOT_LOADED => "the driver is not loaded",
            Self::LIBRARY_NOT_FOUND => "a part of the driver library is missing",
            Self::FUNCTION_NOT_FOUND => "this driver lacks the function",
            Self::GPU_IS_LOST => "the GPU has fallen off the bus",
            Self::RESET_REQUIRED => "the GPU needs a reset",
            Self::OPERATING_SYSTEM => "the operating system refused access",
            Self::VERSION_MISMATCH => "library and kernel driver are of different versions",
            Self::IN_USE => "in use",
            Self::INSUFFICIENT_RESOURCES => "insufficient resources",
            Self::ARGUMENT_VERSION_MISMATCH => "this driver knows another form of the structure",
            Self::DEPRECATED => "withdrawn by the vendor",
            Self::GPU_NOT_FOUND => "no such GPU",
            _ => "driver error",
        }
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (NVML return code {})", self.words(), self.0)
    }
}

impl std::error::Error for ReturnCode {}

/// A failed driver call.
#[derive(Debug, thiserror::Error)]
pub enum NvmlError {
    /// The driver returned a code.
    #[error("call {call}")]
    Call {
        /// NVML's name of the function.
        call: &'static str,
        /// What it returned.
        #[source]
        code: ReturnCode,
    },
    /// The library has no such function: it is older than the function.
    #[error("the driver library has no function {call}")]
    Missing {
        /// NVML's name of the function.
        call: &'static str,
    },
    /// The driver answered with something that is no name, id or place.
    #[error("understand the answer of {call}")]
    Answer {
        /// NVML's name of the function.
        call: &'static str,
        /// What is wrong with it.
        #[source]
        cause: ParseError,
    },
    /// A GPU in MIG mode, or an instance on it, that is said to have no profile at all: what exists could
    /// not be found then.
    #[error("{call} describes no profile")]
    NoProfiles {
        /// NVML's name of the function.
        call: &'static str,
    },
    /// The driver reported more entries than fit where it was told to write.
    #[error("{call} reports {count} entries where at most {limit} can be")]
    Count {
        /// NVML's name of the function.
        call: &'static str,
        /// What it reported.
        count: u32,
        /// The most that is believed.
        limit: u32,
    },
}

impl NvmlError {
    /// The driver's return code, where it was the driver.
    pub fn code(&self) -> Option<ReturnCode> {
        match self {
            Self::Call { code, .. } => Some(*code),
            Self::Missing { .. }
            | Self::Answer { .. }
            | Self::NoProfiles { .. }
            | Self::Count { .. } => None,
        }
    }

    /// Whether a call on the handle of an instance was refused for the handle's sake: nvml.h promises
    /// NOT_FOUND nowhere for these calls, and drivers answer INVALID_ARGUMENT to a handle whose instance
    /// is gone.
    pub fn refuses_handle(&self) -> bool {
        matches!(
            self.code(),
            Some(ReturnCode::NOT_FOUND | ReturnCode::INVALID_ARGUMENT)
        )
    }

    /// Whether the driver says that it cannot tell, or is too old to: no failure of the GPU.
    pub fn is_untold(&self) -> bool {
        matches!(self, Self::Missing { .. }) || self.code() == Some(ReturnCode::NOT_SUPPORTED)
    }

    /// Whether it ends every other question to this GPU as well, so that "unknown" would be a lie.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self.code(),
            Some(
                ReturnCode::GPU_IS_LOST
                    | ReturnCode::RESET_REQUIRED
                    | ReturnCode::UNINITIALIZED
                    | ReturnCode::DRIVER_NOT_LOADED
            )
        )
    }
}

thread_local! {
    /// Driver calls of this thread. Every call ends in [`called`] or in [`checked`], so counting there
    /// spares every function in between a parameter that only the cost of a reading needs.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Driver calls that this thread has made so far; a list that the wrapper gets in two calls counts once.
pub(super) fn calls_made() -> u64 {
    CALLS.get()
}

/// The driver's verdict on a raw call.
pub(super) fn checked(call: &'static str, code: u32) -> Result<(), NvmlError> {
    CALLS.set(CALLS.get() + 1);
    if code == 0 {
        Ok(())
    } else {
        let code = ReturnCode(code);
        Err(NvmlError::Call { call, code })
    }
}

/// Gives a wrapper's result the name of the function that was called.
pub(super) fn called<T>(
    call: &'static str,
    result: Result<T, WrapperError>,
) -> Result<T, NvmlError> {
    CALLS.set(CALLS.get() + 1);
    result.map_err(|error| wrapped(call, error))
}

/// A wrapper's error under the name of the function that was called. The wrapper's own complaints (text
/// that is not UTF-8, an unknown variant) become the number that came, or NVML_ERROR_UNKNOWN.
pub(super) fn wrapped(call: &'static str, error: WrapperError) -> NvmlError {
    match error {
        WrapperError::FailedToLoadSymbol(_) => NvmlError::Missing { call },
        error => NvmlError::Call {
            call,
            code: ReturnCode(u32::from(error)),
        },
    }
}

/// A fact that a GPU may not tell: `None` then, and an error only where the GPU itself is gone.
pub(super) fn optional<T>(result: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match result {
        Ok(fact) => Ok(Some(fact)),
        Err(error) if error.is_fatal() => Err(error),
        Err(_) => Ok(None),
    }
}
