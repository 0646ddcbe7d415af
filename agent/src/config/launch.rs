//! `[launch]`: what jobs and other containers may have on this host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_types::{Bytes, PortRange};
use serde::{Deserialize, Serialize};

use super::file::millis;
use super::table::table;
use super::{ConfigError, Launch, Limits, Volume};
use crate::launcher::{ImagePattern, LaunchPolicy, RunAs};

/// Where container engines serve plugins unless they are told otherwise.
const NRI: &str = "/var/run/nri/nri.sock";

/// In the place of a path: there is none.
pub const NONE: &str = "none";

/// Jobs of one user that wait or run: a quarter of what a host keeps.
const JOBS_PER_USER: u32 = 1_024;

/// What one job may print: hours of a chatty training run, and a thousand such jobs fit on a disk.
const LOG_LIMIT: Bytes = Bytes(64 << 20);

/// Less would lose the end of a job to the cut, which is made in blocks of 64 KiB.
const LEAST_LOG: Bytes = Bytes(1 << 20);

/// What all ended jobs together leave on the disk.
const KEPT_LOGS: Bytes = Bytes(4 << 30);

/// A restart of kerfd takes less, and an engine's own deadlines are far off.
const WAIT_MS: u64 = 2_000;

/// Whoever makes containers gives up long before.
const LONGEST_WAIT_MS: u64 = 600_000;

table!(
    /// `[launch]`
    LaunchTable {
        /// Default `/run/containerd/containerd.sock`.
        containerd: PathBuf,
        /// Default `/var/run/nri/nri.sock`; `none` on a simulated machine.
        nri: PathBuf,
        /// Default `kerf`.
        namespace: String,
        /// Patterns by namespace. Default: anything in `default`, in kerf's own namespace, and for containers
        /// that no engine manages (the empty name).
        asks: BTreeMap<String, Vec<String>>,
        /// Default: every image that containerd has.
        images: Vec<String>,
        /// Most memory of one container, like `64GiB`. Default: no bound.
        max_memory: String,
        /// Most CPU of one container in thousandths. Default: no bound.
        max_cpu_milli: u64,
        /// Most processes and threads of one container. Default 32768.
        max_pids: u32,
        /// Most jobs of one user that wait or run. Default 1024.
        max_jobs_per_user: u32,
        /// What the logs of one job may take of the disk. Default `64MiB`.
        log_limit: String,
        /// What the logs of all jobs that have ended may. Default `4GiB`.
        kept_logs: String,
        /// Default: none.
        volumes: BTreeMap<String, VolumeTable>,
        /// `submitter`, `image`, or `UID:GID`. Default: `submitter`.
        user: String,
        /// Default false.
        host_network: bool,
        /// Ports at which the first members of jobs of this host are met. Default `20000-29999`.
        master_ports: String,
        /// Default false.
        nccl_topology: bool,
        /// Default 60000.
        reservation_ttl_ms: u64,
        /// How long a launch waits for room that others have; 0 refuses at once. Default 0.
        wait_for_slice_ms: u64,
        /// How long a launch waits for a kerfd that is still looking at the hardware. Default 2000.
        wait_ms: u64,
    }
);

/// `[launch.volumes.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeTable {
    /// Folder on the host, absolute.
    pub path: PathBuf,
    /// Default false.
    #[serde(default)]
    pub writable: bool,
}

impl LaunchTable {
    pub(super) fn resolve(self) -> Result<Launch, ConfigError> {
        let namespace = self.namespace.unwrap_or_else(|| "kerf".to_owned());
        kerf_types::ContainerRef::try_new(&namespace, "x").map_err(|error| ConfigError::Value {
            key: "launch.namespace",
            message: error.to_string(),
        })?;
        let everything = || vec!["*".to_owned()];
        // The empty namespace is that of containers which no engine manages, and of leases and bare processes of users who
        // may use the API.
        let open = ["", "default", namespace.as_str()];
        let usual_asks = || open.map(|name| (name.to_owned(), everything())).into();
        let ttl = self.reservation_ttl_ms;
        let nri = self.nri.unwrap_or_else(|| NRI.into());
        Ok(Launch {
            containerd: self
                .containerd
                .unwrap_or_else(|| "/run/containerd/containerd.sock".into()),
            nri: (nri != Path::new(NONE)).then_some(nri),
            asks: self.asks.unwrap_or_else(usual_asks),
            images: images(&self.images.unwrap_or_else(everything))?,
            volumes: volumes(self.volumes.unwrap_or_default())?,
            user: user(self.user.as_deref())?,
            limits: limits(
                self.max_memory.as_deref(),
                self.max_cpu_milli,
                self.max_pids,
            )?,
            max_jobs_per_user: self.max_jobs_per_user.unwrap_or(JOBS_PER_USER),
            log_limit: bytes("launch.log_limit", self.log_limit.as_deref(), LOG_LIMIT)?,
            kept_logs: bytes("launch.kept_logs", self.kept_logs.as_deref(), KEPT_LOGS)?,
            host_network: self.host_network.unwrap_or(false),
            master_ports: ports(self.master_ports.as_deref())?,
            nccl_topology: self.nccl_topology.unwrap_or(false),
            reservation_ttl: millis("launch.reservation_ttl_ms", ttl, 60_000)?,
            wait_for_slice: wait("launch.wait_for_slice_ms", self.wait_for_slice_ms, 0)?,
            wait: wait("launch.wait_ms", self.wait_ms, WAIT_MS)?,
            namespace,
        })
    }
}

/// Reads a time to wait, which may be none at all.
fn wait(key: &'static str, value: Option<u64>, default: u64) -> Result<Duration, ConfigError> {
    let value = value.unwrap_or(default);
    if value <= LONGEST_WAIT_MS {
        return Ok(Duration::from_millis(value));
    }
    let message = format!("{value} is not between 0 and {LONGEST_WAIT_MS} milliseconds");
    Err(ConfigError::Value { key, message })
}

fn images(patterns: &[String]) -> Result<Vec<ImagePattern>, ConfigError> {
    let parsed = patterns.iter().map(|pattern| pattern.parse());
    parsed
        .collect::<Result<_, kerf_types::ParseError>>()
        .map_err(|error| ConfigError::Value {
            key: "launch.images",
            message: error.to_string(),
        })
}

fn user(text: Option<&str>) -> Result<RunAs, ConfigError> {
    let parsed = text.map_or(Ok(RunAs::default()), str::parse);
    parsed.map_err(|error: kerf_types::ParseError| ConfigError::Value {
        key: "launch.user",
        message: error.to_string(),
    })
}

fn ports(text: Option<&str>) -> Result<PortRange, ConfigError> {
    let parsed = text.map_or(Ok(PortRange::USUAL), str::parse);
    parsed.map_err(|error: kerf_types::ParseError| ConfigError::Value {
        key: "launch.master_ports",
        message: error.to_string(),
    })
}

fn volumes(tables: BTreeMap<String, VolumeTable>) -> Result<BTreeMap<String, Volume>, ConfigError> {
    tables
        .into_iter()
        .map(|(name, table)| {
            if !table.path.is_absolute() {
                let message = format!("path of volume {name:?} must be absolute");
                return Err(ConfigError::Value {
                    key: "launch.volumes",
                    message,
                });
            }
            Ok((
                name,
                Volume {
                    path: table.path,
                    writable: table.writable,
                },
            ))
        })
        .collect()
}

fn limits(
    memory: Option<&str>,
    cpu_milli: Option<u64>,
    pids: Option<u32>,
) -> Result<Limits, ConfigError> {
    let usual = LaunchPolicy::default();
    let memory = memory.map(|text| parse_bytes("launch.max_memory", text));
    let pids = pids.unwrap_or(usual.max_pids);
    if pids == 0 || cpu_milli == Some(0) {
        return Err(ConfigError::Value {
            key: if pids == 0 {
                "launch.max_pids"
            } else {
                "launch.max_cpu_milli"
            },
            message: "0 would let no container start".to_owned(),
        });
    }
    Ok(Limits {
        memory: memory.transpose()?,
        cpu_milli,
        pids,
    })
}

fn bytes(key: &'static str, text: Option<&str>, usual: Bytes) -> Result<Bytes, ConfigError> {
    let bytes = text.map_or(Ok(usual), |text| parse_bytes(key, text))?;
    if bytes < LEAST_LOG {
        let message = format!("{bytes} is less than {LEAST_LOG}");
        return Err(ConfigError::Value { key, message });
    }
    Ok(bytes)
}

fn parse_bytes(key: &'static str, text: &str) -> Result<Bytes, ConfigError> {
    text.parse()
        .map_err(|error: kerf_types::ParseError| ConfigError::Value {
            key,
            message: error.to_string(),
        })
}

impl From<&Launch> for LaunchTable {
    fn from(launch: &Launch) -> Self {
        let volume = |(name, volume): (&String, &Volume)| {
            (
                name.clone(),
                VolumeTable {
                    path: volume.path.clone(),
                    writable: volume.writable,
                },
            )
        };
        let limits = &launch.limits;
        Self {
            containerd: Some(launch.containerd.clone()),
            nri: Some(launch.nri.clone().unwrap_or_else(|| NONE.into())),
            namespace: Some(launch.namespace.clone()),
            asks: Some(launch.asks.clone()),
            images: Some(launch.images.iter().map(ToString::to_string).collect()),
            volumes: Some(launch.volumes.iter().map(volume).collect()),
            user: Some(launch.user.to_string()),
            max_memory: limits.memory.map(|memory| memory.to_string()),
            max_cpu_milli: limits.cpu_milli,
            max_pids: Some(limits.pids),
            max_jobs_per_user: Some(launch.max_jobs_per_user),
            log_limit: Some(launch.log_limit.to_string()),
            kept_logs: Some(launch.kept_logs.to_string()),
            host_network: Some(launch.host_network),
            master_ports: Some(launch.master_ports.to_string()),
            nccl_topology: Some(launch.nccl_topology),
            reservation_ttl_ms: u64::try_from(launch.reservation_ttl.as_millis()).ok(),
            wait_for_slice_ms: u64::try_from(launch.wait_for_slice.as_millis()).ok(),
            wait_ms: u64::try_from(launch.wait.as_millis()).ok(),
        }
    }
}
