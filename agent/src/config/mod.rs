//! Configuration: `/etc/kerf/kerf.toml`, then `/etc/kerf/kerf.toml.d/*.toml` in order of name, then
//! the command line.
//!
//! [`file`] is what stands in a file, [`Config`] what kerfd runs with. An unknown key is an error with its
//! line and a suggestion: a limit that nobody reads is worse than none.

pub mod error;
pub mod file;
mod gpu_labels;
pub mod launch;
mod owner;
pub mod peers;
mod table;
#[cfg(test)]
mod tests;
pub mod web;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::ConfigError;
use file::FileConfig;
pub use gpu_labels::{GpuLabels, NoLabel};
use kerf_types::{Bytes, PortRange};
pub use owner::Owner;
pub use peers::Peers;
pub use web::Web;

use crate::launcher::{ImagePattern, RunAs};

/// Where the configuration lies unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/kerf/kerf.toml";

/// Everything that kerfd runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The host's name in documents and labels.
    pub host: String,
    /// Labels that jobs may choose the host by.
    pub labels: BTreeMap<String, String>,
    /// Price of an hour of the whole host in thousandths of a currency unit.
    pub price: Option<u64>,
    /// Folders and files.
    pub paths: Paths,
    /// The driver and its worker.
    pub driver: Driver,
    /// Cutting.
    pub partition: Partition,
    /// Labels of GPUs, for layouts.
    pub gpu_labels: GpuLabels,
    /// Containers.
    pub launch: Launch,
    /// Who may do what.
    pub access: Access,
    /// Metrics.
    pub metrics: Metrics,
    /// The status page.
    pub web: Web,
    /// The other hosts of the fleet.
    pub peers: Peers,
    /// Name of the simulated machine, where there is one.
    pub simulate: Option<String>,
}

/// Folders and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Sockets and what lives until the next boot.
    pub run_dir: PathBuf,
    /// What outlives a boot.
    pub state_dir: PathBuf,
    /// Where CDI files go.
    pub cdi_dir: PathBuf,
    /// Root of `/sys`, `/proc/driver` and `/dev` of the machine.
    pub sysroot: PathBuf,
    /// Root under which NVIDIA's driver is installed: its libraries, programs and firmware.
    pub driver_root: PathBuf,
    /// The driver's library; `None` on a host without NVIDIA GPUs.
    pub nvml: Option<PathBuf>,
    /// The worker's program.
    pub partitioner: PathBuf,
    /// The OCI runtime wrapper.
    pub runtime: PathBuf,
}

/// The driver and its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Driver {
    /// A driver call that takes longer makes its GPU unresponsive.
    pub call_deadline: Duration,
    /// The same for loading the driver, which initialises every GPU.
    pub open_deadline: Duration,
    /// The same for a step that changes a GPU.
    pub step_deadline: Duration,
    /// Time between two looks at the hardware when nothing else happens. It bounds how long a slice that was
    /// made or destroyed behind our back goes unnoticed, and what was refused or has run out waits.
    pub look_interval: Duration,
    /// Time between two readings of the sensors.
    pub sample_interval: Duration,
}

/// Cutting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Whether a slice may be cut for a container that finds none.
    pub on_demand: bool,
    /// Whether the MIG mode of an idle GPU may be changed for that, where it needs no reset.
    pub mode_change_when_idle: bool,
    /// Whose the GPUs are to cut.
    pub owner: Owner,
}

/// Containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// containerd's socket.
    pub containerd: PathBuf,
    /// The socket at which the engine of pods serves plugins (NRI); `None` leaves pods alone.
    pub nri: Option<PathBuf>,
    /// containerd namespace of kerf's own jobs.
    pub namespace: String,
    /// What containers of a namespace may ask for by annotation: patterns, `*` for anything. A namespace
    /// that is not named may not ask.
    pub asks: BTreeMap<String, Vec<String>>,
    /// Images that jobs may use: patterns with `*`.
    pub images: Vec<ImagePattern>,
    /// Volumes that jobs may name.
    pub volumes: BTreeMap<String, Volume>,
    /// Whom jobs run as.
    pub user: RunAs,
    /// Bounds on one container.
    pub limits: Limits,
    /// Most jobs of one user that wait or run.
    pub max_jobs_per_user: u32,
    /// What the logs of one job may take of the disk.
    pub log_limit: Bytes,
    /// What the logs of all jobs that have ended may.
    pub kept_logs: Bytes,
    /// Whether jobs share the host's network.
    pub host_network: bool,
    /// Ports at which the first members of jobs that are submitted here are met.
    pub master_ports: PortRange,
    /// Whether containers get a file that describes their devices to NCCL.
    pub nccl_topology: bool,
    /// How long a promised slice is kept for a container that does not come.
    pub reservation_ttl: Duration,
    /// How long a launch waits for room that others have; none refuses at once.
    pub wait_for_slice: Duration,
    /// How long a launch waits for a kerfd that is still looking at the hardware.
    pub wait: Duration,
}

/// Bounds on one container; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most memory.
    pub memory: Option<Bytes>,
    /// Most CPU, in thousandths.
    pub cpu_milli: Option<u64>,
    /// Most processes and threads.
    pub pids: u32,
}

/// A folder of the host that jobs may mount by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The folder.
    pub path: PathBuf,
    /// Whether it may be written to.
    pub writable: bool,
}

/// Who may do what over the API: names of users, or of groups after `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Everything.
    pub admin: Vec<String>,
    /// Jobs and leases of their own. Whoever can open the socket may read.
    pub submit: Vec<String>,
}

/// Metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Where they are served; `None` turns them off.
    pub listen: Option<SocketAddr>,
    /// Whether names of jobs and images may be labels, and stand on the status page.
    pub allow_names: bool,
}

/// Reads the file and its drop-ins; a missing main file is an empty one, a missing explicit one an error.
///
/// Returns the files that were read, in order.
pub fn read_files(path: Option<&Path>) -> Result<(FileConfig, Vec<PathBuf>), ConfigError> {
    let main = path.unwrap_or(Path::new(DEFAULT_PATH));
    let mut files = Vec::new();
    let mut merged = FileConfig::default();
    if path.is_some() || main.exists() {
        files.push(main.to_owned());
    }
    let mut folder = main.as_os_str().to_owned();
    folder.push(".d");
    files.extend(drop_ins(Path::new(&folder))?);
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
            path: file.clone(),
            source,
        })?;
        merged.merge(file::parse(file, &text)?);
    }
    Ok((merged, files))
}

fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(ConfigError::Read {
                path: folder.to_owned(),
                source,
            });
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    Ok(files)
}
