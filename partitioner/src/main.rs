//! `kerf-partitioner`: the privileged worker, and discovery without a daemon.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

use std::error::Error;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kerf_partitioner::client::WorkerCommand;
use kerf_partitioner::discover;
use kerf_partitioner::in_words;
use kerf_partitioner::worker::{self, Machine};

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
    /// Print what this host has.
    Discover(Look),
    /// Print how near its devices are to each other.
    Topology(Look),
    /// Print what the sensors of its GPUs read now.
    Sample(Look),
}

#[derive(Debug, Args)]
struct Look {
    #[command(flatten)]
    machine: MachineArgs,
    /// How to print it.
    #[arg(short, long, default_value = "table")]
    output: Output,
    /// How long one GPU may take to answer before it is left out.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    deadline_ms: u64,
}

#[derive(Debug, Args)]
struct MachineArgs {
    /// The driver library, an absolute path, or `none`.
    #[arg(long, value_name = "LIB|none")]
    nvml: PathBuf,
    /// The folder that stands for `/`.
    #[arg(long, value_name = "DIR", default_value = "/")]
    sysroot: PathBuf,
}

impl MachineArgs {
    /// Paths are taken from the present folder once, here; the worker itself believes absolute ones only.
    fn machine(self) -> io::Result<Machine> {
        let library = match self.nvml.as_os_str() == "none" {
            true => None,
            false => Some(std::path::absolute(self.nvml)?),
        };
        let sysroot = std::path::absolute(self.sysroot)?;
        Ok(Machine { library, sysroot })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
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
        Verb::Discover(look) => look.print(discover),
        Verb::Topology(look) => look.print(topology),
        Verb::Sample(look) => look.print(sample),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = in_words(error.as_ref()), "ended with an error");
            ExitCode::FAILURE
        }
    }
}

fn serve(machine: MachineArgs) -> Result<(), Box<dyn Error>> {
    let machine = machine.machine()?;
    worker::confine()?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Fails on anything but a connected socket.
    stream.peer_addr()?;
    Ok(worker::serve(stream, &machine)?)
}

impl Look {
    /// Prints what `find` makes of the machine.
    fn print(
        self,
        find: fn(&WorkerCommand, Duration, Output) -> Text,
    ) -> Result<(), Box<dyn Error>> {
        let command = WorkerCommand {
            executable: std::env::current_exe()?,
            machine: self.machine.machine()?,
        };
        let text = find(&command, Duration::from_millis(self.deadline_ms), self.output)?;
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    }
}

type Text = Result<String, Box<dyn Error>>;

fn discover(command: &WorkerCommand, deadline: Duration, output: Output) -> Text {
    let found = discover::discover(command, deadline)?;
    match output {
        Output::Table => Ok(discover::table(&found)),
        Output::Json => json(&kerf_api::json::Inventory::from(&found.inventory)),
    }
}

fn topology(command: &WorkerCommand, deadline: Duration, output: Output) -> Text {
    let found = discover::discover(command, deadline)?;
    match output {
        Output::Table => Ok(discover::topology_table(&found)),
        Output::Json => json(&discover::topology(&found)),
    }
}

fn sample(command: &WorkerCommand, deadline: Duration, output: Output) -> Text {
    let samples = discover::samples(command, deadline)?;
    match output {
        Output::Table => Ok(discover::samples_table(&samples)),
        Output::Json => json(&samples),
    }
}

fn json(document: &impl serde::Serialize) -> Text {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
