//! `kerf topology pick`: the best set of accelerators of a machine that is given as data or under a folder, without kerfd.

mod args;
mod error;
mod machine;
#[cfg(test)]
mod tests;
mod weights;
mod wish;

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use kerf_partitioner::client::WorkerCommand;
use kerf_partitioner::discover::{DiscoverError, discover, discover_with_library};
use kerf_partitioner::nccl::NcclSystem;
use kerf_partitioner::worker;
use kerf_planner::rings::RingTable;
use kerf_types::Inventory;
use serde::Serialize;

use super::super::discover::partitioner;
use super::super::fail::Failure;
use super::super::input::Source;
use super::super::style::{Ink, Style};
use super::super::table::{Table, row};
use super::super::{Context, Exit};
pub use args::Args;
pub use error::PickError;
use machine::Machine;
use weights::weights;
use wish::meant;

/// How long one GPU may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// What is picked, as it is printed.
#[derive(Debug, PartialEq, Serialize)]
struct Picked {
    /// Numbers of the accelerators.
    gpus: Vec<usize>,
    /// Their PCI addresses; one that is no PCI function has none.
    addresses: Vec<String>,
    /// Their ids in the inventory, in the order of `gpus`.
    ids: Vec<String>,
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
    let source = nccl_source(file)?;
    let system: NcclSystem = source.text().parse().map_err(|error| PickError::Nccl {
        name: source.name().to_owned(),
        source: error,
    })?;
    if system.accelerators().len() == 0 {
        let name = source.name().to_owned();
        return Err(PickError::NoGpu { name }.into());
    }
    Ok(Machine::of_nccl(&system).map_err(PickError::from)?)
}

/// A file that should be NCCL's; one that is no text is wrong as one is that is no XML.
///
/// # Errors
/// Where it cannot be read.
pub fn nccl_source(file: &Path) -> Result<Source, Failure> {
    Source::read(file).map_err(|source| match source.is_usage() {
        true => PickError::NoText { source }.into(),
        false => source.into(),
    })
}

fn of_machine(sysroot: &Path, nvml: &Path, context: &Context) -> Result<Machine, PickError> {
    let found = discovery(sysroot, nvml, context)?;
    if found.map.accelerators.is_empty() {
        let sysroot = sysroot.to_owned();
        return Err(PickError::NoAccelerator { sysroot });
    }
    Ok(Machine::of_inventory(&found)?)
}

/// What is found of a machine under a folder, without kerfd; what could not be read is noted.
///
/// # Errors
/// Where the folder is none, the library that is named cannot be loaded, or no worker can be started.
pub fn discovery(sysroot: &Path, nvml: &Path, context: &Context) -> Result<Inventory, PickError> {
    let is_named = !["auto", "none"].iter().any(|word| nvml == *word);
    let look = if is_named {
        discover_with_library
    } else {
        discover
    };
    discovery_by(look, sysroot, nvml, context)
}

/// The same for one that tells what is wrong with a machine, of which a library that cannot be loaded is a part.
///
/// # Errors
/// Where the folder is none, or no worker can be started.
pub fn discovery_of_sick(
    sysroot: &Path,
    nvml: &Path,
    context: &Context,
) -> Result<Inventory, PickError> {
    discovery_by(discover, sysroot, nvml, context)
}

/// Whether a machine can be looked for there: said by us, before a worker is started that would end with it.
///
/// # Errors
/// Where there is no such folder.
pub fn check_sysroot(sysroot: &Path) -> Result<(), PickError> {
    let there = std::fs::metadata(sysroot).and_then(|there| match there.is_dir() {
        true => Ok(()),
        false => Err(ErrorKind::NotADirectory.into()),
    });
    there.map_err(|source| PickError::Sysroot {
        sysroot: sysroot.to_owned(),
        source,
    })
}

/// A way to look at a machine.
type Look = fn(&WorkerCommand, Duration) -> Result<Inventory, DiscoverError>;

fn discovery_by(
    look: Look,
    sysroot: &Path,
    nvml: &Path,
    context: &Context,
) -> Result<Inventory, PickError> {
    check_sysroot(sysroot)?;
    let command = WorkerCommand {
        executable: partitioner(),
        machine: worker::Machine::under(sysroot, nvml).map_err(PickError::Path)?,
    };
    let found = look(&command, DEADLINE)?;
    for problem in &found.problems {
        context.print.note(problem);
    }
    Ok(found)
}

fn pick(args: &Args, machine: &Machine) -> Result<Picked, PickError> {
    let weights = weights(&args.gbps, &args.score);
    let table = RingTable::new(machine.rings(&weights)?);
    let meant = meant(args, machine, table.host())?;
    let begun = Instant::now();
    let chosen = table.pick(&meant.wish).map_err(|why| PickError::Wish {
        left_out: meant.left_out(machine),
        why: why.numbered(|place| machine.number(place)),
    })?;
    let took = begun.elapsed();
    let named = machine.named(chosen.set);
    let addresses = named.values().flatten();
    Ok(Picked {
        gpus: named.keys().copied().collect(),
        addresses: addresses.map(ToString::to_string).collect(),
        ids: machine.ids(chosen.set),
        ring_gbps: chosen.ring_mbps.map(|mbps| f64::from(mbps) / 1_000.0),
        pair_score: chosen.pair_score,
        numa_nodes: table.host().numa_nodes(chosen.set).into_iter().collect(),
        nics: machine.nics(chosen.set),
        micros: (took.as_secs_f64() * 10_000_000.0).round() / 10.0,
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
    table.push(row!["addresses", join(picked.addresses.iter().cloned())]);
    table.push(row!["ids", join(picked.ids.iter().cloned())]);
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
