//! `kerf sim load`: a process that keeps a GPU or a slice busy.

use std::path::PathBuf;

use kerf_types::Bytes;
use nvidia_ml::control::{self, LoadRequest, LoadSelector};

use super::on;
use crate::cli::Context;
use crate::cli::fail::Failure;

/// `kerf sim load`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The GPU's index
    #[arg(long, value_name = "N", required_unless_present = "clear")]
    gpu: Option<u32>,
    /// GPU instance, where MIG is on
    #[arg(long, value_name = "GI")]
    gi: Option<u32>,
    /// Compute instance; the first one of the GPU instance where none is named
    #[arg(long, value_name = "CI", requires = "gi", conflicts_with = "clear")]
    ci: Option<u32>,
    /// How busy it is, in percent of the GPU or GPU instance
    #[arg(long, value_name = "PERCENT", required_unless_present = "clear")]
    sm: Option<u32>,
    /// Memory that it holds: 512MiB, 4GiB
    #[arg(long, value_name = "BYTES", required_unless_present = "clear")]
    memory: Option<Bytes>,
    /// The process; the load ends with it if it runs
    #[arg(long, value_name = "PID", required_unless_present = "clear")]
    pid: Option<u32>,
    /// Take away the processes that --gpu, --gi and --pid name, or all of them
    #[arg(long, conflicts_with_all = ["sm", "memory"])]
    clear: bool,
}

/// Sets or ends loads.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.clear {
        let which = LoadSelector {
            gpu: args.gpu,
            gi: args.gi,
            pid: args.pid,
        };
        let found = control::clear_load(&args.dir, which).map_err(on(&args.dir))?;
        if !found {
            context.print.note("no process was there to take away");
        }
        return Ok(());
    }
    // Without --clear all four are required.
    let request = LoadRequest {
        gpu: args.gpu.unwrap_or_default(),
        gi: args.gi,
        ci: args.ci,
        sm_percent: args.sm.unwrap_or_default(),
        memory_bytes: args.memory.unwrap_or_default().0,
        pid: args.pid.unwrap_or_default(),
    };
    Ok(control::load(&args.dir, request).map_err(on(&args.dir))?)
}
