//! kerfd's command line. Every folder and socket can be moved, so that many kerfd fit on one machine.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use nvidia_ml::StoreError;
use nvidia_ml::machine::{self, CreateError, MachineInfo};

use super::programs;
use crate::config::peers::PeersTable;
use crate::config::{self, Config};
use crate::rpc::LoadedConfig;

/// The kerf daemon: finds, cuts, grants and measures the accelerators of this host.
#[derive(Debug, Clone, Parser)]
#[command(name = "kerfd", version, max_term_width = 100)]
pub struct Args {
    /// Configuration file; its drop-ins lie in FILE.d/. Default: /etc/kerf/kerf.toml, if it exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run on a simulated machine, made in the state folder if it is not there (see `kerf sim machines`)
    #[arg(long, value_name = "MACHINE", conflicts_with_all = ["nvml", "sysroot"])]
    simulate: Option<String>,
    /// Seed of the simulated machine's serial numbers and UUIDs; random by default
    #[arg(long, requires = "simulate")]
    seed: Option<u64>,
    /// Folder of sockets and what lives until the next boot
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Folder of what outlives a boot
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Root of the machine's /sys, /proc/driver and /dev
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// The driver's library, or none
    #[arg(long, value_name = "LIB")]
    nvml: Option<PathBuf>,
    /// Folder of CDI files
    #[arg(long, value_name = "DIR")]
    cdi_dir: Option<PathBuf>,
    /// containerd's socket
    #[arg(long, value_name = "SOCKET")]
    containerd: Option<PathBuf>,
    /// containerd namespace of kerf's own jobs
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Address of /metrics, or none
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    /// Address of the status page, or none
    #[arg(long, value_name = "ADDRESS")]
    web: Option<String>,
    /// Address that the other hosts of a fleet reach this one by (UDP and TCP), or none
    #[arg(long, value_name = "ADDRESS")]
    peers: Option<String>,
    /// A host of the fleet to join, instead of those of the configuration; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    join: Vec<String>,
    /// Address to tell other hosts, where --peers is not one that they could send to
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// The fleet's name
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Meet hosts without certificates: whoever reaches --peers speaks in any host's name. For experiments
    #[arg(long)]
    insecure_dev: bool,
    /// The host's name
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The static kerf-runtime program; default: beside kerfd
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
}

impl Args {
    /// Reads the configuration that these arguments lead to, and changes nothing: used at the start, and for
    /// each reload, which may be refused.
    pub fn load(&self) -> anyhow::Result<(LoadedConfig, SetUp)> {
        let (mut file, files) = config::read_files(self.config.as_deref())?;
        let absolute = |path: &Option<PathBuf>| -> anyhow::Result<Option<PathBuf>> {
            let made = path.as_ref().map(std::path::absolute).transpose();
            made.context("a path on the command line cannot be used")
        };
        replace(&mut file.paths.run_dir, absolute(&self.run_dir)?);
        replace(&mut file.paths.state_dir, absolute(&self.state_dir)?);
        replace(&mut file.paths.sysroot, absolute(&self.sysroot)?);
        let no_library = self.nvml.as_deref() == Some(Path::new("none"));
        let nvml = if no_library {
            self.nvml.clone()
        } else {
            absolute(&self.nvml)?
        };
        replace(&mut file.paths.nvml, nvml);
        replace(&mut file.paths.cdi_dir, absolute(&self.cdi_dir)?);
        replace(&mut file.paths.runtime, absolute(&self.runtime)?);
        replace(&mut file.launch.containerd, absolute(&self.containerd)?);
        replace(&mut file.launch.namespace, self.namespace.clone());
        if self.simulate.is_some() && file.launch.nri.is_none() {
            // The pods of this host are no concern of a machine that is made up, unless somebody says so.
            file.launch.nri = Some(config::launch::NONE.into());
        }
        replace(&mut file.metrics.listen, self.metrics.clone());
        replace(&mut file.web.listen, self.web.clone());
        replace(&mut file.host.name, self.host.clone());
        self.lay_over_peers(&mut file.peers);
        let program = std::env::current_exe().context("kerfd's own path cannot be read")?;
        let programs = program.parent().unwrap_or(Path::new("/")).to_owned();
        let kernel_name = nix::unistd::gethostname().context("the host has no name")?;
        let mut config = file.resolve(&programs, &kernel_name.to_string_lossy())?;
        config.peers.insecure_dev = self.insecure_dev;
        if let Some(machine) = &self.simulate {
            self.lead_to_machine(machine, &mut config);
        }
        let set_up = SetUp {
            installed: config.paths.runtime.clone(),
            seed: self.seed,
        };
        config.paths.runtime = programs::runtime_path(&config);
        let files = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        Ok((LoadedConfig { config, files }, set_up))
    }

    fn lay_over_peers(&self, table: &mut PeersTable) {
        let join = (!self.join.is_empty()).then(|| self.join.clone());
        replace(&mut table.listen, self.peers.clone());
        replace(&mut table.join, join);
        replace(&mut table.advertise, self.advertise.clone());
        replace(&mut table.cluster, self.cluster.clone());
    }

    fn lead_to_machine(&self, name: &str, config: &mut Config) {
        let folder = machine_folder(config);
        // A machine of another vendor's GPUs has no library.
        let has_library = machine::has_library(name);
        config.paths.nvml = has_library.then(|| folder.join("libnvidia-ml.so.1"));
        config.paths.sysroot = folder.join("root");
        config.paths.driver_root = folder.join("root");
        config.simulate = Some(name.to_owned());
    }
}

/// What a configuration needs before kerfd can run with it.
#[derive(Debug)]
pub struct SetUp {
    /// The runtime wrapper as it was installed.
    installed: PathBuf,
    /// Seed of a simulated machine.
    seed: Option<u64>,
}

impl SetUp {
    /// Makes the simulated machine, once, and the runtime wrapper that talks to this kerfd. Only the kerfd
    /// that holds the lock of the state folder does so: another's wrapper would be led astray.
    pub fn carry_out(&self, config: &Config) -> anyhow::Result<()> {
        if let Some(name) = &config.simulate {
            simulated(name, &machine_folder(config), self.seed)?;
        }
        programs::install_runtime(&self.installed, config)
    }
}

/// The simulated machine's folder, where kerfd runs on one.
pub fn simulated_folder(config: &Config) -> Option<PathBuf> {
    config.simulate.as_ref().map(|_| machine_folder(config))
}

fn machine_folder(config: &Config) -> PathBuf {
    config.paths.state_dir.join("sim")
}

/// The machine in `folder`. One that is not there, or was only half made when its maker was killed, is
/// made; one of another name is refused, since its layout and UUIDs are somebody's.
fn simulated(name: &str, folder: &Path, seed: Option<u64>) -> anyhow::Result<MachineInfo> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    match machine::open(folder) {
        Ok(found) if found.name == name => Ok(found),
        Ok(found) => anyhow::bail!(
            "{} holds the simulated machine {}, and {name} was asked for: remove it, or take another state folder",
            folder.display(),
            found.name
        ),
        Err(CreateError::Store(StoreError::Absent(_))) => {
            let source = match machine::has_library(name) {
                true => machine::find_library()?,
                false => PathBuf::new(),
            };
            let options = machine::CreateOptions { seed };
            Ok(machine::create(name, folder, &source, &options)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn replace<T>(slot: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *slot = given;
    }
}

#[cfg(test)]
mod tests;
