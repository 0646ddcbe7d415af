//! `cargo xtask gpu-check`: does kerf see what `nvidia-smi` sees?
//!
//! On a machine with an NVIDIA driver it compares kerf's inventory, topology and sensor readings with
//! nvidia-smi, field by field, and can record both. It only reads. Elsewhere it says that there is no GPU.

mod compare;
mod kerf;
mod parse;
mod reading;
mod record;
mod redact;
mod smi;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::out;
use compare::{Row, Verdict};
use kerf::Kerf;
use reading::Reading;
use smi::{Presence, Smi};
use table::Summary;

/// Looks that are taken until no value that moves differs: one may jump between three questions.
const LOOKS: usize = 3;

/// Options of the comparison.
#[derive(Debug, Args)]
pub struct Options {
    /// Write what both sides said into this folder, which must be empty or not there yet
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Record serial numbers and UUIDs as they are instead of placeholders
    #[arg(long, requires = "record")]
    with_serials: bool,
    /// The driver's library; found in NVIDIA's usual places without this
    #[arg(long, value_name = "LIB", hide_short_help = true)]
    nvml: Option<PathBuf>,
    /// The folder that stands for `/`
    #[arg(long, value_name = "DIR", default_value = "/", hide_short_help = true)]
    sysroot: PathBuf,
    /// The program to compare with; found in `PATH` without this
    #[arg(long, value_name = "PROG", hide_short_help = true)]
    nvidia_smi: Option<PathBuf>,
    /// How long one GPU may take to answer kerf: without persistence mode the first question wakes it
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 30_000,
        hide_short_help = true
    )]
    deadline_ms: u32,
}

/// Compares, prints and records.
///
/// # Errors
/// When a field differs, or either side does not answer. A machine without a GPU is no error.
pub fn run(options: &Options) -> Result<()> {
    let (smi, listed) = match Smi::find(options.nvidia_smi.as_deref())? {
        Presence::NoGpu(why) => {
            out::line(&format!("there is no NVIDIA GPU to compare with: {why}"));
            return Ok(());
        }
        Presence::Here(smi, listed) => (smi, listed),
    };
    let kerf = Kerf::find(
        options.nvml.as_deref(),
        &options.sysroot,
        options.deadline_ms,
    )?;
    out::line(&format!(
        "GPUs: {}; library: {}; beside: {}",
        listed.len(),
        kerf.library().display(),
        smi.program().display()
    ));
    let (reading, rows) = look(&smi, &kerf)?;
    for line in table::lines(&rows) {
        out::line(&line);
    }
    for problem in reading.kerf.problems() {
        out::line(&format!("kerf could not read: {problem}"));
    }
    if let Some(folder) = &options.record {
        let files = record::write(folder, &reading, &kerf.answers()?, options.with_serials)?;
        out::line(&format!("recorded {files} files in {}", folder.display()));
    }
    out::line(&Summary::new(&rows).line());
    let different = table::different(&rows);
    if !different.is_empty() {
        bail!("kerf and nvidia-smi differ: {}", different.join(", "));
    }
    Ok(())
}

/// Looks again while only values that move differ; a difference of one that stands would not heal.
fn look(smi: &Smi, kerf: &Kerf) -> Result<(Reading, Vec<Row>)> {
    let mut looks = 1;
    loop {
        let reading = reading::read(smi, kerf)?;
        let rows = compare::compare(&reading)?;
        let mut differ = rows
            .iter()
            .filter(|row| row.verdict == Verdict::Different)
            .peekable();
        let may_heal = differ.peek().is_some() && differ.all(|row| row.moves);
        if !may_heal || looks == LOOKS {
            return Ok((reading, rows));
        }
        out::line("a value that moves differs, looking again");
        looks += 1;
    }
}
