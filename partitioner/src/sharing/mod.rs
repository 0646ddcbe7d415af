//! Sharing a device without MIG, with the vendor's own tools: MPS control daemons, one a GPU or MIG device, and time
//! slices.
//!
//! - `text` owns the tools' texts, and is pure;
//! - `run` owns a call of a tool: its words, its deadline, what becomes of one that hangs;
//! - `control` owns commands to a daemon, `daemon` its life, `process` what the kernel knows of it;
//! - `silent` is the end of a daemon that runs and does not answer;
//! - `launch` is the process between kerfd and a daemon, `offered` the one that a service manager has for it;
//! - `time_slice` is `nvidia-smi`'s part;
//! - `watch` is for who wants to know of each thing that is done.
//!
//! Every setting is read back and compared. It keeps no state: which daemon is whose stands in its pid file, its
//! start time and its environment. It decides nothing: kerfd says what is shared, with whom, and when a daemon that
//! died is started again. The compute mode of a GPU is the worker's ([`crate::nvml::compute_mode`]).

mod control;
mod daemon;
mod error;
pub mod launch;
pub mod offered;
mod process;
mod run;
mod silent;
pub mod text;
mod time_slice;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kerf_types::Bytes;
use kerf_types::sharing::Mps;

pub use error::SharingError;
use run::Stuck;
pub use text::ServerStatus;
pub use watch::Side;
use watch::Watch;

/// Where drivers install their tools.
const FOLDERS: [&str; 3] = ["usr/bin", "usr/local/bin", "bin"];

/// Active thread percentage without a limit.
const ALL_THREADS: u32 = 100;

/// Percentages are shown with one decimal.
const PERCENT_STEP: f64 = 0.1;

/// A process that takes a signal ends within milliseconds: without this much time, one that does would be told as one
/// that does not.
pub const LAST_MOMENT: Duration = Duration::from_secs(1);

/// The programs with which devices are shared. All calls block, each for no longer than its patience.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `nvidia-cuda-mps-control`.
    pub mps_control: PathBuf,
    /// `nvidia-smi`.
    pub smi: PathBuf,
    /// `kerf-partitioner`, whose mode `mps` starts daemons.
    pub launcher: PathBuf,
    /// The socket at which a service manager offers to start them, where there may be one: it goes first.
    pub offered: Option<PathBuf>,
    /// What the tools find in their environment beside what each call needs. They inherit nothing.
    pub env: Vec<(OsString, OsString)>,
    /// How long each thing may take.
    pub patience: Patience,
    /// When all has to be over, for whoever waits for more than one call.
    until: Option<Instant>,
    /// Shared by all clones: the tools are a host's.
    stuck: Stuck,
    watch: Watch,
}

/// How long calls of tools may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// One call of a tool.
    pub call: Duration,
    /// The launch of a daemon, and then the time until it answers.
    pub start: Duration,
    /// The answer to `quit`, then the end of the daemon, and its end after SIGTERM.
    pub stop: Duration,
}

impl Default for Patience {
    /// Ten times what healthy tools take on a machine under load: who waits longer waits for a hung driver.
    fn default() -> Self {
        Self {
            call: Duration::from_secs(5),
            start: Duration::from_secs(10),
            stop: Duration::from_secs(10),
        }
    }
}

/// Where the daemon of one device lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpsPlace {
    /// UUID of the GPU or MIG device: `GPU-…` or `MIG-…`.
    pub device: String,
    /// Its folder, with `pipe/` and `shm/`. Absolute.
    pub run: PathBuf,
    /// Folder of its logs. Absolute.
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
    /// Active thread percentage of clients of servers that start from now on.
    pub threads: f64,
    /// Pinned device memory of such a client, where there is a limit.
    pub memory: Option<Bytes>,
    /// Its servers: one, of one user at a time.
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
    #[must_use]
    pub fn pipe(&self) -> PathBuf {
        self.run.join("pipe")
    }

    /// What lies on `/dev/shm` for the daemon and for containers.
    #[must_use]
    pub fn shm(&self) -> PathBuf {
        self.run.join("shm")
    }
}

impl MpsState {
    /// Whether these are its limits, as it tells them.
    #[must_use]
    pub fn has(&self, limits: &Mps) -> bool {
        let threads = f64::from(limits.threads.unwrap_or(ALL_THREADS));
        let memory = |limit: Option<Bytes>| limit.map(text::memory_text);
        (self.threads - threads).abs() <= PERCENT_STEP
            && memory(self.memory) == memory(limits.memory)
    }

    /// All clients, server by server.
    pub fn clients(&self) -> impl Iterator<Item = u32> + '_ {
        let servers = self.servers.iter();
        servers.flat_map(|server| server.clients.iter().copied())
    }
}

impl Tools {
    /// The tools of the machine whose root that is. They need not be there: a call says so then.
    #[must_use]
    pub fn under(sysroot: &Path, launcher: PathBuf) -> Self {
        let tool = |name: &str| {
            let mut places = FOLDERS.iter().map(|folder| sysroot.join(folder).join(name));
            let usual = sysroot.join(FOLDERS[0]).join(name);
            places.find(|path| path.is_file()).unwrap_or(usual)
        };
        Self {
            mps_control: tool("nvidia-cuda-mps-control"),
            smi: tool("nvidia-smi"),
            launcher,
            offered: None,
            env: vec![("LC_ALL".into(), "C".into())],
            patience: Patience::default(),
            until: None,
            stuck: Stuck::default(),
            watch: Watch::default(),
        }
    }
}

impl Tools {
    /// The same for somebody who waits so long at most, however many calls it takes. Only the end of a process that
    /// was asked to end is waited for a moment beyond it ([`LAST_MOMENT`]).
    #[must_use]
    pub fn within(&self, patience: Duration) -> Self {
        Self {
            until: Some(Instant::now() + patience),
            ..self.clone()
        }
    }

    /// What of this time there is.
    fn left(&self, wanted: Duration) -> Duration {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        self.until.map_or(wanted, |end| left(end).min(wanted))
    }

    /// The same for the end of a process.
    fn left_to_end(&self, wanted: Duration) -> Duration {
        self.left(wanted).max(LAST_MOMENT.min(wanted))
    }
}

/// A name goes into arguments and paths: it is a UUID of a GPU or MIG device, or nothing is done.
fn check_device(device: &str) -> Result<(), SharingError> {
    let rest = device
        .strip_prefix("GPU-")
        .or_else(|| device.strip_prefix("MIG-"));
    let fits = rest.is_some_and(|rest| {
        rest.len() == 36
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    });
    fits.then_some(()).ok_or_else(|| SharingError::Device {
        device: device.chars().take(120).collect(),
    })
}
