//! `kerf lease exec`: a command under a lease, without a container.
//!
//! This process asks kerfd for itself and then becomes the command, so that signals, the terminal and the exit code are
//! the command's own, and what kerfd watches is what runs. It ends as `env` does where the command cannot be run (126,
//! or 127 for one that is not there), and with 125 for whatever went wrong in kerf.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use kerf_api::v1;
use kerf_partitioner::sysfs::cpus::CpuSet;
use nix::sched::{CpuSet as Mask, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::super::client::{Client, within};
use super::super::fail::Failure;
use super::super::{Context, Exit};
use super::{named, wait};
use crate::process::lift_locked_memory;

/// `kerf lease exec`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("lease").required(true).args(["ask", "id"]))]
pub struct Args {
    /// A lease that was made before, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// What to make a lease of: 1g.10gb, gpu:2, memory>=20GiB,fp8, or another ask as of kerf lease create
    #[arg(long, value_name = "ASK")]
    ask: Option<String>,
    /// How long to wait for room that others have
    #[arg(long, value_name = "TIME", value_parser = wait, requires = "ask")]
    wait: Option<u64>,
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

/// Why a command could not be run under a lease.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The start of this process cannot be read.
    #[error("the start of this process cannot be read from /proc/self/stat")]
    Stat(#[source] procfs::ProcError),
    /// The command cannot be run.
    #[error("cannot run {command:?}")]
    Run {
        /// The command.
        command: std::ffi::OsString,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ExecError {
    /// The exit code that says it, as `env` gives it; `None` for failures of kerf.
    pub fn code(&self) -> Option<u8> {
        match self {
            Self::Stat(_) => None,
            Self::Run { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(127),
            Self::Run { .. } => Some(126),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Stat(_) => Some("is /proc mounted?".to_owned()),
            Self::Run { .. } => None,
        }
    }
}

/// Takes a lease for this process, and becomes the command.
pub async fn run(args: Args, mut client: Client, context: &Context) -> Result<Exit, Failure> {
    let myself = procfs::process::Process::myself().and_then(|myself| myself.stat());
    let start_ticks = myself.map_err(ExecError::Stat)?.starttime;
    let id = match args.id {
        Some(id) => named(&mut client, id).await?,
        None => String::new(),
    };
    let wait_ms = args.wait.unwrap_or(0);
    let request = v1::ExecLeaseRequest {
        ask: args.ask.unwrap_or_default(),
        id,
        start_ticks,
        wait_ms,
    };
    let held = client.exec_lease(within(request, wait_ms)).await;
    let held = held.map_err(Failure::call("take the lease"))?.into_inner();
    if let Some(why) = &held.open {
        let id = held.lease.as_ref().map_or("", |lease| lease.id.as_str());
        let text = format!(
            "not isolated: the command can open other accelerators than those of lease {id}: {why}"
        );
        context.print.warning(&text);
    }
    if held.memlock_unlimited
        && let Some(bytes) = lift_locked_memory()
    {
        context.print.warning(&bound_of_locked_memory(bytes));
    }
    stay_near(held.cpus.as_deref());
    let mut words = args.command.into_iter();
    let name = words.next().unwrap_or_default();
    let mut command = Command::new(&name);
    command.args(words);
    command.envs(held.env.iter().filter_map(|entry| entry.split_once('=')));
    let source = command.exec();
    let command = name;
    Err(ExecError::Run { command, source }.into())
}

/// What is said where the hard limit of locked memory is not this user's to lift. The command runs all the same: how much
/// it will lock is its own to know.
fn bound_of_locked_memory(bytes: u64) -> String {
    format!(
        "the command can lock {} KiB of memory and no more, which is the hard limit here; what programs map for VFIO and RDMA \
         devices is locked: LimitMEMLOCK=infinity of a unit, or memlock in /etc/security/limits.conf, takes the limit away",
        bytes >> 10
    )
}

/// Keeps this process to the processors nearest to its devices, as far as it may use them at all. That it cannot is no
/// reason not to run: the command is only slower.
fn stay_near(cpus: Option<&str>) {
    let Some(near) = cpus.and_then(CpuSet::from_list) else {
        return;
    };
    let myself = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(myself) else {
        return;
    };
    let mut mask = Mask::new();
    let mut is_some = false;
    for cpu in 0..Mask::count() {
        let is_near = u32::try_from(cpu).is_ok_and(|cpu| near.contains(cpu));
        if is_near && allowed.is_set(cpu).unwrap_or(false) {
            is_some |= mask.set(cpu).is_ok();
        }
    }
    if is_some && let Err(error) = sched_setaffinity(myself, &mask) {
        tracing::debug!(%error, "the command is not kept near its devices");
    }
}
