//! Errors as the client sees them: a code to act on, the driver's own code, and the whole chain in words.

use std::error::Error;

use kerf_api::convert::ConvertError;
use kerf_api::partitioner::v1::Failure;
use kerf_api::partitioner::v1::failure::Code;
use nix::errno::Errno;

use crate::amd::AmdError;
use crate::in_words;
use crate::nodes::NodeError;
use crate::nvml::apply::StepError;
use crate::nvml::compute_mode::ComputeModeError;
use crate::nvml::{LibraryError, NvmlError, ReturnCode};
use crate::sysfs::SysfsError;
use crate::vgpu::VgpuError;

fn failure(code: Code, error: &dyn Error, nvml_code: Option<ReturnCode>) -> Failure {
    Failure {
        code: code.into(),
        message: in_words(error),
        nvml_code: nvml_code.map(|code| code.0),
    }
}

/// A failure that has no error behind it.
pub fn refusal(code: Code, message: &str) -> Failure {
    Failure {
        code: code.into(),
        message: message.to_owned(),
        nvml_code: None,
    }
}

/// A failed driver call about a GPU; the name stands in front of the message.
pub fn about(gpu: &str, error: &NvmlError) -> Failure {
    let mut failure = failure(code_of(error), error, error.code());
    failure.message = format!("{gpu}: {}", failure.message);
    failure
}

/// A failure made from an error. The message is another crate's type, which errors of third crates
/// cannot be turned into directly.
pub struct FailureOf(pub Failure);

impl From<StepError> for FailureOf {
    fn from(error: StepError) -> Self {
        let (code, nvml) = match &error {
            StepError::Driver { cause, .. } => (code_of(cause), cause.code()),
            StepError::Conflict { .. } => (Code::Conflict, None),
            StepError::InUse { .. } => (Code::InUse, None),
            StepError::NoRoom { .. } => (Code::NoRoom, None),
            StepError::ResetRequired { .. } => (Code::ResetRequired, None),
            StepError::Invalid { .. } => (Code::Invalid, None),
            StepError::NoMig { .. } => (Code::NotSupported, None),
            StepError::NotDone { .. } => (Code::Driver, None),
        };
        Self(failure(code, &error, nvml))
    }
}

impl From<VgpuError> for FailureOf {
    fn from(error: VgpuError) -> Self {
        let code = match &error {
            VgpuError::NotFound { .. } | VgpuError::NoFunction { .. } => Code::NotFound,
            VgpuError::NotOffered { .. } => Code::NotSupported,
            VgpuError::NoRoom { .. } => Code::NoRoom,
            VgpuError::InUse { .. } => Code::InUse,
            VgpuError::Conflict { .. } | VgpuError::Changed { .. } => Code::Conflict,
            VgpuError::Stuck { .. } | VgpuError::Unseen { .. } => Code::Unsettled,
            VgpuError::Unknown { .. } | VgpuError::Unnamed { .. } | VgpuError::Garbled { .. } => {
                Code::Io
            }
            VgpuError::Unreadable { .. } | VgpuError::Undone { .. } => match error.errno() {
                Some(Errno::ENODEV | Errno::ENXIO) => Code::Lost,
                Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Code::NoPermission,
                Some(Errno::EINVAL) => Code::Invalid,
                Some(Errno::EIO) => Code::Io,
                _ => Code::Driver,
            },
        };
        Self(failure(code, &error, None))
    }
}

impl From<ComputeModeError> for FailureOf {
    fn from(error: ComputeModeError) -> Self {
        let (code, nvml) = match &error {
            ComputeModeError::Driver { cause, .. } => (code_of(cause), cause.code()),
            ComputeModeError::Unknown { .. } => (Code::Invalid, None),
            ComputeModeError::NotDone { .. } => (Code::Driver, None),
        };
        Self(failure(code, &error, nvml))
    }
}

impl From<AmdError> for FailureOf {
    fn from(error: AmdError) -> Self {
        let code = match &error {
            AmdError::NotFound { .. } => Code::NotFound,
            AmdError::NotOffered { .. } => Code::NotSupported,
            AmdError::Mode { .. } => Code::Invalid,
            AmdError::InUse { .. } => Code::InUse,
            // A part of it stands: nobody knows which mode it will have in the end.
            AmdError::Stuck { .. } => Code::Unsettled,
            AmdError::Unsteady | AmdError::Unreadable { .. } | AmdError::Undone { .. } => {
                match error.errno() {
                    Some(Errno::ENODEV | Errno::ENXIO | Errno::ENOENT) => Code::Lost,
                    Some(Errno::EACCES | Errno::EROFS) => Code::NoPermission,
                    // So amdgpu says that it resets the GPU.
                    Some(Errno::EPERM) => Code::ResetRequired,
                    Some(Errno::EINVAL) => Code::Invalid,
                    Some(Errno::EIO) => Code::Io,
                    _ => Code::Driver,
                }
            }
        };
        Self(failure(code, &error, None))
    }
}

impl From<LibraryError> for FailureOf {
    fn from(error: LibraryError) -> Self {
        let (code, nvml) = match &error {
            LibraryError::Relative { .. } => (Code::Invalid, None),
            LibraryError::Untrusted { .. } => (Code::NoPermission, None),
            LibraryError::Absent { .. } | LibraryError::NotLoadable { .. } => {
                (Code::NoDriver, None)
            }
            // A library without the function that starts it is none of NVIDIA's.
            LibraryError::Init {
                cause: NvmlError::Missing { .. },
                ..
            } => (Code::NoDriver, None),
            LibraryError::Init { cause, .. } => (code_of(cause), cause.code()),
        };
        Self(failure(code, &error, nvml))
    }
}

impl From<NodeError> for FailureOf {
    fn from(error: NodeError) -> Self {
        let code = match &error {
            NodeError::NoChannel { .. } | NodeError::NoCapability { .. } => Code::NotFound,
            NodeError::NoMajor { .. } => Code::NoDriver,
            NodeError::Foreign { .. } | NodeError::RealMajor { .. } => Code::Conflict,
            NodeError::Io {
                cause: Errno::EPERM | Errno::EACCES,
                ..
            } => Code::NoPermission,
            NodeError::Table { .. } | NodeError::Io { .. } => Code::Io,
        };
        Self(failure(code, &error, None))
    }
}

impl From<SysfsError> for FailureOf {
    fn from(error: SysfsError) -> Self {
        Self(failure(Code::Io, &error, None))
    }
}

impl From<ConvertError> for FailureOf {
    fn from(error: ConvertError) -> Self {
        Self(failure(Code::Invalid, &error, None))
    }
}

/// What a client can do about a driver's refusal.
fn code_of(error: &NvmlError) -> Code {
    let Some(code) = error.code() else {
        return match error {
            NvmlError::Missing { .. } => Code::NotSupported,
            _ => Code::Driver,
        };
    };
    match code {
        ReturnCode::INVALID_ARGUMENT => Code::Invalid,
        ReturnCode::NOT_SUPPORTED | ReturnCode::FUNCTION_NOT_FOUND | ReturnCode::DEPRECATED => {
            Code::NotSupported
        }
        ReturnCode::NO_PERMISSION | ReturnCode::OPERATING_SYSTEM => Code::NoPermission,
        ReturnCode::NOT_FOUND | ReturnCode::GPU_NOT_FOUND => Code::NotFound,
        // The session with the driver is gone (it was reloaded): a fresh worker may find it again.
        ReturnCode::UNINITIALIZED
        | ReturnCode::DRIVER_NOT_LOADED
        | ReturnCode::LIBRARY_NOT_FOUND
        | ReturnCode::VERSION_MISMATCH => Code::NoDriver,
        ReturnCode::GPU_IS_LOST => Code::Lost,
        ReturnCode::RESET_REQUIRED => Code::ResetRequired,
        ReturnCode::IN_USE => Code::InUse,
        ReturnCode::INSUFFICIENT_RESOURCES => Code::NoRoom,
        _ => Code::Driver,
    }
}
