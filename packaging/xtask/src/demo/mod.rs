//! `cargo xtask demo`: one host does its whole job before your eyes, then three of them together, on any Linux
//! machine.
//!
//! It starts a containerd and each kerfd in a temporary folder of its own and touches nothing else;
//! whatever happens, what it started has ended when it returns.

mod answers;
mod hosts;
mod stage;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use nix::unistd::Uid;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::phase::phase;
use crate::{out, setup, test};
use hosts::Hosts;
use stage::Stage;

/// How often the flag of the signal handler is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Options of the demo.
#[derive(Debug, Args)]
pub struct Options {
    /// End after the last step instead of staying up; exits 0 only if every step checked out
    #[arg(long)]
    once: bool,
}

/// Sets up, builds, plays the steps, and cleans up.
pub fn run(options: &Options) -> Result<()> {
    if !Uid::effective().is_root() {
        // Everything that somebody has to do as root is told, not only the first thing.
        let packages = setup::check();
        let why = "the demo starts containers and makes device nodes: run it as root";
        return Err(match packages {
            Ok(()) => anyhow!(why),
            Err(missing) => missing.context(why),
        });
    }
    phase("setup", setup::run)?;
    phase("build", || test::build().and_then(|_| hosts::check_built()))?;
    let interrupted = watch_signals()?;
    let mut hosts = Hosts::new()?;
    let mut stage = Stage::new(Arc::clone(&interrupted));
    out::line(&format!(
        "\nEverything of this demo lies in {}",
        hosts.folder().display()
    ));
    let mut played = stage.play(&steps::STEPS, &mut hosts);
    if played.is_ok() && !options.once {
        played = stay(&hosts, &interrupted);
    }
    if played.is_err() {
        out::line(&format!("\nThe logs end with\n{}", hosts.log_tails()));
    }
    let closed = hosts.close().context("the demo did not clean up");
    if let Err(error) = &closed {
        out::error(error);
    }
    played?;
    closed?;
    out::line(&format!(
        "\n{} checks held, and nothing is left behind.",
        stage.checks()
    ));
    Ok(())
}

/// A first Ctrl-C ends the demo in order; a second one ends it at once.
fn watch_signals() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

fn stay(hosts: &Hosts, interrupted: &AtomicBool) -> Result<()> {
    out::line("\nAll three stay up. Try:");
    for hint in hosts.hints()? {
        out::line(&format!("    {hint}"));
    }
    out::line("Ctrl-C ends it and removes everything.");
    while !interrupted.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    Ok(())
}
