//! Device nodes of MIG capabilities, `/dev/nvidia-caps/nvidia-cap<minor>`, and of IMEX channels,
//! `/dev/nvidia-caps-imex-channels/channel<minor>`.
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
use crate::sysfs::{Root, SysfsError, imex, majors};

/// Nodes of one driver in one folder.
struct Kind {
    /// The driver's name in `/proc/devices`.
    driver: &'static str,
    /// The folder under `/dev`. It is public: the driver checks what a process may open by the node.
    folder: &'static str,
    /// What stands before the minor in a node's name.
    prefix: &'static str,
    /// Permission bits of a node.
    mode: Mode,
}

/// The driver gives instance nodes `DeviceFileMode: 292` under `/proc/driver/nvidia/capabilities`.
const CAPABILITIES: Kind = Kind {
    driver: majors::NVIDIA_CAPS,
    folder: "nvidia-caps",
    prefix: "nvidia-cap",
    mode: Mode::from_bits_truncate(0o444),
};
/// A channel is opened for writing too; nvidia-modprobe makes these with the mode of GPU nodes.
const CHANNELS: Kind = Kind {
    driver: majors::NVIDIA_IMEX,
    folder: "nvidia-caps-imex-channels",
    prefix: "channel",
    mode: Mode::from_bits_truncate(0o666),
};
const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o755);

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
    /// The driver has no IMEX channel of this number.
    #[error("the driver has no IMEX channel {channel}")]
    NoChannel {
        /// The channel.
        channel: u32,
    },
    /// The driver of the nodes is not loaded.
    #[error("/proc/devices does not name {driver}")]
    NoMajor {
        /// Its name there.
        driver: &'static str,
    },
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
    // Never `config` or `monitor`: who opens these rules or watches every slice.
    let opens_instance = |minor: DeviceMinor| match table.capability(minor) {
        Some(Capability::Gi(..) | Capability::Ci(..)) => Ok(minor.0),
        _ => Err(NodeError::NoCapability { minor: minor.0 }),
    };
    make(
        root,
        &CAPABILITIES,
        minors.iter().map(|minor| opens_instance(*minor)),
    )
}

/// The same for IMEX channels.
pub fn ensure_channels(root: &Root, channels: &[u32]) -> Result<Vec<DeviceNode>, NodeError> {
    if channels.is_empty() {
        return Ok(Vec::new());
    }
    let is_there = |channel: u32| match imex::has(root, channel) {
        true => Ok(channel),
        false => Err(NodeError::NoChannel { channel }),
    };
    make(
        root,
        &CHANNELS,
        channels.iter().map(|channel| is_there(*channel)),
    )
}

/// Gives every node of the driver that exists its name in `/dev/char`. The driver's own tools make nodes without one,
/// and a systemd that reads its units anew looks for a container's devices there: without the names it takes them away.
///
/// A node of a major that the driver does not have is left alone.
pub fn link_known(root: &Root) -> Result<(), NodeError> {
    let majors = majors::character_drivers(root).map_err(|cause| NodeError::Table { cause })?;
    let is_drivers = |major: u32| {
        let mut names = majors.iter().filter(|(known, _)| *known == major);
        names.any(|(_, name)| name.starts_with("nvidia"))
    };
    let folders = ["dev", "dev/nvidia-caps", "dev/nvidia-caps-imex-channels"];
    for path in folders {
        let Ok(folder) = root.folder(path) else {
            continue;
        };
        let names = root
            .list(path)
            .map_err(|cause| NodeError::Table { cause })?;
        for name in names.iter().filter(|name| is_nodes_name(name)) {
            let Ok(facts) = fstatat(folder.as_fd(), name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            let kind = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT;
            let number = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
            let (major, minor) = (number(major(facts.st_rdev)), number(minor(facts.st_rdev)));
            if kind == SFlag::S_IFCHR && is_drivers(major) {
                let path = format!("/{path}/{name}");
                ensure_link(root, &DeviceNode { path, major, minor })?;
            }
        }
    }
    Ok(())
}

fn is_nodes_name(name: &str) -> bool {
    ["nvidia", CAPABILITIES.prefix, CHANNELS.prefix]
        .iter()
        .any(|beginning| name.starts_with(beginning))
}

fn make(
    root: &Root,
    kind: &Kind,
    minors: impl Iterator<Item = Result<u32, NodeError>>,
) -> Result<Vec<DeviceNode>, NodeError> {
    let driver = kind.driver;
    let majors = majors::majors(root).map_err(|cause| NodeError::Table { cause })?;
    let major = *majors.get(driver).ok_or(NodeError::NoMajor { driver })?;
    if !root.is_real() {
        let real = Root::open(Path::new("/")).and_then(|real| majors::character_drivers(&real));
        refuse_real(major, &real.map_err(|cause| NodeError::Table { cause })?)?;
    }
    let folder = folder(root, kind.folder)?;
    let mut nodes = Vec::new();
    for minor in minors {
        let minor = minor?;
        let name = format!("{}{minor}", kind.prefix);
        let node = DeviceNode {
            path: format!("/dev/{}/{name}", kind.folder),
            major,
            minor,
        };
        ensure_node(&folder, &name, &node, kind.mode)?;
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

fn folder(root: &Root, name: &str) -> Result<OwnedFd, NodeError> {
    let path = format!("dev/{name}");
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
    match mkdirat(dev.as_fd(), name, FOLDER_MODE) {
        Ok(()) | Err(Errno::EEXIST) => root.folder(&path).map_err(failed("open")),
        Err(cause) => Err(failed("make")(cause)),
    }
}

fn ensure_node(
    folder: &OwnedFd,
    name: &str,
    node: &DeviceNode,
    mode: Mode,
) -> Result<(), NodeError> {
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
    match mknodat(folder.as_fd(), name, SFlag::S_IFCHR, mode, device) {
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
    let target = node.path.replacen("/dev/", "../", 1);
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
