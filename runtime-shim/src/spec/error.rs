//! Why a spec cannot be read or must not be edited.

use std::path::PathBuf;

use crate::json::tree::TreeError;

/// A spec that gets no grant, or cannot carry the one it got.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The text is not one JSON document, or holds a key twice.
    #[error("it is not well-formed JSON")]
    Syntax(#[source] serde_json::Error),
    /// A part has the wrong shape, or a key that two readers take differently.
    #[error("it is not an OCI runtime spec that can be edited")]
    Tree(#[from] TreeError),
    /// Both annotations are present.
    #[error("the container asks for two things at once: {0} and {1}")]
    TwoAsks(&'static str, &'static str),
    /// Two engines' annotations name different sandboxes.
    #[error("the container is said to be in two sandboxes: by {0} and by {1}")]
    TwoSandboxes(&'static str, &'static str),
    /// The annotation is empty or longer than the bound.
    #[error("the annotation {key} is empty or longer than {limit} bytes: it has {length}")]
    AskLength {
        /// The annotation's key.
        key: &'static str,
        /// Length of its value in bytes.
        length: usize,
        /// Longest ask.
        limit: usize,
    },
    /// The device rules allow every character device.
    #[error("the container is privileged: its device rule {rule} opens every device")]
    Unconfined {
        /// The rule as it stands in the spec, `type major:minor access`.
        rule: String,
    },
    /// A device rule opens devices of the same driver beyond the grant.
    #[error("the device rule {rule} of the spec opens devices that are not in the grant")]
    ForeignDevice {
        /// The rule as it stands in the spec.
        rule: String,
    },
    /// The spec was written by somebody else and lacks a granted device, or has it under other numbers.
    #[error("the spec does not carry {} as device {major}:{minor}", path.display())]
    MissingDevice {
        /// Path in the container.
        path: PathBuf,
        /// Granted major number.
        major: u32,
        /// Granted minor number.
        minor: u32,
    },
    /// The spec has another device under a path of the grant.
    #[error("the spec already has another device at {}", path.display())]
    DeviceConflict {
        /// Path in the container.
        path: PathBuf,
    },
    /// The spec has another mount under a destination of the grant.
    #[error("the spec already has another mount at {}", destination.display())]
    MountConflict {
        /// Path in the container.
        destination: PathBuf,
    },
    /// The engine has put somebody's shared memory where that of an MPS daemon belongs.
    #[error(
        "an MPS share needs the container's own tmpfs at {}, and the engine has put another mount there",
        destination.display()
    )]
    SharedMemory {
        /// Path in the container.
        destination: PathBuf,
    },
    /// The spec was edited for another lease before.
    #[error("the spec carries the devices of lease {found:?}, the grant is for {granted:?}")]
    AppliedForOther {
        /// The lease in the spec's annotation.
        found: String,
        /// The lease of the grant.
        granted: String,
    },
    /// The edited document could not be written out.
    #[error("the edited spec could not be encoded")]
    Encode(#[source] serde_json::Error),
}

impl SpecError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            SpecError::TwoAsks(..) => Some("keep one of the two annotations"),
            SpecError::Unconfined { .. } => {
                Some("start it without --privileged; a slice would not be isolated in it")
            }
            SpecError::ForeignDevice { .. } => Some(
                "take the device out of the container's options; where there is none, make the container anew: \
                 its slice was cut again since it was made",
            ),
            SpecError::SharedMemory { .. } => Some(
                "containers of a pod, and podman's, get a bind mount there: run it with another engine (podman: with \
                 `--ipc private --shm-size 64m` it may be a tmpfs), or ask for a slice or a time slice",
            ),
            SpecError::AppliedForOther { .. } | SpecError::MissingDevice { .. } => {
                Some("make the container anew from its image")
            }
            _ => None,
        }
    }
}
