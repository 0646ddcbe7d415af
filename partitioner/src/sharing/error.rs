//! Why a device could not be shared. Each says what was asked of which program or file, and why it failed; the hint
//! says what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::MpsDaemon;
use super::text::TextError;

/// Why sharing could not be set, read or ended.
#[derive(Debug, thiserror::Error)]
pub enum SharingError {
    /// The vendor's program is not on this host.
    #[error("there is no {}", .program.display())]
    NoTool {
        /// Where it was looked for.
        program: PathBuf,
    },
    /// A program could not be started, fed or waited for.
    #[error("run {}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A program did not end in time.
    #[error("{} has not answered {asked:?} within {} ms", .program.display(), .within.as_millis())]
    Hangs {
        /// The program.
        program: PathBuf,
        /// What was asked of it.
        asked: String,
        /// How long it had.
        within: Duration,
    },
    /// Calls that hung before have still not come back, so no further one is begun.
    #[error("{count} calls of {} that hung are still running", .program.display())]
    StillHangs {
        /// The program.
        program: PathBuf,
        /// How many.
        count: usize,
    },
    /// A program refused.
    #[error("{} refuses {asked:?}: {said}", .program.display())]
    Refused {
        /// The program.
        program: PathBuf,
        /// What was asked of it.
        asked: String,
        /// Its words, or how it ended.
        said: String,
    },
    /// A program's answer is of no known form.
    #[error("{} answers {asked:?} with something else", .program.display())]
    Answer {
        /// The program.
        program: PathBuf,
        /// What was asked of it.
        asked: String,
        /// What is wrong.
        #[source]
        cause: TextError,
    },
    /// It says that it was done, and reads back as something else.
    #[error("{what} of {device} reads back as {found}, not {wanted}")]
    NotDone {
        /// The setting.
        what: &'static str,
        /// The device.
        device: String,
        /// What was asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The name is no GPU's or MIG device's.
    #[error("{device:?} is no UUID of a GPU or MIG device")]
    Device {
        /// The name.
        device: String,
    },
    /// A folder or file could not be made or read.
    #[error("{operation} {}", .path.display())]
    Files {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A socket in the pipe directory would have a longer path than a socket can have.
    #[error("{} has {length} bytes, a socket's path has {limit} at most", .socket.display())]
    PipeTooLong {
        /// The socket.
        socket: PathBuf,
        /// Bytes of its path.
        length: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// A daemon serves the pipe directory already.
    #[error("process {pid} serves {} already", .pipe.display())]
    Occupied {
        /// The daemon.
        pid: u32,
        /// The pipe directory.
        pipe: PathBuf,
    },
    /// The daemon ended before it answered, or before its limits were set.
    #[error("the daemon of {device} ended: {said}")]
    Ended {
        /// The device.
        device: String,
        /// The last of its log.
        said: String,
    },
    /// The daemon has clients, whose work would end with it.
    #[error("the daemon of {device} has {} clients", .clients.len())]
    InUse {
        /// The device.
        device: String,
        /// Process ids of its clients.
        clients: Vec<u32>,
    },
    /// The daemon does not tell its clients and has servers, so it may have some.
    #[error("the daemon of {device} does not tell the clients of its servers, {}", pids(.servers))]
    ClientsUnknown {
        /// The device.
        device: String,
        /// Process ids of its servers.
        servers: Vec<u32>,
    },
    /// The daemon has been asked to end and runs on.
    #[error("process {pid}, the daemon of {device}, does not end")]
    RunsOn {
        /// The daemon.
        pid: u32,
        /// The device.
        device: String,
    },
    /// The daemon was started, fails half-way, and does not end either.
    #[error("process {}, the daemon of {device}, is of no use and does not end", .daemon.pid)]
    Unusable {
        /// The daemon.
        daemon: MpsDaemon,
        /// The device.
        device: String,
        /// Why it is of no use.
        #[source]
        cause: Box<SharingError>,
    },
    /// A tool is at work on the daemon and does not come back.
    #[error("a tool that works on the daemon of {device} has not come back within {} ms", .within.as_millis())]
    Held {
        /// The device.
        device: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// A process could not be watched or signalled.
    #[error("{operation} process {pid}")]
    Process {
        /// What was tried.
        operation: &'static str,
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl SharingError {
    /// Whether a daemon that was asked has said nothing that is an answer.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Hangs { .. } | Self::Answer { .. })
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoTool { .. } => {
                "install the driver's compute utilities (nvidia-compute-utils, nvidia-driver-cuda)"
            }
            Self::Hangs { .. } | Self::StillHangs { .. } | Self::Held { .. } => {
                "the driver may hang: look into the kernel's log for an XID"
            }
            Self::PipeTooLong { .. } => "choose a shorter --run-dir",
            Self::Occupied { .. } => "end that daemon with `quit`, if nobody needs it",
            Self::InUse { .. } => "wait for its containers, or end them",
            Self::ClientsUnknown { .. } => {
                "end what uses the device; its servers end when their last client has gone"
            }
            Self::RunsOn { .. } | Self::Unusable { .. } => {
                "it may be inside a driver call; reset the GPU once nobody uses it"
            }
            Self::Ended { .. } => "its log says more: control.log and server.log in the log folder",
            Self::Run { .. }
            | Self::Refused { .. }
            | Self::Answer { .. }
            | Self::NotDone { .. }
            | Self::Device { .. }
            | Self::Files { .. }
            | Self::Process { .. } => return None,
        })
    }
}

fn pids(servers: &[u32]) -> String {
    let all: Vec<String> = servers.iter().map(|pid| format!("process {pid}")).collect();
    all.join(", ")
}
