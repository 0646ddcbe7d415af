//! Errors as gRPC statuses: the whole chain in the message, and in the metadata the hint, and the chain once
//! more with one cause a line, for those who show them apart.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use super::vgpu;
use crate::errors::{causes, chain};
use crate::host::HostError;
use crate::process::attach::AttachError;

/// Metadata key of the hint.
pub const HINT: &str = "kerf-hint";

/// Metadata key of the error and its causes, one a line. Binary, since causes hold the words of others.
pub const CAUSES: &str = "kerf-causes-bin";

/// A status that tells an error with its causes, and a hint.
pub fn refusal(code: Code, error: &dyn std::error::Error, hint: &str) -> Status {
    let mut status = with_hint(code, chain(error), hint);
    let lines: Vec<String> = causes(error)
        .into_iter()
        .map(|text| text.replace('\n', " "))
        .collect();
    let value = MetadataValue::from_bytes(lines.join("\n").as_bytes());
    status.metadata_mut().insert_bin(CAUSES, value);
    status
}

/// A status with a hint.
pub fn with_hint(code: Code, message: impl Into<String>, hint: &str) -> Status {
    let mut status = Status::new(code, message);
    // Hints are ASCII by our own hand; one that is not is left out rather than spoil the error.
    if let Ok(hint) = MetadataValue::try_from(hint) {
        status.metadata_mut().insert(HINT, hint);
    }
    status
}

/// The code of a status as one word for a label.
pub(super) fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::Unauthenticated => "unauthenticated",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::Unavailable => "unavailable",
        _ => "internal",
    }
}

impl From<HostError> for Status {
    fn from(error: HostError) -> Self {
        let code = code(&error);
        refusal(code, &error, error.hint())
    }
}

fn code(error: &HostError) -> Code {
    match error {
        HostError::Draining | HostError::Ended => Code::Unavailable,
        HostError::Invalid(_)
        | HostError::Unknown { .. }
        | HostError::TwoAsks { .. }
        | HostError::NoLabel(_)
        | HostError::Incomplete { .. } => Code::InvalidArgument,
        HostError::HasLease { .. } => Code::AlreadyExists,
        HostError::NotAllowed { .. } | HostError::ForeignLease { .. } => Code::PermissionDenied,
        HostError::NoLease { .. }
        | HostError::NotFound { .. }
        | HostError::Attach(AttachError::NoContainer { .. }) => Code::NotFound,
        HostError::Busy { .. }
        | HostError::DaemonInUse { .. }
        | HostError::Plan(_)
        | HostError::ModeBlocked { .. }
        | HostError::Stale { .. }
        | HostError::Maintenance { .. }
        | HostError::LeftAsWhole { .. }
        | HostError::NotInMaintenance { .. }
        | HostError::Confine(_)
        | HostError::Attach(_)
        | HostError::Occupied { .. }
        | HostError::Owned { .. }
        | HostError::Blind { .. } => Code::FailedPrecondition,
        HostError::Vgpu(refusal) => vgpu::code(refusal),
        HostError::LeftOn { source, .. } | HostError::StillOn { source, .. } => code(source),
        HostError::NoRoom { .. } => Code::ResourceExhausted,
        HostError::Unsafe { .. } => Code::Internal,
        HostError::Step { .. }
        | HostError::Differs { .. }
        | HostError::Hardware(_)
        | HostError::Sharing { .. }
        | HostError::ComputeMode { .. }
        | HostError::Process(_)
        | HostError::Node { .. } => Code::Aborted,
        HostError::Store(_)
        | HostError::Cdi(_)
        | HostError::NamesStand { .. }
        | HostError::RunFile { .. }
        | HostError::Random(_) => Code::Unavailable,
    }
}
