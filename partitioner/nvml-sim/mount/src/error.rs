//! Why a machine could not be mounted, and what can be done about it.

use std::io;
use std::path::PathBuf;

use nvidia_ml::StoreError;

/// Why a machine could not be mounted, or its mount did not end well.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no machine, or none that can be used.
    #[error("cannot open the machine in {}", dir.display())]
    Machine {
        /// Its folder.
        dir: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// Its tree cannot be read.
    #[error("cannot look at {}", root.display())]
    Root {
        /// The tree.
        root: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no folder to mount at.
    #[error("cannot mount at {}", mountpoint.display())]
    NoFolder {
        /// The place.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine's own files would be hidden behind the mount that reads them.
    #[error("cannot mount at {}: the machine's own files would be hidden", mountpoint.display())]
    Hides {
        /// The place.
        mountpoint: PathBuf,
    },
    /// File systems of user space are not to be had here.
    #[error("cannot open /dev/fuse")]
    Device {
        /// Why.
        source: io::Error,
    },
    /// The system does not let this user mount.
    #[error("this process may not mount at {}, and fusermount3 did not", mountpoint.display())]
    NotAllowed {
        /// The place.
        mountpoint: PathBuf,
        /// What came of fusermount3.
        source: io::Error,
    },
    /// Mounting failed.
    #[error("cannot mount at {}", mountpoint.display())]
    Mount {
        /// The place.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mount broke off.
    #[error("the mount at {} broke off", mountpoint.display())]
    BrokeOff {
        /// The place.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be taken away.
    #[error("cannot unmount {}", mountpoint.display())]
    Unmount {
        /// The place.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl MountError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Machine { .. } => "`kerf sim create` makes a machine in a folder",
            Self::NoFolder { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "make the folder first",
                io::ErrorKind::NotConnected => {
                    "a mount that nobody serves is there: take it away with `umount` first"
                }
                _ => "choose a folder that you may read",
            },
            Self::Hides { .. } => "choose a folder outside of the machine's",
            Self::Device { source } => match source.kind() {
                io::ErrorKind::NotFound => {
                    "load the module with `modprobe fuse`; a container needs --device /dev/fuse as well"
                }
                _ => {
                    "only who may open /dev/fuse can mount; a container needs --device /dev/fuse \
                     and --cap-add SYS_ADMIN"
                }
            },
            Self::NotAllowed { .. } => {
                "mount as root with CAP_SYS_ADMIN, or install the package fuse3 and mount at a folder of yours"
            }
            Self::Unmount { .. } => "take it away with `umount -l`",
            Self::Root { .. } | Self::Mount { .. } | Self::BrokeOff { .. } => return None,
        })
    }
}
