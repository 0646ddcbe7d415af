//! What is said between kerfd and the worker for processes, as the types of this crate and as messages. Pure.
//!
//! Every name is checked on the way in; whether what is named may be touched is the worker's to check.

mod failure;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use kerf_api::partitioner::v1 as wire;
use kerf_types::ContainerRef;
use kerf_types::lease::InitProcess;

use super::attach::rules::Numbers;
use super::attach::{Node, Off, Target};
use super::cgroup::Cgroup;
use super::confine::Confined;
use super::holders::{Holder, Seen};
use super::{carriers, confine};
pub use failure::{attach_error, attach_failure, confine_error, confine_failure};
pub use failure::{guard_error, guard_failure};

/// A message that says what no peer may say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Something that must be there is not.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// A name is none.
    #[error("{what} is wrong: {why}")]
    Wrong {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}

/// What must be there.
pub fn present<T>(what: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or(WireError::Missing { what })
}

/// A path as bytes.
pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// And back.
pub fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// Paths as bytes.
pub fn all_bytes(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    paths.iter().map(|one| bytes(one)).collect()
}

/// And back.
pub fn paths(all: Vec<Vec<u8>>) -> Vec<PathBuf> {
    all.into_iter().map(path).collect()
}

/// A process by name.
pub fn process_name(process: &InitProcess) -> wire::ProcessName {
    wire::ProcessName {
        pid: process.pid,
        start_ticks: process.start_ticks,
        boot_id: process.boot_id.clone(),
    }
}

/// And back.
pub fn process(name: Option<wire::ProcessName>) -> Result<InitProcess, WireError> {
    let name = present("the process", name)?;
    Ok(InitProcess {
        pid: name.pid,
        start_ticks: name.start_ticks,
        boot_id: name.boot_id,
    })
}

/// A cgroup by name.
pub fn cgroup_name(cgroup: &Cgroup) -> wire::CgroupName {
    wire::CgroupName {
        folder: bytes(&cgroup.folder),
        inode: cgroup.inode,
    }
}

/// And back.
pub fn cgroup(name: Option<wire::CgroupName>) -> Result<Cgroup, WireError> {
    let name = present("the cgroup", name)?;
    Ok(Cgroup {
        folder: path(name.folder),
        inode: name.inode,
    })
}

/// Numbers of a device.
pub fn device((major, minor): Numbers) -> wire::DeviceNumbers {
    wire::DeviceNumbers { major, minor }
}

/// And back.
pub fn numbers(device: Option<wire::DeviceNumbers>) -> Result<Numbers, WireError> {
    let device = present("the numbers of a device", device)?;
    Ok((device.major, device.minor))
}

/// Numbers of several.
pub fn devices<'n>(all: impl IntoIterator<Item = &'n Numbers>) -> Vec<wire::DeviceNumbers> {
    all.into_iter().copied().map(device).collect()
}

/// And back.
pub fn all_numbers(all: &[wire::DeviceNumbers]) -> BTreeSet<Numbers> {
    all.iter().map(|one| (one.major, one.minor)).collect()
}

/// A container that runs.
pub fn target_container(target: &Target) -> wire::TargetContainer {
    wire::TargetContainer {
        namespace: target.container.namespace.clone(),
        id: target.container.id.clone(),
        init: Some(process_name(&target.init)),
        cgroup: Some(cgroup_name(&target.cgroup)),
    }
}

/// And back.
pub fn target(container: Option<wire::TargetContainer>) -> Result<Target, WireError> {
    let found = present("the container", container)?;
    Ok(Target {
        container: container_ref(&found.namespace, &found.id)?,
        init: process(found.init)?,
        cgroup: cgroup(found.cgroup)?,
    })
}

/// The name of a container.
pub fn container_ref(namespace: &str, id: &str) -> Result<ContainerRef, WireError> {
    ContainerRef::try_new(namespace, id).map_err(|error| WireError::Wrong {
        what: "the name of the container",
        why: error.to_string(),
    })
}

/// The id of a lease.
pub fn lease(text: &str) -> Result<kerf_types::LeaseId, WireError> {
    text.parse()
        .map_err(|error: kerf_types::ParseError| WireError::Wrong {
            what: "the lease",
            why: error.to_string(),
        })
}

/// Nodes of a container.
pub fn container_nodes(nodes: &[Node]) -> Vec<wire::ContainerNode> {
    let node = |node: &Node| wire::ContainerNode {
        path: bytes(&node.path),
        numbers: Some(device(node.numbers)),
        mode: node.mode,
        uid: node.owner.0,
        gid: node.owner.1,
    };
    nodes.iter().map(node).collect()
}

/// And back.
pub fn nodes(all: Vec<wire::ContainerNode>) -> Result<Vec<Node>, WireError> {
    let node = |node: wire::ContainerNode| {
        Ok(Node {
            numbers: numbers(node.numbers)?,
            path: path(node.path),
            mode: node.mode,
            owner: (node.uid, node.gid),
        })
    };
    all.into_iter().map(node).collect()
}

/// What is to be taken out of a container.
pub fn take_out(cgroup: &Cgroup, init: &InitProcess, off: &Off) -> wire::TakeOut {
    wire::TakeOut {
        cgroup: Some(cgroup_name(cgroup)),
        init: Some(process_name(init)),
        deny: devices(&off.deny),
        remove: all_bytes(&off.remove),
        nodes: container_nodes(&off.nodes),
    }
}

/// And back.
pub fn off(ask: wire::TakeOut) -> Result<(Cgroup, InitProcess, Off), WireError> {
    let off = Off {
        deny: ask.deny.iter().map(|one| (one.major, one.minor)).collect(),
        remove: paths(ask.remove),
        nodes: nodes(ask.nodes)?,
    };
    Ok((cgroup(ask.cgroup)?, process(ask.init)?, off))
}

/// Devices that were granted to a bare process.
pub fn granted(nodes: &[confine::DeviceNumber]) -> Vec<wire::ContainerNode> {
    let node = |node: &confine::DeviceNumber| wire::ContainerNode {
        path: bytes(&node.path),
        numbers: Some(device((node.major, node.minor))),
        ..wire::ContainerNode::default()
    };
    nodes.iter().map(node).collect()
}

/// And back.
pub fn grants(all: Vec<wire::ContainerNode>) -> Result<Vec<confine::DeviceNumber>, WireError> {
    let node = |node: wire::ContainerNode| {
        let (major, minor) = numbers(node.numbers)?;
        Ok(confine::DeviceNumber {
            path: path(node.path),
            major,
            minor,
        })
    };
    all.into_iter().map(node).collect()
}

/// What a bare process has.
pub fn confinement(confined: &Confined) -> wire::Confinement {
    wire::Confinement {
        cgroup: confined.cgroup.as_ref().map(cgroup_name),
        open: confined.open.clone(),
    }
}

/// And back.
pub fn confined(found: wire::Confinement) -> Result<Confined, WireError> {
    let cgroup = match found.cgroup {
        None => None,
        some => Some(cgroup(some)?),
    };
    let open = found.open;
    Ok(Confined { cgroup, open })
}

/// Who has something open.
pub fn holders(seen: &Seen) -> wire::Holders {
    let holder = |holder: &Holder| wire::ProcessHolder {
        pid: holder.pid,
        command: holder.command.clone(),
        holds: holder.holds.iter().cloned().collect(),
    };
    wire::Holders {
        holders: seen.holders.iter().map(holder).collect(),
        unread: seen.unread.iter().map(holder).collect(),
    }
}

/// And back.
pub fn seen(found: wire::Holders) -> Seen {
    let holder = |found: wire::ProcessHolder| Holder {
        pid: found.pid,
        command: found.command,
        holds: found.holds.into_iter().collect(),
    };
    Seen {
        holders: found.holders.into_iter().map(holder).collect(),
        unread: found.unread.into_iter().map(holder).collect(),
    }
}

/// Whose carriers are looked for.
pub fn look_for_carriers(wanted: &carriers::Wanted) -> wire::LookForCarriers {
    let node = |node: &carriers::Node| wire::CarriedNode {
        path: bytes(&node.path),
        host_path: bytes(&node.host_path),
        numbers: Some(device(node.numbers)),
    };
    wire::LookForCarriers {
        lease: wanted.id.clone(),
        nodes: wanted.nodes.iter().map(node).collect(),
        user: wanted.user,
    }
}

/// And back.
pub fn wanted(ask: wire::LookForCarriers) -> Result<carriers::Wanted, WireError> {
    let node = |node: wire::CarriedNode| {
        Ok(carriers::Node {
            path: path(node.path),
            host_path: path(node.host_path),
            numbers: numbers(node.numbers)?,
        })
    };
    let nodes: Result<Vec<carriers::Node>, WireError> = ask.nodes.into_iter().map(node).collect();
    Ok(carriers::Wanted {
        id: lease(&ask.lease)?.to_string(),
        nodes: nodes?,
        user: ask.user,
    })
}

/// What a look for carriers tells; `None` where somebody could not be looked at.
pub fn carriers_found(found: Option<&[InitProcess]>) -> wire::Carriers {
    wire::Carriers {
        are_known: found.is_some(),
        processes: found.unwrap_or_default().iter().map(process_name).collect(),
    }
}

/// And back.
pub fn carriers_told(found: wire::Carriers) -> Result<Option<Vec<InitProcess>>, WireError> {
    if !found.are_known {
        return Ok(None);
    }
    let all = found.processes.into_iter().map(|one| process(Some(one)));
    all.collect::<Result<Vec<InitProcess>, WireError>>()
        .map(Some)
}
