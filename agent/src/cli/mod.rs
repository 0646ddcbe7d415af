//! `kerf`: the command line. One file a verb; each holds its arguments, its call, and how the answer looks.
//!
//! The shell around the verbs is small: [`client`] reaches kerfd, [`print`] writes documents, [`fail`] says
//! what went wrong. How a document looks is a pure function of it. Nothing here decides about the host, and
//! nothing here touches its hardware. Open to others are only the readers of what people hand to it: [`batch`], [`input`],
//! [`layout`].
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a difference was found (`assert`, `plan --exit-code`)
//! or others are in the way (`maintenance`). `kerf run`
//! and `kerf lease exec` return the code of their command, and 125 for whatever went wrong in kerf itself.

mod apply;
mod assert;
pub mod batch;
mod cancel;
mod cdi;
mod checkpoint;
mod client;
mod cluster;
mod completion;
mod config;
mod device;
mod discover;
mod doctor;
mod events;
mod excerpt;
mod explain;
mod export;
mod fail;
mod force;
mod history;
pub mod input;
mod inventory;
mod jobs;
mod keyring;
pub mod layout;
mod lease;
mod logs;
mod maintenance;
mod manual;
mod members;
mod nodes;
mod output;
mod plan;
mod print;
mod profiles;
mod restore;
mod run;
mod schema;
mod setup;
mod sim;
mod slices;
mod spec;
mod status;
mod style;
mod submit;
mod table;
#[cfg(test)]
mod tests;
mod topology;
mod usage;
mod vgpu;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use fail::Failure;
use print::{Output, Printer};

/// Where kerfd listens unless somebody says otherwise.
const DEFAULT_SOCKET: &str = "/run/kerf/kerf.sock";

/// Names kerfd's socket when `--socket` does not.
const SOCKET_ENV: &str = "KERF_SOCKET";

/// Heading of the options that every verb has.
const GLOBAL: &str = "For every verb";

/// Finds, cuts, leases and runs on the accelerators of this host and its fleet, through kerfd.
#[derive(Debug, Parser)]
#[command(name = "kerf", version, max_term_width = 100)]
pub struct Cli {
    /// kerfd's socket; default: the variable KERF_SOCKET, else /run/kerf/kerf.sock
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    socket: Option<PathBuf>,
    /// How documents and errors are written: table, json or yaml; a topology also as dot, svg or nccl-xml
    #[arg(short, long, global = true, value_name = "FORMAT", help_heading = GLOBAL)]
    #[arg(default_value = "table", hide_possible_values = true)]
    output: Output,
    /// Write without colours, as the variable NO_COLOR asks for
    #[arg(long, global = true, help_heading = GLOBAL)]
    no_color: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
enum Verb {
    /// How this host is, and what is not well
    Status(status::Args),
    /// The hosts of the fleet, as this one knows them
    Nodes(nodes::Args),
    /// Ask the driver anew what this host has
    Discover(discover::Args),
    /// What this host has, as last seen
    Inventory(inventory::Args),
    /// How near the devices are to each other
    Topology(topology::Args),
    /// What is not as it should be, and what to do about it
    Doctor(doctor::Args),
    /// Into what the GPUs can be cut
    Profiles(profiles::Args),
    /// The slices, and who has them
    Slices(slices::Args),
    /// What a layout would change
    Plan(plan::Args),
    /// Cut the GPUs as a layout says
    Apply(Box<apply::Args>),
    /// Whether the GPUs are cut as a layout says
    Assert(assert::Args),
    /// What is there, as a layout
    Export(export::Args),
    /// Keep exactly what lies where
    Checkpoint(checkpoint::Args),
    /// Bring back exactly what a checkpoint kept
    Restore(restore::Args),
    /// Who changed which GPU, and what came of it
    History(history::Args),
    /// Run a job and follow it
    Run(Box<run::Args>),
    /// Submit a job and leave it alone
    Submit(Box<submit::Args>),
    /// Jobs and how they are
    Jobs(jobs::Args),
    /// Why a job is where it is, or why it waits
    Explain(explain::Args),
    /// What a job has printed
    Logs(logs::Args),
    /// End jobs
    Cancel(cancel::Args),
    /// Let a job go on without keepers that are gone for good
    Force(force::Args),
    /// Leases: promises of slices and GPUs
    #[command(subcommand)]
    Lease(lease::Verb),
    /// Devices of containers that run
    #[command(subcommand)]
    Device(device::Verb),
    /// CDI names: what runtimes find on this host
    #[command(subcommand)]
    Cdi(cdi::Verb),
    /// Close the driver for work on it or on a GPU, and open it again
    #[command(subcommand)]
    Maintenance(maintenance::Verb),
    /// vGPUs: shares of GPUs for virtual machines
    #[command(subcommand)]
    Vgpu(vgpu::Verb),
    /// Who belongs to the fleet: make a cluster, join it, put a host out
    #[command(subcommand)]
    Cluster(cluster::Verb),
    /// The keys that the fleet's gossip is sealed with
    #[command(subcommand)]
    Keyring(keyring::Verb),
    /// What has happened on this host
    Events(events::Args),
    /// kerfd's configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Make kerf-runtime known to a container engine
    #[command(subcommand)]
    Setup(setup::Verb),
    /// Simulated machines
    #[command(subcommand)]
    Sim(sim::Verb),
    /// The JSON Schema of a document
    Schema(schema::Args),
    /// A completion script for a shell
    Completion(completion::Args),
    /// Write the pages of the manual into a folder, for those who make packages
    #[command(hide = true)]
    Manual(manual::Args),
}

/// How a verb ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Done.
    Done,
    /// Done, and a difference was found that the caller asked to be told of.
    Differs,
    /// The exit code of a job or of another program.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Differs => Self::from(3),
            Exit::Code(code) => Self::from(code),
        }
    }
}

/// What every verb has: the way to kerfd and the way to the terminal.
#[derive(Debug)]
struct Context {
    socket: PathBuf,
    print: Printer,
}

/// Runs the command line to its end.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; a closed terminal is nobody's fault.
            drop(error.print());
            return usage_code(&error, &arguments);
        }
    };
    if let Err(error) = no_picture_of_others(&cli) {
        drop(error.print());
        return usage_code(&error, &arguments);
    }
    let socket = cli
        .socket
        .or_else(|| std::env::var_os(SOCKET_ENV).map(PathBuf::from));
    let context = Context {
        socket: socket.unwrap_or_else(|| DEFAULT_SOCKET.into()),
        print: Printer::new(cli.output, cli.no_color),
    };
    let failed = if matches!(cli.verb, Verb::Run(_) | Verb::Lease(lease::Verb::Exec(_))) {
        run::FAILED
    } else {
        1
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli.verb, &context)),
        Err(source) => Err(Failure::Runtime { source }),
    };
    match outcome {
        Ok(exit) => exit.into(),
        // Whoever closed it has read enough.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            context.print.failure(&failure);
            if let Failure::Exec(error) = &failure
                && let Some(code) = error.code()
            {
                return ExitCode::from(code);
            }
            ExitCode::from(if failed == 1 && failure.is_usage() {
                2
            } else {
                failed
            })
        }
    }
}

/// Only a topology can be drawn.
fn no_picture_of_others(cli: &Cli) -> Result<(), clap::Error> {
    let can_draw = matches!(&cli.verb, Verb::Topology(args) if args.can_draw());
    if cli.output.picture().is_none() || can_draw {
        return Ok(());
    }
    let why = "only kerf topology can be drawn: --output takes table, json or yaml here";
    Err(Cli::command().error(clap::error::ErrorKind::InvalidValue, why))
}

async fn dispatch(verb: Verb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Status(args) => status::run(&args, context).await,
        Verb::Nodes(args) => nodes::run(&args, context).await,
        Verb::Discover(args) => discover::run(&args, context).await,
        Verb::Inventory(args) => inventory::run(&args, context).await,
        Verb::Topology(args) => topology::run(&args, context).await,
        Verb::Doctor(args) => doctor::run(&args, context).await,
        Verb::Profiles(args) => profiles::run(&args, context).await,
        Verb::Slices(args) => slices::run(&args, context).await,
        Verb::Plan(args) => plan::run(&args, context).await,
        Verb::Apply(args) => apply::run(&args, context).await,
        Verb::Assert(args) => assert::run(&args, context).await,
        Verb::Export(args) => export::run(&args, context).await,
        Verb::Checkpoint(args) => checkpoint::run(&args, context).await,
        Verb::Restore(args) => restore::run(&args, context).await,
        Verb::History(args) => history::run(&args, context).await,
        Verb::Run(args) => run::run(*args, context).await,
        Verb::Submit(args) => submit::run(*args, context).await,
        Verb::Jobs(args) => jobs::run(&args, context).await,
        Verb::Explain(args) => explain::run(&args, context).await,
        Verb::Logs(args) => logs::run(&args, context).await,
        Verb::Cancel(args) => cancel::run(&args, context).await,
        Verb::Force(args) => force::run(&args, context).await,
        Verb::Device(verb) => device::run(verb, context).await,
        Verb::Lease(verb) => lease::run(verb, context).await,
        Verb::Cdi(verb) => cdi::run(&verb, context).await,
        Verb::Maintenance(verb) => maintenance::run(&verb, context).await,
        Verb::Vgpu(verb) => vgpu::run(&verb, context).await,
        Verb::Cluster(verb) => cluster::run(&verb, context).await,
        Verb::Keyring(verb) => keyring::run(&verb, context).await,
        Verb::Events(args) => events::run(&args, context).await,
        Verb::Config(verb) => config::run(&verb, context).await,
        Verb::Setup(verb) => setup::run(&verb, context),
        Verb::Sim(verb) => sim::run(&verb, context),
        Verb::Schema(args) => schema::run(&args, context),
        Verb::Completion(args) => completion::run(&args, context),
        Verb::Manual(args) => manual::run(&args),
    }
}

/// 0 for help, else 2; wrong usage of `kerf run` is a failure of kerf's, never the code of a job.
fn usage_code(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let lenient = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(arguments);
    let is_run = lenient.is_ok_and(|matches| match matches.subcommand() {
        Some(("run", _)) => true,
        Some(("lease", verb)) => verb.subcommand_name() == Some("exec"),
        _ => false,
    });
    ExitCode::from(if is_run { run::FAILED } else { 2 })
}
