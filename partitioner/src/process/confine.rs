//! A cgroup of its own for a bare process, that lets it open the accelerators of its lease and no others.
//!
//! It is made below the one that the process is in, so nothing is allowed there that was not before. Under cgroup v1
//! the devices controller keeps the list (kernel: `Documentation/admin-guide/cgroup-v1/devices.rst`, `security/
//! device_cgroup.c`): everything is denied, then what is no accelerator is allowed again by the majors of
//! `/proc/devices`, and the granted nodes by number. A driver that is loaded later is not among them. Under cgroup v2 a
//! program in the kernel would keep it, which kerf does not load: the process is counted and not fenced.

mod rules;

use std::io;
use std::path::{Path, PathBuf};
use std::{fs, thread, time::Duration};

use kerf_types::LeaseId;
use kerf_types::lease::InitProcess;

use super::cgroup::{self, Cgroup};
use super::control::{self, RuleError};
pub use rules::DeviceNumber;
use rules::{Change, changes, unexpected};

/// Tries to remove a cgroup whose last process has just gone, and the time between two: the kernel lets go of it a
/// moment later.
const REMOVALS: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(5);

/// Why a process cannot be fenced in.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The cgroup of the process keeps it from a device of its lease.
    #[error("the cgroup {} that the process is in does not let it have {}", folder.display(), node.display())]
    Kept {
        /// That cgroup.
        folder: PathBuf,
        /// The node.
        node: PathBuf,
    },
    /// A rule could not be written, or not be read.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// What was read back allows more than was written.
    #[error("{} allows more than was granted: {what}", folder.display())]
    Wide {
        /// The cgroup.
        folder: PathBuf,
        /// What.
        what: String,
    },
    /// The process is not in its cgroup.
    #[error("process {pid} cannot be moved to {}", folder.display())]
    Move {
        /// The process.
        pid: u32,
        /// The cgroup.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The cgroup of a bare process.
#[derive(Debug, Clone)]
pub struct Confined {
    /// It; `None` where none could be made.
    pub cgroup: Option<Cgroup>,
    /// Why the process can open other accelerators too.
    pub open: Option<String>,
}

/// Makes the cgroup of a lease below that of a process, with its rules, and nobody in it yet.
///
/// # Errors
/// When the process could not open what it was granted, or could open more although the kernel keeps a list.
pub fn make(
    process: &InitProcess,
    lease: LeaseId,
    nodes: &[DeviceNumber],
) -> Result<Confined, ConfineError> {
    let open = |cgroup, why: String| Confined {
        cgroup,
        open: Some(why),
    };
    let Some(place) = cgroup::place_of(process.pid) else {
        return Ok(open(None, "its cgroup cannot be found".to_owned()));
    };
    let folder = place.folder.join(name_of(lease));
    let cgroup = match fs::create_dir(&folder) {
        Ok(()) => Cgroup::at(folder.clone()),
        Err(error) => {
            let why = format!("{} cannot be made: {error}", folder.display());
            return Ok(open(None, why));
        }
    };
    if !place.is_v1 {
        let why = "cgroup v2 fences devices by a program that kerf does not load";
        return Ok(open(cgroup, why.to_owned()));
    }
    if let Err(error) = fence(&folder, nodes) {
        remove(&folder);
        return Err(error);
    }
    Ok(Confined { cgroup, open: None })
}

impl Confined {
    /// Moves the process in. That it is the very one is looked at after the move: the pid cannot have changed hands and
    /// come back meanwhile.
    pub fn take_in(&self, process: &InitProcess) -> Result<(), ConfineError> {
        let Some(cgroup) = &self.cgroup else {
            return Ok(());
        };
        let failed = |source| ConfineError::Move {
            pid: process.pid,
            folder: cgroup.folder.clone(),
            source,
        };
        let members = cgroup.folder.join("cgroup.procs");
        fs::write(members, process.pid.to_string()).map_err(failed)?;
        if super::is_alive(process) {
            return Ok(());
        }
        Err(failed(io::Error::from(io::ErrorKind::NotFound)))
    }

    /// Takes the cgroup away again; one that is not empty stays.
    pub fn remove(&self) {
        if let Some(cgroup) = &self.cgroup {
            remove(&cgroup.folder);
        }
    }
}

/// Whether a cgroup is one that was made here for this lease.
pub fn is_own(cgroup: &Cgroup, lease: LeaseId) -> bool {
    cgroup.folder.file_name() == Some(name_of(lease).as_ref())
}

/// Takes the cgroup of an ended lease away, if this is one that was made here for it.
pub fn remove_own(cgroup: &Cgroup, lease: LeaseId) {
    if is_own(cgroup, lease) {
        remove(&cgroup.folder);
    }
}

fn name_of(lease: LeaseId) -> String {
    format!("kerf-lease-{lease}")
}

fn remove(folder: &Path) {
    for _ in 0..REMOVALS {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                thread::sleep(REMOVAL_PAUSE);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %folder.display(), %error, "cgroup of an ended lease remains");
                return;
            }
            _ => return,
        }
    }
}

fn fence(folder: &Path, nodes: &[DeviceNumber]) -> Result<(), ConfineError> {
    let devices = control::read(Path::new("/proc/devices"))?;
    let list = folder.join("devices.list");
    for change in changes(&control::read(&list)?, &devices, nodes) {
        write(folder, &change)?;
    }
    let unexpected = unexpected(&control::read(&list)?, &devices, nodes);
    if unexpected.is_empty() {
        return Ok(());
    }
    Err(ConfineError::Wide {
        folder: folder.to_owned(),
        what: unexpected.join(", "),
    })
}

fn write(folder: &Path, change: &Change) -> Result<(), ConfineError> {
    let (name, rule) = match change {
        Change::Deny(rule) => ("devices.deny", rule),
        Change::Allow { rule, .. } => ("devices.allow", rule),
    };
    match (control::write(folder, name, rule), change) {
        (Err(error), Change::Allow { node, .. }) if error.is_forbidden() => match node {
            Some(node) => Err(ConfineError::Kept {
                folder: folder.parent().unwrap_or(folder).to_owned(),
                node: node.clone(),
            }),
            // What the cgroup above does not allow stays denied.
            None => Ok(()),
        },
        (done, _) => Ok(done?),
    }
}

#[cfg(test)]
mod tests;
