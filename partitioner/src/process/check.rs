//! What the worker makes sure of before it changes anything: that what it was told to touch is what it is there for.
//!
//! kerfd may be mistaken, or somebody else's by then: it has a network, and the worker has rights. Places in a container
//! are checked where they are opened ([`super::attach`]), and processes by their start; here are the names.

use std::path::{Path, PathBuf};

use super::attach::rules::Numbers;
use super::attach::{Node, Target};
use super::cgroup::{self, Cgroup};
use super::job;

/// What is not done, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It is no cgroup that this may be done to.
    #[error("{} is no {what}", folder.display())]
    Cgroup {
        /// As it was named.
        folder: PathBuf,
        /// What it had to be.
        what: &'static str,
    },
    /// The process is in none of the container's cgroups.
    #[error("process {pid} is not in {}", folder.display())]
    Elsewhere {
        /// The process.
        pid: u32,
        /// The container's cgroup.
        folder: PathBuf,
    },
    /// It is no device of a GPU's driver.
    #[error("device {major}:{minor} is of no driver of GPUs")]
    Device {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// It belongs to none of the nodes.
    #[error("{} is neither a node of the lease nor the folder of one", path.display())]
    Unasked {
        /// The path.
        path: PathBuf,
    },
    /// The path depends on where this process is.
    #[error("{} is not absolute", path.display())]
    Relative {
        /// The path.
        path: PathBuf,
    },
}

/// That a cgroup is one with a list of devices.
pub fn listed(cgroup: &Cgroup) -> Result<(), CheckError> {
    if cgroup::is_listed(&cgroup.folder) {
        return Ok(());
    }
    Err(CheckError::Cgroup {
        folder: cgroup.folder.clone(),
        what: "cgroup with a list of devices",
    })
}

/// That it is a cgroup at all.
pub fn any(cgroup: &Cgroup) -> Result<(), CheckError> {
    if cgroup::is_any(&cgroup.folder) {
        return Ok(());
    }
    Err(CheckError::Cgroup {
        folder: cgroup.folder.clone(),
        what: "cgroup",
    })
}

/// That a container is one: its first process is in the cgroup that was named, or below it.
pub fn target(target: &Target) -> Result<(), CheckError> {
    listed(&target.cgroup)?;
    let (pid, folder) = (target.init.pid, &target.cgroup.folder);
    let places = cgroup::places_of(pid).unwrap_or_default();
    let is_in = places.iter().any(|place| place.folder.starts_with(folder));
    // One that has ended is told by who opens its root, in the words for that.
    if is_in || !super::is_alive(&target.init) {
        return Ok(());
    }
    Err(CheckError::Elsewhere {
        pid,
        folder: folder.clone(),
    })
}

/// That all of these are devices of a GPU's driver. Drivers have majors of their own, which `/proc/devices` of the machine
/// under this root names.
pub fn devices(
    sysroot: &Path,
    numbers: impl IntoIterator<Item = Numbers>,
) -> Result<(), CheckError> {
    let table = std::fs::read_to_string(sysroot.join("proc/devices")).unwrap_or_default();
    devices_in(&table, numbers)
}

fn devices_in(table: &str, numbers: impl IntoIterator<Item = Numbers>) -> Result<(), CheckError> {
    let lines = table.lines().skip_while(|line| !line.starts_with("Char"));
    let lines = lines.skip(1).take_while(|line| !line.trim().is_empty());
    let gpus: Vec<&str> = lines
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(_, name)| name.trim().starts_with("nvidia") || name.trim() == "drm")
        .map(|(major, _)| major)
        .collect();
    let stranger = numbers
        .into_iter()
        .find(|(major, _)| !gpus.contains(&major.to_string().as_str()));
    match stranger {
        None => Ok(()),
        Some((major, minor)) => Err(CheckError::Device { major, minor }),
    }
}

/// That only nodes that were asked for are made, and their folders.
pub fn made(made: &[PathBuf], nodes: &[Node]) -> Result<(), CheckError> {
    let is_asked = |path: &PathBuf| {
        let parent = |node: &Node| node.path.parent() == Some(path) && path != Path::new("/dev");
        nodes.iter().any(|node| node.path == *path || parent(node))
    };
    match made.iter().find(|path| !is_asked(path)) {
        None => Ok(()),
        Some(path) => Err(CheckError::Unasked { path: path.clone() }),
    }
}

/// That these are cgroups of a job's container.
pub fn jobs(folders: &[PathBuf]) -> Result<(), CheckError> {
    match folders.iter().find(|folder| !job::is_one(folder)) {
        None => Ok(()),
        Some(folder) => Err(CheckError::Cgroup {
            folder: folder.clone(),
            what: "cgroup of a job",
        }),
    }
}

/// That a path does not depend on where this process is.
pub fn absolute(path: &Path) -> Result<(), CheckError> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(CheckError::Relative {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{CheckError, devices_in, made};
    use crate::process::attach::Node;

    #[test]
    fn only_devices_of_gpus_are_let_through() {
        let table = "Character devices:\n  1 mem\n195 nvidia\n195 nvidiactl\n226 drm\n507 nvidia-caps\n\
                     510 nvme-generic\n\nBlock devices:\n  8 nvidia\n";
        let is = |major| devices_in(table, [(195, 255), (major, 0)]).is_ok();
        assert!(is(195) && is(226) && is(507));
        for major in [1, 8, 9, 510] {
            assert!(!is(major), "{major}");
        }
        let refused = devices_in("", [(195, 0)]);
        let (major, minor) = (195, 0);
        assert_eq!(refused, Err(CheckError::Device { major, minor }));
    }

    #[test]
    fn only_nodes_that_were_asked_for_are_made() {
        let node = |path: &str| Node {
            path: path.into(),
            numbers: (195, 0),
            mode: 0o666,
            owner: (0, 0),
        };
        let nodes = [node("/dev/nvidia0"), node("/dev/nvidia-caps/nvidia-cap1")];
        let is = |path: &str| made(&[PathBuf::from(path)], &nodes).is_ok();
        assert!(is("/dev/nvidia0") && is("/dev/nvidia-caps") && is("/dev/nvidia-caps/nvidia-cap1"));
        for path in [
            "/dev",
            "/",
            "/dev/nvidia1",
            "/dev/nvidia-caps/x",
            "nvidia0",
            "",
        ] {
            assert!(!is(path), "{path:?}");
        }
    }
}
