//! Why a request about a job was refused.

use kerf_types::peer::Tag;
use kerf_types::{Bytes, JobId};

use crate::launcher::LauncherError;
use crate::peers::PeersError;
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
    /// A terminal is one container's.
    #[error("a job of {members} members cannot have a terminal")]
    Terminals {
        /// How many.
        members: u32,
    },
    /// The host's configuration does not let jobs ask for it.
    #[error("jobs, whose containers are of namespace {namespace:?}, may not ask for {ask:?}")]
    NotAllowed {
        /// kerf's own containerd namespace.
        namespace: String,
        /// The ask.
        ask: String,
    },
    /// Its row cannot be read, so nobody knows whether this is the same job.
    #[error("job {id} is known here, but what the store has of it cannot be read")]
    Unreadable {
        /// The id.
        id: JobId,
    },
    /// The user has as many jobs as one may have.
    #[error("uid {uid} has {most} jobs that wait or run, which is the most of one user")]
    TooManyOfUser {
        /// The user.
        uid: u32,
        /// The limit.
        most: u32,
    },
    /// The descriptions of all active jobs are too large together.
    #[error("the specs of jobs that wait or run would be larger than {limit} together")]
    TooMuch {
        /// The limit.
        limit: Bytes,
    },
    /// The job has no terminal.
    #[error("job {id} has no terminal")]
    NoTerminal {
        /// The job.
        id: JobId,
    },
    /// A log cannot be read.
    #[error("the output of {tag} cannot be read")]
    Output {
        /// Whose.
        tag: Tag,
        /// Why.
        source: std::io::Error,
    },
    /// The output is on a host that does not show it.
    #[error("the output of job {id} is on {host}, which does not show it: {why}")]
    Away {
        /// The job.
        id: JobId,
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// As many logs of one host are read as may be.
    #[error("the output of job {id} is on {host}, and too much is read there")]
    TooManyReaders {
        /// The job.
        id: JobId,
        /// The host.
        host: String,
        /// How much.
        source: PeersError,
    },
    /// Somebody else has the terminal.
    #[error("somebody is attached to job {id}")]
    Attached {
        /// The job.
        id: JobId,
    },
    /// As many images are being imported as may be at once.
    #[error("{under_way} images are being imported, which is the most at once {of}")]
    TooManyImports {
        /// How many.
        under_way: usize,
        /// Of whom: one user, or all.
        of: &'static str,
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
