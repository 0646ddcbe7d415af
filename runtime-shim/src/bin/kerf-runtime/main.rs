//! `kerf-runtime`: what containerd, podman or docker run in the place of runc, the CDI hook `claim`, and the guard
//! `fence`.
//!
//! A table of contents of [`kerf_runtime`]. It ends as runc by exec, with its arguments as they came (and a
//! `--pid-file` for a container with an ask that has none), or with exit code 1 and a message; 2 is a wrong use of
//! `claim` or `fence`.

#![no_main]

mod sys;

use std::env;
use std::ffi::{OsString, c_int};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use kerf_runtime::argv::{self, LogTarget};
use kerf_runtime::claim::{self, ClaimError};
use kerf_runtime::guard::{self, GuardError};
use kerf_runtime::launch::{self, LaunchError, Setting};
use kerf_runtime::quick::{self, Start};
use kerf_runtime::report;
use kerf_runtime::settings::Settings;

fn run(mut start: Start) -> c_int {
    start.keep_env(quick::is_kept);
    quick::pass_on(&mut start);
    let args = start.owned_args();
    Start::settle();
    let (log, ended) = match args.split_first() {
        Some((verb, rest)) if verb == "claim" => (LogTarget::default(), hook(rest)),
        Some((verb, rest)) if verb == "fence" => {
            let ended = guard::run(rest).map_err(LaunchError::from);
            (LogTarget::default(), ended)
        }
        _ => wrap(&args),
    };
    let Err(error) = ended else {
        return 0;
    };
    report::failure(&error, error.hint().as_deref(), &log);
    match error {
        LaunchError::Claim(ClaimError::Usage) | LaunchError::Guard(GuardError::Usage) => 2,
        _ => 1,
    }
}

fn hook(args: &[OsString]) -> Result<(), LaunchError> {
    let settings = Settings::load(&own_path()?)?;
    claim::run(args, settings, io::stdin().lock())
}

/// Returns only with an error: otherwise this process is the runtime.
fn wrap(args: &[OsString]) -> (LogTarget, Result<(), LaunchError>) {
    let (log, invocation) = argv::parse(args);
    let ended = invocation
        .map_err(LaunchError::from)
        .and_then(|invocation| {
            let exe = own_path()?;
            let settings = Settings::load(&exe)?;
            let runtime = settings.find_runtime(&exe)?;
            let setting = Setting {
                settings: &settings,
                runtime: &runtime,
            };
            let args = launch::prepare(args, &invocation, &setting)?;
            // exec also gives SIGPIPE back its default, which `settle` took away.
            let source = Command::new(&runtime).args(args.iter()).exec();
            Err(LaunchError::Exec { runtime, source })
        });
    (log, ended)
}

/// The link and not what it names would be a choice of whoever calls; the kernel resolves it.
fn own_path() -> Result<PathBuf, LaunchError> {
    env::current_exe().map_err(LaunchError::OwnPath)
}
