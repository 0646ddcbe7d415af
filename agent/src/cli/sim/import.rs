//! `kerf sim import-nccl`: the machine that NCCL or RCCL has written down, as one that is simulated.

use std::path::{Path, PathBuf};

use kerf_partitioner::nccl;
use nvidia_ml::import::describe::{Description, Holds};
use nvidia_ml::import::{has_library, import};
use nvidia_ml::machine::{CreateOptions, find_library};

use super::SimError;
use super::document::SimMachine;
use crate::cli::Context;
use crate::cli::fail::Failure;
use crate::cli::topology::pick::nccl_source;

/// Longest name of a machine that is made of a file's.
const NAME_LIMIT: usize = 64;

/// `kerf sim import-nccl`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What NCCL or RCCL wrote (NCCL_TOPO_DUMP_FILE), or reads (NCCL_TOPO_FILE); - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Fixes UUIDs and serial numbers, which are random otherwise
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Makes the machine, and prints where it is.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let source = nccl_source(&args.file)?;
    let told = nccl::describe(source.text(), &name(&args.file));
    let told = told.map_err(|error| SimError::Nccl {
        name: source.name().to_owned(),
        source: error,
    })?;
    let library = match has_library(&told) {
        true => find_library().map_err(SimError::from)?,
        false => PathBuf::new(),
    };
    let options = CreateOptions { seed: args.seed };
    let made = import(&told, &args.dir, &library, &options).map_err(SimError::from)?;
    if !made.has_library && has_nvidia(&told) {
        let why = "its GPUs are of no one product that is simulated: without a library it has neither their cores nor NVLinks";
        context.print.note(why);
    }
    context
        .print
        .document(&SimMachine::from(&made), super::render_made)
}

fn has_nvidia(told: &Description) -> bool {
    let mut functions = told.functions.iter();
    functions.any(|function| matches!(function.holds, Holds::Nvidia(_)))
}

/// The name of a file as one of a machine. No name of a machine of the table begins so.
fn name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let fit = |one: char| match one {
        one if one.is_ascii_alphanumeric() || "._".contains(one) => one,
        _ => '-',
    };
    let name: String = stem.chars().map(fit).take(NAME_LIMIT).collect();
    match name.trim_matches('-') {
        "" => "nccl".to_owned(),
        name => format!("nccl-{name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::name;

    #[test]
    fn a_machine_is_called_by_its_file() {
        assert_eq!(name(Path::new("/data/topo_8p.xml")), "nccl-topo_8p");
        assert_eq!(name(Path::new("a\u{1b}[31m b.xml")), "nccl-a--31m-b");
        assert_eq!(name(Path::new("-")), "nccl");
        assert_eq!(name(Path::new("h100x8")), "nccl-h100x8");
        assert_eq!(name(Path::new(&"x".repeat(300))).len(), 69);
    }
}
