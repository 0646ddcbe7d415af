//! Why a device cannot be put into a running container, or taken out of it.

use std::io;
use std::path::PathBuf;

use kerf_types::LeaseId;

use super::super::control::RuleError;

/// A request about a running container that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No cgroup is named for it, or nobody is in there.
    #[error("no container {name:?} runs on this host: no cgroup with processes is named for it")]
    NoContainer {
        /// As it was named.
        name: String,
    },
    /// More than one cgroup is named for it.
    #[error("{name:?} may be several containers: {}", folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "))]
    Several {
        /// As it was named.
        name: String,
        /// Their cgroups.
        folders: Vec<PathBuf>,
    },
    /// Its devices are kept by a program in the kernel.
    #[error(
        "container {name:?} is under cgroup v2 ({}), where its runtime keeps its devices by an eBPF program that kerf \
         cannot change from outside yet",
        folder.display()
    )]
    V2 {
        /// As it was named.
        name: String,
        /// Its cgroup.
        folder: PathBuf,
    },
    /// It can open everything.
    #[error(
        "container {name} can open every device ({}): a lease would keep none from it, and could not be taken out again",
        folder.display()
    )]
    Open {
        /// The container.
        name: String,
        /// Its cgroup.
        folder: PathBuf,
    },
    /// It is not apart from the host, or not owned by it.
    #[error("container {name} {why}")]
    NotApart {
        /// The container.
        name: String,
        /// What it has of the host, or where it is.
        why: String,
    },
    /// Its `/dev` is not one of its own.
    #[error("/dev of container {name} {why}")]
    Dev {
        /// The container.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Something else stands where a node is to be.
    #[error("{} of the container {why}", path.display())]
    Taken {
        /// The path in the container.
        path: PathBuf,
        /// What stands there.
        why: String,
    },
    /// A node, or its folder, cannot be made.
    #[error("{} cannot be made in the container", path.display())]
    Make {
        /// The path in the container.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cgroup above does not have the device.
    #[error("the cgroup above {} does not let it have {}", folder.display(), node.display())]
    Kept {
        /// The container's cgroup.
        folder: PathBuf,
        /// The node.
        node: PathBuf,
    },
    /// A file of a cgroup cannot be read or written.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The kernel says something else than what was written.
    #[error("{} does not hold what was written: {what}", folder.display())]
    Differs {
        /// The cgroup.
        folder: PathBuf,
        /// What.
        what: String,
    },
    /// The container has ended.
    #[error("{} is gone, and its container with it", folder.display())]
    Gone {
        /// Its cgroup.
        folder: PathBuf,
    },
    /// What only a container that is made with it can use.
    #[error(
        "{what} come with a container that is made with them alone: other makers' devices, vGPUs, and interfaces"
    )]
    Others {
        /// Which of the lease.
        what: String,
    },
    /// A place on a shared device takes more than nodes.
    #[error("{what} takes mounts that a container gets only when it is made")]
    Mounts {
        /// What of the lease.
        what: String,
    },
    /// The lease was not attached.
    #[error("lease {lease} was not attached to a container that ran: {has_it}")]
    NotAttached {
        /// The lease.
        lease: LeaseId,
        /// Who has it, and how.
        has_it: String,
    },
    /// Somebody works on it.
    #[error("lease {lease} is in use: {by}")]
    InUse {
        /// The lease.
        lease: LeaseId,
        /// Who, and what of it.
        by: String,
    },
}

impl AttachError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoContainer { .. } => {
                "name it by the whole id that its engine gives it, or by pid:PID of its first process"
            }
            Self::Several { .. } => {
                "say which with --namespace, or by pid:PID of its first process"
            }
            Self::V2 { .. } => {
                "start the container with the lease instead: annotation kerf.dev/lease, or its CDI name"
            }
            Self::Open { .. } => {
                "start it without --privileged and without rules for all devices of a driver, and with the lease"
            }
            Self::NotApart { .. }
            | Self::Dev { .. }
            | Self::Mounts { .. }
            | Self::Others { .. } => {
                "start the container with the lease instead; nothing was changed"
            }
            Self::Taken { .. } => "remove it in the container, and try again; nothing was changed",
            Self::Make { .. } => {
                "see the log; kerf-process@.service needs CAP_MKNOD, and DeviceAllow= for the driver"
            }
            Self::Kept { .. } => {
                "see devices.list of the cgroups above: a lease gives nothing that they forbid"
            }
            Self::Rule(_) | Self::Differs { .. } => {
                "see the log, and `kerf status`: what is not taken out is tried again with each look"
            }
            Self::Gone { .. } => "its leases end by themselves",
            Self::NotAttached { .. } => "it ends with its container, or by `kerf lease release`",
            Self::InUse { .. } => {
                "end them first, or detach with --force: kerf ends nobody's process, and gives the slice to nobody \
                 before they have ended"
            }
        }
    }
}
