//! Errors as gRPC statuses: the whole chain in the message, the hint in the metadata.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::errors::chain;
use crate::host::HostError;

/// Metadata key of the hint.
pub const HINT: &str = "kerf-hint";

/// A status with a hint.
pub fn with_hint(code: Code, message: impl Into<String>, hint: &str) -> Status {
    let mut status = Status::new(code, message);
    // Hints are ASCII by our own hand; one that is not is left out rather than spoil the error.
    if let Ok(hint) = MetadataValue::try_from(hint) {
        status.metadata_mut().insert(HINT, hint);
    }
    status
}

impl From<HostError> for Status {
    fn from(error: HostError) -> Self {
        let code = match &error {
            HostError::Draining | HostError::Ended => Code::Unavailable,
            HostError::Invalid(_) | HostError::Unknown { .. } | HostError::TwoAsks { .. } => {
                Code::InvalidArgument
            }
            HostError::NotAllowed { .. } | HostError::ForeignLease { .. } => Code::PermissionDenied,
            HostError::NoLease { .. } | HostError::NotFound { .. } => Code::NotFound,
            HostError::Busy { .. } | HostError::Plan(_) | HostError::Stale { .. } => {
                Code::FailedPrecondition
            }
            HostError::NoRoom { .. } => Code::ResourceExhausted,
            HostError::Unsafe { .. } => Code::Internal,
            HostError::Step { .. } | HostError::Hardware(_) | HostError::Node { .. } => {
                Code::Aborted
            }
            HostError::Store(_) | HostError::Cdi(_) => Code::Unavailable,
        };
        with_hint(code, chain(&error), error.hint())
    }
}
