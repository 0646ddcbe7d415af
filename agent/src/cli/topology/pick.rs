//! `kerf topology pick`: the best set of accelerators of a machine that is given as data or under a folder, without kerfd.

mod machine;
#[cfg(test)]
mod tests;
mod weights;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use kerf_partitioner::client::WorkerCommand;
use kerf_partitioner::discover::{DiscoverError, discover};
use kerf_partitioner::nccl::NcclError;
use kerf_partitioner::worker;
use kerf_planner::rings::{DeviceSet, RingTable, TooMany, Wish, WishError};
use kerf_types::topology::LinkClass;
use kerf_types::{ParseError, PciAddress};
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
    /// Those that are free, by number (in the order of the file, or of their addresses) or by PCI address, which stays
    /// where one of them falls off the bus; separated by commas; all by default
    #[arg(long, value_name = "GPU", value_delimiter = ',')]
    free: Option<Vec<Named>>,
    /// Those that must be among them
    #[arg(long, value_name = "GPU", value_delimiter = ',')]
    include: Vec<Named>,
    /// Those that must not be among them, whether free or not
    #[arg(long, value_name = "GPU", value_delimiter = ',')]
    avoid: Vec<Named>,
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
    /// Bandwidth in GB/s of a link or a level (board: functions of one card), in place of link=20, board=13, pix=12, pxb=11, phb=10, node=9, sys=8
    #[arg(long, value_name = "WORD=N", value_delimiter = ',', value_parser = weights::given)]
    gbps: Vec<Given>,
    /// Score of a link or a level, of network interfaces too, in place of link=100, board=60, pix=50, pxb=40, phb=30,
    /// node=20, sys=10
    #[arg(long, value_name = "WORD=N", value_delimiter = ',', value_parser = weights::given_whole)]
    score: Vec<Given>,
}

/// An accelerator as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Number(usize),
    Address(PciAddress),
}

impl FromStr for Named {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => text.parse().map(Self::Address),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
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
    /// A name that is nobody's.
    #[error("there is no accelerator {name}: they are numbered from 0 and there are {count}")]
    NoSuch {
        /// Which.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// Too many to choose among.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// No set can be had.
    #[error("{source}{left_out}")]
    Wish {
        /// Why.
        source: WishError,
        /// Which are left out, and why.
        left_out: String,
    },
}

impl PickError {
    /// Whether the command or its file is wrong, and not what it met.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Nccl { .. }
                | Self::NoSuch { .. }
                | Self::Wish {
                    source: WishError::None | WishError::IncludedAvoided { .. },
                    ..
                }
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
    /// Their PCI addresses.
    addresses: Vec<String>,
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
        (None, Some(sysroot), Some(nvml)) => of_machine(sysroot, nvml, context)?,
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
    Ok(Machine::of_nccl(&system).map_err(PickError::from)?)
}

fn of_machine(sysroot: &Path, nvml: &Path, context: &Context) -> Result<Machine, PickError> {
    let command = WorkerCommand {
        executable: partitioner(),
        machine: worker::Machine::under(sysroot, nvml).map_err(PickError::Path)?,
    };
    let found = discover(&command, DEADLINE)?;
    let amd = found.inventory.amd.len();
    if amd > 0 && found.inventory.gpus.is_empty() {
        return Err(PickError::AmdLinks(amd));
    }
    if amd > 0 {
        let note = format!("AMD GPUs are left out: {amd}");
        context.print.note(&note);
    }
    for problem in &found.inventory.problems {
        context.print.note(problem);
    }
    Ok(Machine::of_discovery(&found)?)
}

fn pick(args: &Args, machine: &Machine) -> Result<Picked, PickError> {
    let tables = Tables::new(&args.gbps, &args.score);
    let table = RingTable::new(machine.rings(&tables)?);
    let wish = wish(args, machine)?;
    let begun = Instant::now();
    let chosen = table.pick(&wish).map_err(|source| PickError::Wish {
        left_out: left_out(args, machine, &wish),
        source,
    })?;
    let took = begun.elapsed();
    let addresses = machine.addresses().iter().enumerate();
    let addresses = addresses.filter(|(at, _)| chosen.set.contains(*at));
    Ok(Picked {
        gpus: chosen.set.iter().collect(),
        addresses: addresses.map(|(_, address)| address.to_string()).collect(),
        ring_gbps: chosen.ring_mbps.map(|mbps| f64::from(mbps) / 1_000.0),
        pair_score: chosen.pair_score,
        numa_nodes: table.host().numa_nodes(chosen.set).into_iter().collect(),
        nics: machine.nics(chosen.set),
        micros: (took.as_secs_f64() * 10_000_000.0).round() / 10.0,
    })
}

fn wish(args: &Args, machine: &Machine) -> Result<Wish, PickError> {
    let free = args.free.as_deref().map(|free| set(free, machine));
    let free = free
        .transpose()?
        .unwrap_or_else(|| DeviceSet::first(machine.count()));
    let unfit = args.nic.map_or(DeviceSet::EMPTY, |level| {
        free.without(machine.with_nic(level.class()))
    });
    let avoid = set(&args.avoid, machine)?;
    let include = set(&args.include, machine)?;
    if let Some(device) = include.and(avoid).iter().next() {
        return Err(PickError::Wish {
            source: WishError::IncludedAvoided { device },
            left_out: String::new(),
        });
    }
    Ok(Wish {
        count: args.count,
        free: free.and(machine.well()),
        include,
        avoid: avoid.union(unfit),
        within: args.same.map(|same| match same {
            Same::Numa => machine.by_node(),
            Same::Switch => machine.by_switch(),
        }),
    })
}

fn set(names: &[Named], machine: &Machine) -> Result<DeviceSet, PickError> {
    let numbers = names.iter().map(|name| {
        let known = machine.addresses();
        let number = match name {
            Named::Number(number) => Some(*number).filter(|number| *number < known.len()),
            Named::Address(address) => known.iter().position(|one| one == address),
        };
        number.ok_or_else(|| PickError::NoSuch {
            name: name.to_string(),
            count: known.len(),
        })
    });
    numbers.collect()
}

/// Which cannot be had, and why: what the words of the planner leave open.
fn left_out(args: &Args, machine: &Machine, wish: &Wish) -> String {
    let all = DeviceSet::first(machine.count());
    let sick = all.without(machine.well());
    let far = args.nic.map_or(DeviceSet::EMPTY, |level| {
        all.without(machine.with_nic(level.class()))
    });
    let taken = all.without(wish.free).without(sick);
    let avoided = wish.avoid.without(far);
    let reasons = [
        (sick, "not well"),
        (taken, "not free"),
        (avoided, "to be avoided"),
        (far, "without a network interface so near"),
    ];
    let reasons = reasons.iter().filter(|(devices, _)| !devices.is_empty());
    let words = reasons.map(|(devices, why)| {
        let numbers = join(devices.iter().map(|number| number.to_string()));
        format!("; {why}: {numbers}")
    });
    words.collect()
}

fn render(picked: &Picked, style: Style) -> String {
    let numbers = |of: &[usize]| join(of.iter().map(ToString::to_string));
    let ring = picked.ring_gbps.map_or_else(
        || "one alone makes no ring".to_owned(),
        |gbps| format!("{gbps} GB/s at its narrowest"),
    );
    let mut table = Table::new(&["", ""]);
    table.push(row!["GPUs", numbers(&picked.gpus)]);
    table.push(row!["addresses", join(picked.addresses.iter().cloned())]);
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
