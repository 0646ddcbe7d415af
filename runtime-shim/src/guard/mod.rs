//! `kerf-runtime fence`: the guard of a container that outlives kerfd.
//!
//! A member of a job may be started elsewhere once its host has been silent for long enough. That is safe only
//! where it has ended here by then, also when kerfd is dead, stopped or stuck. So kerfd starts a fence before it
//! asks for the container, and renews the deadline in the fence's file for as long as it hears of the job. The fence
//! is a process of its own that sleeps until the deadline, and then kills everything in the container's cgroup.
//!
//! It owns a lock on its file, by which kerfd sees that it lives, and nothing else. It never asks kerfd, never renews
//! a deadline by itself, and never kills anything outside the folders that it was given.
//!
//! `kerf-runtime fence DEADLINE_FILE CGROUP...`: one byte on standard output says that it stands, and the end of
//! both output streams without it that it does not.

mod cgroup;
pub mod deadline;
mod sys;
mod watch;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cgroup::Cgroup;
use deadline::Reading;
use watch::{Look, Next, Watch};

/// What the fence says once it stands.
pub const READY: &[u8] = b".";

/// A fence that does not come to stand.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Wrong arguments.
    #[error("wrong use: kerf-runtime fence DEADLINE_FILE CGROUP... expected")]
    Usage,
    /// The deadline file cannot be opened.
    #[error("the deadline file {} cannot be opened", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another fence holds the file.
    #[error("another fence holds the deadline file {}", file.display())]
    Taken {
        /// The file.
        file: PathBuf,
    },
    /// There is no deadline in the file.
    #[error("the deadline file {} holds no deadline", file.display())]
    NoDeadline {
        /// The file.
        file: PathBuf,
    },
    /// It cannot become a process of its own.
    #[error("the fence cannot become a process of its own")]
    Detach(#[source] io::Error),
    /// Nobody hears that it stands, so nobody will start the container.
    #[error("whoever started the fence is gone")]
    Unheard(#[source] io::Error),
}

/// Stands guard until the container is over. The process that calls this ends once a process of its own stands
/// guard in its place; the call returns in that one, or with why there is none.
///
/// Must be called while there is one thread and no file is open.
///
/// # Errors
/// When no fence stands; then nothing was killed.
pub fn run(args: &[OsString]) -> Result<(), GuardError> {
    let [path, folders @ ..] = args else {
        return Err(GuardError::Usage);
    };
    let (path, folders): (&Path, Vec<PathBuf>) =
        (path.as_ref(), folders.iter().map(PathBuf::from).collect());
    if folders.is_empty() || !folders.iter().all(|folder| folder.is_absolute()) {
        return Err(GuardError::Usage);
    }
    sys::close_others();
    let file = take(path)?;
    let Reading::At(deadline_ms) = deadline::read(&file) else {
        return Err(GuardError::NoDeadline {
            file: path.to_owned(),
        });
    };
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = OwnedFd::from(null.map_err(GuardError::Detach)?);
    sys::detach().map_err(GuardError::Detach)?;
    sys::stand_alone();
    let cgroup = Cgroup::new(folders);
    let watch = Watch::new(deadline_ms, cgroup.is_populated());
    let mut out = io::stdout();
    let said = out.write_all(READY).and_then(|()| out.flush());
    said.map_err(GuardError::Unheard)?;
    sys::silence(&null).map_err(GuardError::Detach)?;
    drop(null);
    guard(&file, watch, &cgroup);
    Ok(())
}

/// Opens the file and holds it. The lock belongs to the open file, so it goes on in a forked process and ends with the
/// last one that has it open.
fn take(path: &Path) -> Result<File, GuardError> {
    let failed = |source| GuardError::File {
        file: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GuardError::Taken {
            file: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn guard(file: &File, mut watch: Watch, cgroup: &Cgroup) {
    loop {
        let look = Look {
            now_ms: sys::boot_ms(),
            reading: deadline::read(file),
            told_to_end: sys::told_to_end(),
        };
        match watch.next(look, || cgroup.is_populated()) {
            Next::Sleep(until_ms) => sys::sleep_until(until_ms),
            Next::Kill(until_ms) => {
                cgroup.kill();
                sys::sleep_until(until_ms);
            }
            Next::End => return,
        }
    }
}
