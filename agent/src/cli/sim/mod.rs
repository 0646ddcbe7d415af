//! `kerf sim`: makes simulated machines, and does to them what the world does to real ones.
//!
//! It works on a machine's folder alone; a kerfd on that machine sees the change at its next look.

mod document;
mod driver;
mod fault;
mod import;
mod kernel;
mod load;
mod mount;
mod mps_client;
mod policy;
mod tool;

use std::path::PathBuf;

use kerf_partitioner::nccl::NcclError;
use kerf_sim_mount::MountError;
use kerf_sim_tools::client::ClientError;
use nvidia_ml::control::{self, ControlError};
use nvidia_ml::import::ImportError;
use nvidia_ml::machine::{self, CreateError, CreateOptions};

use super::fail::Failure;
use super::style::Style;
use super::table::{Table, row};
use super::{Context, Exit};
use document::{SimMachine, SimMachines, SimState};

/// `kerf sim`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// The machines that can be made
    Machines,
    /// Make a machine in a folder
    Create {
        /// Which, see `kerf sim machines`
        #[arg(value_name = "MACHINE")]
        machine: String,
        /// The folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Fixes UUIDs and serial numbers, which are random otherwise
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
    /// Make a machine that NCCL or RCCL has written down, in a folder
    ImportNccl(import::Args),
    /// What is set on a machine
    Show {
        /// The machine's folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Break something, or mend it
    Fault(fault::Args),
    /// Put a process on a GPU, or take processes away
    Load(load::Args),
    /// Do something to the kernel of a machine whose GPUs have no library
    #[command(subcommand)]
    Kernel(kernel::Verb),
    /// Reset a GPU, as nvidia-smi --gpu-reset does: a pending MIG mode takes hold
    Reset {
        /// The machine's folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The GPU's index
        #[arg(long, value_name = "N")]
        gpu: u32,
    },
    /// Unload and load the driver, as a reboot does: no slice is left, and MIG stays on where the
    /// hardware remembers it
    Reload {
        /// The machine's folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Choose between behaviours in which real drivers differ
    Policy(policy::Args),
    /// Be a process that computes through MPS, until this is ended or the MPS server is
    MpsClient(mps_client::Args),
    /// Mount a machine's root, for programs that write to /sys: until it is unmounted or this is ended
    Mount(mount::Args),
}

/// Why a simulated machine could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// It could not be made.
    #[error("cannot make the machine")]
    Create(#[from] CreateError),
    /// A file is no machine of NCCL's.
    #[error("{name} is no machine of NCCL")]
    Nccl {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: NcclError,
    },
    /// No machine can be made of what a file says.
    #[error("cannot make the machine")]
    Import(#[source] ImportError),
    /// It could not be read or changed.
    #[error("cannot use the machine in {}", dir.display())]
    Control {
        /// Its folder.
        dir: PathBuf,
        /// Why.
        source: ControlError,
    },
    /// Its kernel could not be read or changed.
    #[error("cannot use the kernel of the machine in {}", dir.display())]
    Kernel {
        /// Its folder.
        dir: PathBuf,
        /// Why.
        source: nvidia_ml::kernel::ControlError,
    },
    /// There is no machine, or none that can be used.
    #[error("cannot open the machine in {}", dir.display())]
    Store {
        /// Its folder.
        dir: PathBuf,
        /// Why.
        source: nvidia_ml::StoreError,
    },
    /// The simulated kernel refused a value.
    #[error("the simulated kernel refuses {value:?} for {file}")]
    Refused {
        /// The file.
        file: String,
        /// The value.
        value: String,
        /// With which errno.
        source: std::io::Error,
    },
    /// It could not be mounted, or the mount did not end well.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A client of MPS did not get in, or has lost its context.
    #[error(transparent)]
    Mps(#[from] ClientError),
    /// Another user could not be taken on.
    #[error("cannot become user {uid}")]
    User {
        /// The user.
        uid: u32,
        /// Why.
        source: std::io::Error,
    },
    /// The signals that end a mount could not be waited for.
    #[error("cannot wait for signals")]
    Signals {
        /// Why.
        source: std::io::Error,
    },
}

/// What could not be written is told as for any other machine.
impl From<ImportError> for SimError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Create(error) => Self::Create(error),
            error => Self::Import(error),
        }
    }
}

impl SimError {
    /// Whether the command or its file is wrong, and not what it met.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Nccl { .. } | Self::Import(_))
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Create(CreateError::UnknownMachine { .. }) => {
                "see `kerf sim machines`".to_owned()
            }
            Self::Create(CreateError::Exists { .. }) => "choose a new or empty folder".to_owned(),
            Self::Create(CreateError::NoLibrary { searched }) => {
                let places: Vec<String> = searched
                    .iter()
                    .map(|place| place.display().to_string())
                    .collect();
                format!(
                    "install the package kerf-sim; looked for {}",
                    places.join(", ")
                )
            }
            Self::Control {
                source: ControlError::Store(_),
                ..
            } => "`kerf sim create` makes a machine in a folder".to_owned(),
            Self::Store { .. } => "`kerf sim create` makes a machine in a folder".to_owned(),
            Self::Mount(error) => return error.hint().map(str::to_owned),
            Self::Mps(ClientError::NoDaemon { .. }) => {
                "give it the pipe directory of a running MPS control daemon".to_owned()
            }
            Self::User { .. } => "only root can".to_owned(),
            Self::Nccl { .. } => {
                "NCCL writes such a file where NCCL_TOPO_DUMP_FILE names it".to_owned()
            }
            Self::Create(_)
            | Self::Import(_)
            | Self::Mps(_)
            | Self::Control { .. }
            | Self::Kernel { .. }
            | Self::Refused { .. }
            | Self::Signals { .. } => return None,
        })
    }
}

/// Makes, shows or changes simulated machines.
pub fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Machines => context
            .print
            .document(&SimMachines::new(), render_machines)?,
        Verb::Create { machine, dir, seed } => {
            let library = match machine::has_library(machine) {
                true => machine::find_library().map_err(SimError::from)?,
                false => PathBuf::new(),
            };
            let options = CreateOptions { seed: *seed };
            let made = machine::create(machine, dir, &library, &options);
            let made = SimMachine::from(&made.map_err(SimError::from)?);
            context.print.document(&made, render_made)?;
        }
        Verb::ImportNccl(args) => import::run(args, context)?,
        Verb::Show { dir } => {
            let shown = control::show(dir).map_err(on(dir))?;
            context
                .print
                .document(&SimState::from(&shown), render_state)?;
        }
        Verb::Fault(args) => fault::run(args)?,
        Verb::Kernel(verb) => kernel::run(verb)?,
        Verb::Load(args) => load::run(args, context)?,
        Verb::Reset { dir, gpu } => control::reset(dir, *gpu).map_err(on(dir))?,
        Verb::Reload { dir } => control::reload(dir).map_err(on(dir))?,
        Verb::Policy(args) => policy::run(args)?,
        Verb::Mount(args) => mount::run(args, context)?,
        Verb::MpsClient(args) => mps_client::run(args, context)?,
    }
    Ok(Exit::Done)
}

/// For `map_err`: it was the machine in this folder.
fn on(dir: &std::path::Path) -> impl FnOnce(ControlError) -> SimError {
    let dir = dir.to_owned();
    |source| SimError::Control { dir, source }
}

fn render_machines(machines: &SimMachines, style: Style) -> String {
    let mut table = Table::new(&["MACHINE", "WHAT"]);
    for machine in &machines.machines {
        table.push(row![machine.name, machine.summary]);
    }
    table.render(style, "")
}

fn render_made(made: &SimMachine, style: Style) -> String {
    let mut table = Table::new(&["", ""]);
    table.push(row!["machine", &made.name]);
    table.push(row!["library", &made.library]);
    table.push(row!["sysroot", &made.sysroot]);
    let nodes = if made.real_nodes {
        "character devices"
    } else {
        "plain files (not root)"
    };
    table.push(row!["nodes", nodes]);
    let try_it = format!(
        "kerf discover --nvml {} --sysroot {}",
        made.library, made.sysroot
    );
    table.push(row!["try", try_it]);
    table.render(style, "")
}

fn render_state(state: &SimState, style: Style) -> String {
    let driver = if state.driver_hung {
        "the driver hangs"
    } else {
        "the driver answers"
    };
    let mut text = format!("{}  {driver}\n", state.name);
    for (function, code) in &state.refusals {
        text.push_str(&format!("{function} answers {code}\n"));
    }
    for misbehaviour in &state.misbehaviours {
        text.push_str(misbehaviour);
        text.push('\n');
    }
    let mut table = Table::new(&[">GPU", "PCI", "FAULT", "MIG", "INSTANCES", "PROCESSES"]);
    for gpu in &state.gpus {
        let mig = match (gpu.mig, gpu.mig_pending) {
            (true, true) => "on",
            (false, false) => "off",
            (true, false) => "off after a reset",
            (false, true) => "on after a reset",
        };
        let instances: Vec<String> = gpu.instances.iter().map(ToString::to_string).collect();
        let processes: Vec<String> = gpu.processes.iter().map(ToString::to_string).collect();
        let cells = [instances.join(" "), processes.join(", ")];
        let [instances, processes] = cells;
        table.push(row![
            gpu.index, &gpu.pci, gpu.fault, mig, instances, processes
        ]);
    }
    text.push_str(&table.render(style, ""));
    text
}
