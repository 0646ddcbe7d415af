//! `kerf topology pick`: the best set of accelerators of a machine that is given as data or under a folder, without kerfd.

mod machine;
#[cfg(test)]
mod tests;
mod weights;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kerf_partitioner::client::WorkerCommand;
use kerf_partitioner::discover::{DiscoverError, discover};
use kerf_partitioner::nccl::NcclError;
use kerf_partitioner::worker;
use kerf_planner::rings::{DeviceSet, RingTable, TooMany, Wish, WishError};
use kerf_types::topology::LinkClass;
use serde::Serialize;

use super::super::discover::partitioner;
use super::super::fail::Failure;
use super::super::input::Source;
use super::super::style::{Ink, Style};
use super::super::table::{Table, row};
use super::super::{Context, Exit};
use machine::Machine;
use weights::{Given, Tables};

/// How long one GPU may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// `kerf topology pick`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many accelerators
    #[arg(short = 'n', long, value_name = "K")]
    count: usize,
    /// Those that are free, by number, separated by commas; all by default
    #[arg(long, value_name = "N", value_delimiter = ',')]
    free: Option<Vec<usize>>,
    /// Those that must be among them
    #[arg(long, value_name = "N", value_delimiter = ',')]
    include: Vec<usize>,
    /// Those that must not be among them
    #[arg(long, value_name = "N", value_delimiter = ',')]
    avoid: Vec<usize>,
    /// What they must have in common
    #[arg(long)]
    same: Option<Same>,
    /// Only accelerators with a network interface at this level or nearer
    #[arg(long, value_name = "LEVEL")]
    nic: Option<Level>,
    /// A machine as NCCL or RCCL writes it down (NCCL_TOPO_DUMP_FILE); - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "sysroot")]
    #[arg(conflicts_with_all = ["sysroot", "nvml"])]
    nccl_xml: Option<PathBuf>,
    /// The machine under this folder as /
    #[arg(long, value_name = "DIR", requires = "nvml")]
    sysroot: Option<PathBuf>,
    /// Its driver library: a path, auto, or none
    #[arg(long, value_name = "LIB", requires = "sysroot")]
    nvml: Option<PathBuf>,
    /// Bandwidth in GB/s of a link or a level, in place of link=20, board=13, pix=12, pxb=11, phb=10, node=9, sys=8
    #[arg(long, value_name = "WORD=N", value_delimiter = ',', value_parser = weights::given)]
    gbps: Vec<Given>,
    /// Score of a link or a level, in place of link=100, board=60, pix=50, pxb=40, phb=30, node=20, sys=10
    #[arg(long, value_name = "WORD=N", value_delimiter = ',', value_parser = weights::given)]
    score: Vec<Given>,
}

/// What accelerators may have to have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Same {
    /// The NUMA node
    Numa,
    /// A PCIe switch
    Switch,
}

/// How near a network interface must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    /// At most one PCIe switch
    Pix,
    /// Several PCIe switches
    Pxb,
    /// The same host bridge
    Phb,
    /// The same NUMA node
    Node,
}

impl Level {
    fn class(self) -> LinkClass {
        match self {
            Self::Pix => LinkClass::Pix,
            Self::Pxb => LinkClass::Pxb,
            Self::Phb => LinkClass::Phb,
            Self::Node => LinkClass::Node,
        }
    }
}

/// Why nothing is picked.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// The file is no machine.
    #[error("{name} is no machine of NCCL")]
    Nccl {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: NcclError,
    },
    /// The machine cannot be looked at.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// A path cannot be made absolute.
    #[error("cannot name the machine")]
    Path(#[source] std::io::Error),
    /// Their links are not known.
    #[error("{0} AMD GPUs are there, and how they are linked is read from no kernel")]
    AmdLinks(usize),
    /// A number that is nobody's.
    #[error("there is no accelerator {number}: they are numbered from 0 and there are {count}")]
    NoSuch {
        /// Which.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// Too many to choose among.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// No set can be had.
    #[error(transparent)]
    Wish(#[from] WishError),
}

impl PickError {
    /// Whether the command or its file is wrong, and not what it met.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Nccl { .. } | Self::NoSuch { .. } | Self::Wish(WishError::None)
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::AmdLinks(_) => {
                Some("let RCCL write the machine down (NCCL_TOPO_DUMP_FILE) and give --nccl-xml")
            }
            Self::Nccl { .. } => Some("NCCL writes such a file where NCCL_TOPO_DUMP_FILE names it"),
            _ => None,
        }
    }
}

/// What is picked, as it is printed.
#[derive(Debug, PartialEq, Serialize)]
struct Picked {
    /// Numbers of the accelerators.
    gpus: Vec<usize>,
    /// Bandwidth of the narrowest pair of their widest ring in GB/s; of two, of their pair; of one, none.
    ring_gbps: Option<f64>,
    /// Sum of the scores of their pairs.
    pair_score: u32,
    /// Their NUMA nodes.
    numa_nodes: Vec<u32>,
    /// The network interfaces that are nearest to one of them.
    nics: Vec<String>,
    /// How long the choice took, without reading the machine and working out its tables, in microseconds.
    micros: f64,
}

/// Picks, and prints it.
pub fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    // The options see to it that one of the two is given.
    let machine = match (&args.nccl_xml, &args.sysroot, &args.nvml) {
        (None, Some(sysroot), Some(nvml)) => of_machine(sysroot, nvml)?,
        (file, ..) => of_file(file.as_deref().unwrap_or("-".as_ref()))?,
    };
    context.print.document(&pick(args, &machine)?, render)?;
    Ok(Exit::Done)
}

fn of_file(file: &Path) -> Result<Machine, Failure> {
    let source = Source::read(file)?;
    let system = source.text().parse().map_err(|error| PickError::Nccl {
        name: source.name().to_owned(),
        source: error,
    })?;
    Ok(Machine::of_nccl(&system))
}

fn of_machine(sysroot: &Path, nvml: &Path) -> Result<Machine, PickError> {
    let command = WorkerCommand {
        executable: partitioner(),
        machine: worker::Machine::under(sysroot, nvml).map_err(PickError::Path)?,
    };
    let found = discover(&command, DEADLINE)?;
    match found.inventory.amd.len() {
        0 => Ok(Machine::of_discovery(&found)),
        count => Err(PickError::AmdLinks(count)),
    }
}

fn pick(args: &Args, machine: &Machine) -> Result<Picked, PickError> {
    let tables = Tables::new(&args.gbps, &args.score);
    let table = RingTable::new(machine.rings(&tables)?);
    let wish = wish(args, machine)?;
    let begun = Instant::now();
    let chosen = table.pick(&wish)?;
    let took = begun.elapsed();
    Ok(Picked {
        gpus: chosen.set.iter().collect(),
        ring_gbps: chosen.ring_mbps.map(|mbps| f64::from(mbps) / 1_000.0),
        pair_score: chosen.pair_score,
        numa_nodes: table.host().numa_nodes(chosen.set).into_iter().collect(),
        nics: machine.nics(chosen.set),
        micros: (took.as_secs_f64() * 10_000_000.0).round() / 10.0,
    })
}

fn wish(args: &Args, machine: &Machine) -> Result<Wish, PickError> {
    let count = machine.count();
    let set = |numbers: &[usize]| {
        let unknown = numbers.iter().find(|number| **number >= count);
        match unknown {
            Some(number) => Err(PickError::NoSuch {
                number: *number,
                count,
            }),
            None => Ok(numbers.iter().copied().collect::<DeviceSet>()),
        }
    };
    let named = args.free.as_deref().map(set).transpose()?;
    let mut free = named
        .unwrap_or_else(|| DeviceSet::first(count))
        .and(machine.well())
        .without(set(&args.avoid)?);
    if let Some(level) = args.nic {
        free = free.and(machine.with_nic(level.class()));
    }
    Ok(Wish {
        count: args.count,
        free,
        include: set(&args.include)?,
        within: match args.same {
            None => Vec::new(),
            Some(Same::Numa) => machine.by_node(),
            Some(Same::Switch) => machine.by_switch(),
        },
    })
}

fn render(picked: &Picked, style: Style) -> String {
    let numbers = |of: &[usize]| join(of.iter().map(ToString::to_string));
    let ring = picked.ring_gbps.map_or_else(
        || "one alone makes no ring".to_owned(),
        |gbps| format!("{gbps} GB/s at its narrowest"),
    );
    let mut table = Table::new(&["", ""]);
    table.push(row!["GPUs", numbers(&picked.gpus)]);
    table.push(row!["ring", ring]);
    table.push(row!["pair score", picked.pair_score.to_string()]);
    let nodes = picked.numa_nodes.iter().map(ToString::to_string);
    table.push(row!["NUMA nodes", join(nodes)]);
    table.push(row!["nearest NICs", join(picked.nics.iter().cloned())]);
    let took = format!("chosen in {} us", picked.micros);
    format!(
        "{}{}\n",
        table.render(style, ""),
        style.paint(Ink::Dim, &took)
    )
}

fn join(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}
