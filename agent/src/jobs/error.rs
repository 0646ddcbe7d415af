//! Why a request about a job was refused.

use kerf_types::JobId;

use crate::launcher::LauncherError;
use crate::store::StoreError;

/// A refused request.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no such job, or it ended so long ago that it was forgotten.
    #[error("there is no job {id} on this host")]
    Unknown {
        /// As it was named.
        id: JobId,
    },
    /// The spec is not one.
    #[error("the job spec is not accepted")]
    Spec(#[source] kerf_api::json::job::JobSpecError),
    /// The id was used for another spec.
    #[error("job {id} exists with another spec")]
    OtherSpec {
        /// The id.
        id: JobId,
    },
    /// Gangs are placed by the fleet.
    #[error("members: {members} were asked for, a single host starts one")]
    Members {
        /// How many.
        members: u32,
    },
    /// Too many jobs wait or run.
    #[error("{active} jobs wait or run, which is the most that this host keeps")]
    TooMany {
        /// How many.
        active: usize,
    },
    /// The store failed.
    #[error("the state store failed")]
    Store(#[from] StoreError),
    /// containerd failed.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
}
