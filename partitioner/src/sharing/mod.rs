//! Sharing a device without MIG, with the vendor's own tools: MPS control daemons and time slices.

mod error;
pub mod text;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_types::Bytes;
use kerf_types::sharing::{Interval, Mps};

pub use error::SharingError;
pub use text::ServerStatus;

/// The programs with which devices are shared.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `nvidia-cuda-mps-control`.
    pub mps_control: PathBuf,
    /// `nvidia-smi`.
    pub smi: PathBuf,
    /// `kerf-partitioner`, whose mode `mps` starts daemons.
    pub launcher: PathBuf,
    /// What the tools find in their environment beside what each call needs. They inherit nothing.
    pub env: Vec<(OsString, OsString)>,
    /// How long each thing may take.
    pub patience: Patience,
}

/// How long calls of tools may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// One call of a tool.
    pub call: Duration,
    /// From the launch of a daemon until it answers.
    pub start: Duration,
    /// From `quit` until the daemon has ended, and once more after SIGTERM.
    pub stop: Duration,
}

/// Where the daemon of one device lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpsPlace {
    /// UUID of the GPU or MIG device: `GPU-…` or `MIG-…`.
    pub device: String,
    /// Its folder, with `pipe/` and `shm/`.
    pub run: PathBuf,
    /// Folder of its logs.
    pub log: PathBuf,
}

/// A running daemon: a process id may come again, with its start time it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpsDaemon {
    /// Process id.
    pub pid: u32,
    /// Its start, in clock ticks since boot.
    pub start_ticks: u64,
}

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct MpsState {
    /// Default active thread percentage.
    pub threads: f64,
    /// Default pinned device memory of a client, where there is a limit.
    pub memory: Option<Bytes>,
    /// Its servers, one a user id.
    pub servers: Vec<MpsServer>,
}

/// A server with its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpsServer {
    /// Process id.
    pub pid: u32,
    /// How it is.
    pub status: ServerStatus,
    /// Process ids of its clients.
    pub clients: Vec<u32>,
}

impl MpsPlace {
    /// `CUDA_MPS_PIPE_DIRECTORY`, for the daemon and for containers.
    pub fn pipe(&self) -> PathBuf {
        self.run.join("pipe")
    }

    /// What lies on `/dev/shm` for the daemon and for containers.
    pub fn shm(&self) -> PathBuf {
        self.run.join("shm")
    }
}

impl MpsState {
    /// All clients, in order.
    pub fn clients(&self) -> impl Iterator<Item = u32> + '_ {
        self.servers
            .iter()
            .flat_map(|server| server.clients.iter().copied())
    }
}

impl MpsDaemon {
    /// A descriptor that can be polled: readable once the process has ended. `None` where it has ended already.
    pub fn watch(&self) -> Result<Option<OwnedFd>, SharingError> {
        todo!()
    }
}

impl Tools {
    /// The tools of the machine whose root that is; they need not be there.
    pub fn under(_sysroot: &Path, _launcher: PathBuf) -> Self {
        todo!()
    }

    /// Starts a daemon, waits until it answers, sets its limits and reads them back. Where a daemon of that place
    /// runs already it is refused with `Occupied`; what fails half-way is stopped again.
    pub fn mps_start(&self, _place: &MpsPlace, _limits: &Mps) -> Result<MpsDaemon, SharingError> {
        todo!()
    }

    /// The running daemon of that place, by its pid file, the start time and the pipe directory in its environment.
    pub fn mps_find(&self, _place: &MpsPlace) -> Result<Option<MpsDaemon>, SharingError> {
        todo!()
    }

    /// Sets the limits of a running daemon for servers that start later, and reads them back.
    pub fn mps_limit(&self, _place: &MpsPlace, _limits: &Mps) -> Result<(), SharingError> {
        todo!()
    }

    /// What the daemon says: limits, servers, clients.
    pub fn mps_state(&self, _place: &MpsPlace) -> Result<MpsState, SharingError> {
        todo!()
    }

    /// Ends a daemon: `quit`, then SIGTERM to this very process. Done where it has ended already.
    pub fn mps_stop(&self, _place: &MpsPlace, _daemon: &MpsDaemon) -> Result<(), SharingError> {
        todo!()
    }

    /// Sets the time slice of a GPU, reads it back and compares.
    pub fn time_slice_set(&self, _gpu: &str, _interval: Interval) -> Result<(), SharingError> {
        todo!()
    }

    /// The time slice of a GPU.
    pub fn time_slice_get(&self, _gpu: &str) -> Result<Interval, SharingError> {
        todo!()
    }
}
