//! `kerf-partitioner`: the privileged workers, and a look at the hardware without a daemon.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod look;
mod mps;

use std::error::Error;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use kerf_partitioner::process::worker::Site;
use kerf_partitioner::worker::{self, Machine};
use kerf_partitioner::{in_words, nvml, process};

use look::Look;
use mps::{Mps, MpsDaemon};

/// Finds and changes accelerators. Only root can change anything.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Answer kerfd's requests on file descriptor 0, a connected unix socket.
    Worker(MachineArgs),
    /// Carry out kerfd's requests about processes and containers on file descriptor 0, a connected unix socket.
    ProcessWorker(SiteArgs),
    /// Print what this host has.
    Discover(Look),
    /// Print how near its devices are to each other.
    Topology(Look),
    /// Print what the sensors of its GPUs read now.
    Sample(Look),
    /// Start an MPS control daemon that outlives this process, in a session and a mount namespace of its own;
    /// print its process id. Only root can.
    Mps(Mps),
    /// Become the MPS control daemon that is asked for on file descriptor 0, a connected unix socket.
    MpsDaemon(MpsDaemon),
    /// Print what the driver library answers about MIG, number by number, for recordings. Waits for as long
    /// as the driver takes.
    Answers(MachineArgs),
}

#[derive(Debug, Args)]
struct MachineArgs {
    /// The driver library: a path, `auto` for the installed driver's, or `none`.
    #[arg(long, value_name = "LIB|auto|none")]
    nvml: PathBuf,
    /// The folder that stands for `/`.
    #[arg(long, value_name = "DIR", default_value = "/")]
    sysroot: PathBuf,
    /// The folder of the simulated machine whose root that is: what is written goes through its kernel.
    #[arg(long, value_name = "DIR")]
    simulated: Option<PathBuf>,
}

impl MachineArgs {
    /// Paths are taken from the present folder once, here; the worker itself believes absolute ones only.
    fn machine(self) -> io::Result<Machine> {
        let simulated = self.simulated.map(std::path::absolute).transpose()?;
        Ok(Machine {
            simulated,
            ..Machine::under(&self.sysroot, &self.nvml)?
        })
    }
}

#[derive(Debug, Args)]
struct SiteArgs {
    /// The folder that stands for `/` of the machine whose devices these processes have.
    #[arg(long, value_name = "DIR", default_value = "/")]
    sysroot: PathBuf,
    /// The program kerf-runtime, which guards the containers of jobs.
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("KERF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    let result = match cli.verb {
        Verb::Worker(machine) => serve(machine),
        Verb::ProcessWorker(site) => serve_processes(site),
        Verb::Discover(look) => look.print(look::inventory),
        Verb::Topology(look) => look.print(look::topology),
        Verb::Sample(look) => look.print(look::samples),
        Verb::Answers(machine) => answers(machine),
        Verb::Mps(start) => start.print(),
        Verb::MpsDaemon(daemon) => daemon.serve(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = in_words(error.as_ref()), "ended with an error");
            ExitCode::FAILURE
        }
    }
}

fn answers(machine: MachineArgs) -> Result<(), Box<dyn Error>> {
    let library = machine
        .machine()?
        .library
        .ok_or("there are no answers without a library")?;
    let found = nvml::answers(&nvml::load(&library)?)?;
    let text = serde_json::to_string_pretty(&found)? + "\n";
    Ok(look::write(&text)?)
}

fn serve(machine: MachineArgs) -> Result<(), Box<dyn Error>> {
    let machine = machine.machine()?;
    worker::confine()?;
    Ok(worker::serve(socket()?, &machine)?)
}

fn serve_processes(args: SiteArgs) -> Result<(), Box<dyn Error>> {
    let site = Site {
        sysroot: std::path::absolute(&args.sysroot)?,
        runtime: args.runtime.map(std::path::absolute).transpose()?,
    };
    process::worker::confine()?;
    Ok(process::worker::serve(socket()?, &site)?)
}

/// The connected socket on file descriptor 0.
fn socket() -> io::Result<UnixStream> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Fails on anything but a connected socket.
    stream.peer_addr()?;
    Ok(stream)
}
