//! The keys of a configuration file, all optional, and how two files become one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_api::convert::{LABEL_LIMIT, LABEL_TEXT_LIMIT};
use serde::{Deserialize, Serialize};

use super::launch::LaunchTable;
use super::peers::{Names, PeersTable};
use super::table::table;
use super::web::WebTable;
use super::{Access, Config, ConfigError, Driver, GpuLabels, Metrics, Owner, Partition, Paths};

/// The worker's program.
const PARTITIONER: &str = "kerf-partitioner";

/// Where the packages put the worker; the unit `kerf-partitioner@.service` names the same.
pub const INSTALLED_PARTITIONER: &str = "/usr/lib/kerf/kerf-partitioner";

table!(
    /// `[host]`
    HostTable {
        /// The host's name; the kernel's by default.
        name: String,
        /// Price of an hour of the whole host in thousandths of a currency unit. Default: none.
        price_milli_per_hour: u64,
        /// Labels that jobs may choose the host by. Default: none.
        labels: BTreeMap<String, String>,
    }
);
table!(
    /// `[paths]`
    PathsTable {
        /// Default `/run/kerf`.
        run_dir: PathBuf,
        /// Default `/var/lib/kerf`.
        state_dir: PathBuf,
        /// Default `/var/run/cdi`.
        cdi_dir: PathBuf,
        /// Default `/`.
        sysroot: PathBuf,
        /// Where NVIDIA's driver is installed, such as `/run/nvidia/driver` of a driver in a container. Default: `sysroot`.
        driver_root: PathBuf,
        /// Driver library, or `none`. Default: found in the usual places of Debian and Red Hat.
        nvml: PathBuf,
        /// Default: beside kerfd, else `/usr/lib/kerf/kerf-partitioner`.
        partitioner: PathBuf,
        /// Default: beside kerfd.
        runtime: PathBuf,
    }
);
table!(
    /// `[driver]`
    DriverTable {
        /// Default 5000.
        call_deadline_ms: u64,
        /// Default 60000: initialising eight GPUs without persistence mode takes tens of seconds.
        open_deadline_ms: u64,
        /// Default 20000.
        step_deadline_ms: u64,
        /// Default 5000.
        look_interval_ms: u64,
        /// Default 1000.
        sample_interval_ms: u64,
    }
);
table!(
    /// `[partition]`
    PartitionTable {
        /// Default true.
        on_demand: bool,
        /// Default true.
        mode_change_when_idle: bool,
        /// `auto`, `kerf` or `others`. Default `auto`.
        owner: String,
    }
);
table!(
    /// `[access]`
    AccessTable {
        /// Default root.
        admin: Vec<String>,
        /// Default the group kerf.
        submit: Vec<String>,
    }
);
table!(
    /// `[metrics]`
    MetricsTable {
        /// Default `[::]:9450`; `none` turns them off.
        listen: String,
        /// Default false.
        allow_names: bool,
    }
);

/// A whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each table says what it is")]
pub struct FileConfig {
    pub host: HostTable,
    pub paths: PathsTable,
    pub driver: DriverTable,
    pub partition: PartitionTable,
    /// `[gpu_labels]`: by index, UUID or address of a GPU, its labels for layouts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gpu_labels: BTreeMap<String, Vec<String>>,
    pub launch: LaunchTable,
    pub access: AccessTable,
    pub metrics: MetricsTable,
    pub web: WebTable,
    pub peers: PeersTable,
}

/// Reads one file.
pub fn parse(path: &Path, text: &str) -> Result<FileConfig, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::from_toml(path, text, &error))
}

impl FileConfig {
    /// Lays a later file over this one.
    pub fn merge(&mut self, later: Self) {
        self.host.merge(later.host);
        self.paths.merge(later.paths);
        self.driver.merge(later.driver);
        self.partition.merge(later.partition);
        self.gpu_labels.extend(later.gpu_labels);
        self.launch.merge(later.launch);
        self.access.merge(later.access);
        self.metrics.merge(later.metrics);
        self.web.merge(later.web);
        self.peers.merge(later.peers);
    }

    /// Fills in defaults and checks what the types cannot.
    ///
    /// `programs` is the folder of kerfd's own executable, `host` the kernel's host name.
    pub fn resolve(self, programs: &Path, host: &str) -> Result<Config, ConfigError> {
        let names = Names {
            given: self.host.name.as_deref(),
            kernel: host,
        };
        let peers = self.peers.resolve(names)?;
        Ok(Config {
            host: self.host.name.unwrap_or_else(|| host.to_owned()),
            labels: labels(self.host.labels.unwrap_or_default())?,
            price: self.host.price_milli_per_hour,
            paths: self.paths.resolve(programs),
            driver: self.driver.resolve()?,
            partition: Partition {
                on_demand: self.partition.on_demand.unwrap_or(true),
                mode_change_when_idle: self.partition.mode_change_when_idle.unwrap_or(true),
                owner: Owner::read(self.partition.owner.as_deref())?,
            },
            gpu_labels: GpuLabels::try_new(self.gpu_labels)?,
            launch: self.launch.resolve()?,
            access: Access {
                admin: self.access.admin.unwrap_or_else(|| vec!["root".to_owned()]),
                submit: self
                    .access
                    .submit
                    .unwrap_or_else(|| vec!["@kerf".to_owned()]),
            },
            metrics: Metrics {
                listen: listen(
                    "metrics.listen",
                    self.metrics.listen.as_deref().unwrap_or("[::]:9450"),
                )?,
                allow_names: self.metrics.allow_names.unwrap_or(false),
            },
            web: self.web.resolve()?,
            peers,
            simulate: None,
        })
    }
}

impl PathsTable {
    fn resolve(self, programs: &Path) -> Paths {
        let or = |given: Option<PathBuf>, usual: &str| given.unwrap_or_else(|| usual.into());
        let sysroot = or(self.sysroot, "/");
        Paths {
            run_dir: or(self.run_dir, "/run/kerf"),
            state_dir: or(self.state_dir, "/var/lib/kerf"),
            cdi_dir: or(self.cdi_dir, "/var/run/cdi"),
            driver_root: self.driver_root.unwrap_or_else(|| sysroot.clone()),
            sysroot,
            nvml: self
                .nvml
                .or_else(kerf_partitioner::library::usual)
                .filter(|path| path != Path::new("none")),
            partitioner: self
                .partitioner
                .unwrap_or_else(|| find_partitioner(programs)),
            runtime: self
                .runtime
                .unwrap_or_else(|| programs.join("kerf-runtime")),
        }
    }
}

impl DriverTable {
    fn resolve(self) -> Result<Driver, ConfigError> {
        let sample = self.sample_interval_ms;
        Ok(Driver {
            call_deadline: millis("driver.call_deadline_ms", self.call_deadline_ms, 5_000)?,
            open_deadline: millis("driver.open_deadline_ms", self.open_deadline_ms, 60_000)?,
            step_deadline: millis("driver.step_deadline_ms", self.step_deadline_ms, 20_000)?,
            look_interval: millis("driver.look_interval_ms", self.look_interval_ms, 5_000)?,
            sample_interval: millis("driver.sample_interval_ms", sample, 1_000)?,
        })
    }
}

/// Labels with the bounds that a record has: a host whose record nobody reads would be no host of the fleet.
fn labels(labels: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ConfigError> {
    let key = "host.labels";
    if labels.len() > LABEL_LIMIT {
        let message = format!("{} labels, at most {LABEL_LIMIT} are told", labels.len());
        return Err(ConfigError::Value { key, message });
    }
    let too_long = |text: &str| text.len() > LABEL_TEXT_LIMIT;
    let wrong = labels.iter().find_map(|(label, value)| {
        let (name, text) = (label.len(), value.len());
        if label.is_empty() {
            Some("a label has no name".to_owned())
        } else if too_long(label) {
            Some(format!("a label has a name of {name} bytes, at most {LABEL_TEXT_LIMIT} are told"))
        } else {
            too_long(value).then(|| {
                format!("the value of label {label:?} has {text} bytes, at most {LABEL_TEXT_LIMIT} are told")
            })
        }
    });
    if let Some(message) = wrong {
        return Err(ConfigError::Value { key, message });
    }
    Ok(labels)
}

/// Where the worker is for programs in a folder: beside them as cargo leaves it, else where the packages put it,
/// out of everybody's `PATH`, since it is kerfd that calls it.
pub fn find_partitioner(programs: &Path) -> PathBuf {
    let beside = programs.join(PARTITIONER);
    if beside.exists() {
        return beside;
    }
    INSTALLED_PARTITIONER.into()
}

/// Between a tenth of a second and an hour: below, a healthy driver would look hung; above, a hung one well.
pub(super) fn millis(
    key: &'static str,
    value: Option<u64>,
    default: u64,
) -> Result<Duration, ConfigError> {
    let value = value.unwrap_or(default);
    if (100..=3_600_000).contains(&value) {
        return Ok(Duration::from_millis(value));
    }
    let message = format!("{value} is not between 100 and 3600000 milliseconds");
    Err(ConfigError::Value { key, message })
}

/// Reads an address to listen on, or `none`.
pub fn listen(key: &'static str, text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ConfigError::Value {
        key,
        message: format!(
            "{text:?} is not an address with a port, like 127.0.0.1:9450 or [::]:9450"
        ),
    })
}

impl From<&Config> for FileConfig {
    /// The configuration in force as a file, for `kerf config show`.
    fn from(config: &Config) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).ok();
        let paths = config.paths.clone();
        Self {
            host: HostTable {
                name: Some(config.host.clone()),
                price_milli_per_hour: config.price,
                labels: Some(config.labels.clone()),
            },
            paths: PathsTable {
                run_dir: Some(paths.run_dir),
                state_dir: Some(paths.state_dir),
                cdi_dir: Some(paths.cdi_dir),
                sysroot: Some(paths.sysroot),
                driver_root: Some(paths.driver_root),
                nvml: Some(paths.nvml.unwrap_or_else(|| "none".into())),
                partitioner: Some(paths.partitioner),
                runtime: Some(paths.runtime),
            },
            driver: DriverTable {
                call_deadline_ms: ms(config.driver.call_deadline),
                open_deadline_ms: ms(config.driver.open_deadline),
                step_deadline_ms: ms(config.driver.step_deadline),
                look_interval_ms: ms(config.driver.look_interval),
                sample_interval_ms: ms(config.driver.sample_interval),
            },
            partition: PartitionTable {
                on_demand: Some(config.partition.on_demand),
                mode_change_when_idle: Some(config.partition.mode_change_when_idle),
                owner: Some(config.partition.owner.as_str().to_owned()),
            },
            gpu_labels: config.gpu_labels.as_table(),
            launch: LaunchTable::from(&config.launch),
            access: AccessTable {
                admin: Some(config.access.admin.clone()),
                submit: Some(config.access.submit.clone()),
            },
            metrics: MetricsTable {
                listen: Some(
                    config
                        .metrics
                        .listen
                        .map_or("none".to_owned(), |at| at.to_string()),
                ),
                allow_names: Some(config.metrics.allow_names),
            },
            web: WebTable::from(&config.web),
            peers: PeersTable::from(&config.peers),
        }
    }
}
