//! The life of a job's container in containerd.
//!
//! ```text
//!           start                 ends by itself, or stop
//!  (none) ────────► Running ──────────────────────────────► Ended ──► (none)
//!     ▲                │                                      remove      ▲
//!     │ failed start   └───────────────── remove (SIGKILL) ───────────────┘
//! ```
//! What a container is for stands in its labels, so that a kerfd which starts anew learns it from
//! containerd. Every step takes away what it made when it fails.

pub(super) mod cgroup;
mod end;
mod orphan;
mod record;
mod start;
mod task;
mod view;

use std::path::PathBuf;

use kerf_types::job::JobSpec;
use kerf_types::{ContainerRef, JobId, LeaseId, Timestamp, VENDOR};
use prost_types::Timestamp as WireTimestamp;

use super::gang::Seat;
use super::policy::Submitter;
use super::terminal::{TerminalInput, TerminalIo, TerminalSize};

pub(super) use end::{remove, stop, wait};
pub(super) use orphan::was_out_of_memory;
pub(super) use start::start;
pub(super) use view::{attach, list};

/// A container that is to be started.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Its name, in the launcher's own namespace.
    pub container: ContainerRef,
    /// The job that it is for.
    pub job: JobId,
    /// What the job is.
    pub spec: JobSpec,
    /// Whose it is.
    pub submitter: Submitter,
    /// The lease on its slice. A job that asks for an accelerator must have one.
    pub lease: Option<LeaseId>,
    /// A folder for its logs; kerfd's own, made if it is not there.
    pub log_dir: PathBuf,
    /// How often the job was started before.
    pub restarts: u32,
    /// Where it stands among the members of its job; `None` where that is not known.
    pub seat: Option<Seat>,
    /// A job without a terminal gets a standard input that can be written to.
    pub stdin: bool,
    /// The first size of its terminal, if it has one.
    pub terminal_size: Option<TerminalSize>,
}

/// A container that was started.
#[derive(Debug)]
pub struct Started {
    /// The full name of its image.
    pub image: String,
    /// Its first process, in the host's PID namespace.
    pub pid: u32,
    /// Its terminal, if the job has one.
    pub terminal: Option<TerminalIo>,
    /// Its standard input, if it was asked for and the job has no terminal.
    pub stdin: Option<TerminalInput>,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: u32,
    /// When.
    pub at: Timestamp,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStatus {
    /// It was made and not started, or its shim is gone: it can only be removed.
    Dead,
    /// It has a task whose shim did not answer in time. It may well run: ask again.
    Silent,
    /// It was made and is about to start.
    Created,
    /// It runs.
    Running,
    /// It is frozen, by somebody else.
    Paused,
    /// It has ended.
    Ended(Exit),
}

/// A container as containerd knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub container: ContainerRef,
    /// The job that it is for; `None` if somebody else made it.
    pub job: Option<JobId>,
    /// The lease that it was started with.
    pub lease: Option<LeaseId>,
    /// How often its job was started before.
    pub restarts: u32,
    /// Its image.
    pub image: String,
    /// Where its logs are.
    pub log_dir: Option<PathBuf>,
    /// Where it is in its life.
    pub status: ContainerStatus,
    /// Its first process in the host's PID namespace, while it runs.
    pub pid: Option<u32>,
}

/// The labels of kerf's containers.
struct Labels {
    job: String,
    lease: String,
    restarts: String,
    log_dir: String,
}

fn labels() -> Labels {
    let label = |name: &str| format!("{VENDOR}/{name}");
    Labels {
        job: label("job"),
        lease: label("lease"),
        restarts: label("restarts"),
        log_dir: label("log-dir"),
    }
}

/// Milliseconds since 1970 of containerd's time; a missing or absurd one is 0.
fn timestamp(time: Option<WireTimestamp>) -> Timestamp {
    let time = time.unwrap_or_default();
    let seconds = u64::try_from(time.seconds).unwrap_or_default();
    let ms = u64::try_from(time.nanos).unwrap_or_default() / 1_000_000;
    Timestamp(seconds.saturating_mul(1_000).saturating_add(ms))
}

#[cfg(test)]
mod tests;
