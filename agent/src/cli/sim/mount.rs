//! `kerf sim mount`: a machine's root as a file system, for programs that read and write `/sys` themselves.
//!
//! It stays until somebody unmounts it or ends this process.

use std::path::PathBuf;
use std::thread;

use kerf_sim_mount::{MountError, mount};
use nix::sys::signal::{SigSet, Signal};

use super::SimError;
use super::document::SimMount;
use crate::cli::Context;
use crate::cli::fail::Failure;

/// The signals that end it: of a terminal that goes away too.
const ENDS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// `kerf sim mount`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The folder to mount it at, which exists
    #[arg(value_name = "MOUNTPOINT")]
    mountpoint: PathBuf,
}

/// Mounts it, says so once it answers, and serves it to the end.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    // Before there are other threads: they inherit it, and the signals wait for the one that asks for them.
    let signals = SigSet::from_iter(ENDS);
    let blocked = signals.thread_block();
    blocked.map_err(|errno| SimError::Signals {
        source: errno.into(),
    })?;
    let mounted = mount(&args.dir, &args.mountpoint).map_err(SimError::from)?;
    let stopper = mounted.stopper();
    let waits = thread::Builder::new().name("signals".to_owned());
    let waits = waits.spawn(move || {
        // It fails for no set of signals that exist.
        if signals.wait().is_ok() {
            stopper.stop();
        }
    });
    waits.map_err(|source| SimError::Signals { source })?;
    let document = SimMount::new(&args.dir, mounted.mountpoint());
    context.print.document(&document, |document, _| {
        format!("mounted at {}\n", document.mountpoint)
    })?;
    let ended = mounted.wait();
    ended.map_err(|error: MountError| SimError::from(error).into())
}
