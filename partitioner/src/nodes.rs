//! Device nodes of MIG capabilities, `/dev/nvidia-caps/nvidia-cap<minor>`.
//!
//! NVIDIA's own tools make them when they feel like it, and a container can only be given a node that
//! exists. Owns making what the driver's table names and `/dev` lacks. Never replaces or removes a node:
//! one with other numbers is somebody's mistake or attack, and is refused.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use kerf_types::DeviceMinor;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag};
use nix::sys::stat::{fstatat, major, makedev, minor, mkdirat, mknodat};

use crate::sysfs::capabilities::{Capability, CapabilityTable};
use crate::sysfs::{Root, SysfsError, majors};

/// The folder of the nodes. It is public: the driver checks what a process may open by the node.
const FOLDER: &str = "nvidia-caps";
const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o755);
/// What the driver gives instance nodes (`DeviceFileMode: 292` under `/proc/driver/nvidia/capabilities`).
const NODE_MODE: Mode = Mode::from_bits_truncate(0o444);

/// A character node that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Its path under the root, beginning with `/dev`.
    pub path: String,
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
}

/// Why there is no such node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A table of the driver could not be read.
    #[error("read the driver's tables")]
    Table {
        /// Why.
        #[source]
        cause: SysfsError,
    },
    /// The driver has no instance capability of this minor, or has none at all.
    #[error("minor {minor} opens no MIG instance of this driver")]
    NoCapability {
        /// The minor.
        minor: u32,
    },
    /// The driver of capability nodes is not loaded.
    #[error("/proc/devices does not name {}", majors::NVIDIA_CAPS)]
    NoMajor,
    /// The tree is not the real machine's, and its major is that of real hardware.
    #[error(
        "major {major} belongs to {driver} of the real machine, whose devices no tree may open"
    )]
    RealMajor {
        /// The major.
        major: u32,
        /// Name of the real driver.
        driver: String,
    },
    /// Something else has the node's name.
    #[error("{path} is {found}, expected the character device {expected}")]
    Foreign {
        /// Path under the root.
        path: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The kernel refused.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Path under the root.
        path: String,
        /// Why.
        #[source]
        cause: Errno,
    },
}

/// Makes the nodes of these minors where they are missing, and checks those that exist.
pub fn ensure(root: &Root, minors: &[DeviceMinor]) -> Result<Vec<DeviceNode>, NodeError> {
    if minors.is_empty() {
        return Ok(Vec::new());
    }
    let table = CapabilityTable::read(root).map_err(|cause| NodeError::Table { cause })?;
    let majors = majors::majors(root).map_err(|cause| NodeError::Table { cause })?;
    let major = *majors.get(majors::NVIDIA_CAPS).ok_or(NodeError::NoMajor)?;
    if !root.is_real() {
        let real = Root::open(Path::new("/")).and_then(|real| majors::character_drivers(&real));
        refuse_real(major, &real.map_err(|cause| NodeError::Table { cause })?)?;
    }
    let folder = folder(root)?;
    let mut nodes = Vec::new();
    for &DeviceMinor(minor) in minors {
        // Never `config` or `monitor`: who opens these rules or watches every slice.
        if !matches!(
            table.capability(DeviceMinor(minor)),
            Some(Capability::Gi(..) | Capability::Ci(..))
        ) {
            return Err(NodeError::NoCapability { minor });
        }
        let name = format!("nvidia-cap{minor}");
        let node = DeviceNode {
            path: format!("/dev/{FOLDER}/{name}"),
            major,
            minor,
        };
        ensure_node(&folder, &name, &node)?;
        if root.is_real() {
            ensure_link(root, &node)?;
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// Whoever can write a tree writes its `/proc/devices`, and would have root make a node of the real
/// machine's memory or disks for him.
fn refuse_real(major: u32, real: &[(u32, String)]) -> Result<(), NodeError> {
    match real.iter().find(|(taken, _)| *taken == major) {
        None => Ok(()),
        Some((_, driver)) => Err(NodeError::RealMajor {
            major,
            driver: driver.clone(),
        }),
    }
}

fn folder(root: &Root) -> Result<OwnedFd, NodeError> {
    let path = format!("dev/{FOLDER}");
    let failed = |operation| {
        let path = format!("/{path}");
        move |cause| NodeError::Io {
            operation,
            path,
            cause,
        }
    };
    match root.folder(&path) {
        Err(Errno::ENOENT) => {}
        answer => return answer.map_err(failed("open")),
    }
    let dev = root.folder("dev").map_err(failed("open the parent of"))?;
    match mkdirat(dev.as_fd(), FOLDER, FOLDER_MODE) {
        Ok(()) | Err(Errno::EEXIST) => root.folder(&path).map_err(failed("open")),
        Err(cause) => Err(failed("make")(cause)),
    }
}

fn ensure_node(folder: &OwnedFd, name: &str, node: &DeviceNode) -> Result<(), NodeError> {
    let failed = |operation| {
        move |cause| NodeError::Io {
            operation,
            path: node.path.clone(),
            cause,
        }
    };
    match check(folder, name, node, AtFlags::AT_SYMLINK_NOFOLLOW)? {
        Found::Right => return Ok(()),
        Found::Nothing => {}
    }
    let device = makedev(node.major.into(), node.minor.into());
    match mknodat(folder.as_fd(), name, SFlag::S_IFCHR, NODE_MODE, device) {
        // No `chmod` after it: it would follow a link that the folder's owner has put here meanwhile. The
        // worker's umask takes no bits away.
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(cause) => return Err(failed("make")(cause)),
    }
    match check(folder, name, node, AtFlags::AT_SYMLINK_NOFOLLOW)? {
        Found::Right => Ok(()),
        Found::Nothing => Err(failed("make")(Errno::ENOENT)),
    }
}

/// `/dev/char/<major>:<minor>`: systemd and runc look devices up there, and udev makes no such link for
/// nodes that it did not make.
fn ensure_link(root: &Root, node: &DeviceNode) -> Result<(), NodeError> {
    let name = format!("{}:{}", node.major, node.minor);
    let failed = |cause| NodeError::Io {
        operation: "link",
        path: format!("/dev/char/{name}"),
        cause,
    };
    let folder = match root.folder("dev/char") {
        Ok(folder) => folder,
        // A host without udev has no such folder, and then nobody looks there.
        Err(Errno::ENOENT) => return Ok(()),
        Err(cause) => return Err(failed(cause)),
    };
    if check(&folder, &name, node, AtFlags::empty())? == Found::Right {
        return Ok(());
    }
    let target = format!("../{FOLDER}/nvidia-cap{}", node.minor);
    match nix::unistd::symlinkat(target.as_str(), folder.as_fd(), name.as_str()) {
        Ok(()) | Err(Errno::EEXIST) => check(&folder, &name, node, AtFlags::empty()).map(drop),
        Err(cause) => Err(failed(cause)),
    }
}

/// What has the name of a node.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Right,
}

fn check(
    folder: &OwnedFd,
    name: &str,
    node: &DeviceNode,
    flags: AtFlags,
) -> Result<Found, NodeError> {
    let facts = match fstatat(folder.as_fd(), name, flags) {
        Ok(facts) => facts,
        Err(Errno::ENOENT) => return Ok(Found::Nothing),
        Err(cause) => {
            return Err(NodeError::Io {
                operation: "examine",
                path: node.path.clone(),
                cause,
            });
        }
    };
    let kind = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT;
    let expected = makedev(node.major.into(), node.minor.into());
    if kind == SFlag::S_IFCHR && facts.st_rdev == expected {
        return Ok(Found::Right);
    }
    let found = if kind == SFlag::S_IFCHR {
        format!(
            "the character device {}:{}",
            major(facts.st_rdev),
            minor(facts.st_rdev)
        )
    } else {
        "no character device".to_owned()
    };
    Err(NodeError::Foreign {
        path: node.path.clone(),
        found,
        expected: format!("{}:{}", node.major, node.minor),
    })
}

#[cfg(test)]
mod tests;
