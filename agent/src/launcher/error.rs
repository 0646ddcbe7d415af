//! What can go wrong between kerfd and containerd, one variant an operation or a finding.
//!
//! A variant's fields are facts for people and for `kerf status`; causes are sources and stand once
//! in a printed chain.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use kerf_types::{ContainerRef, ParseError};
use tonic::Code;

use super::image::{ArchiveError, ImageError};
use super::policy::Refusal;

/// Why the launcher did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// Nobody answers at containerd's socket, or the connection broke in the middle.
    #[error("containerd does not answer at {}", socket.display())]
    Unavailable {
        /// The socket.
        socket: PathBuf,
        /// What the system or the connection said.
        #[source]
        source: io::Error,
    },
    /// containerd took the request and did not answer it in time.
    #[error("containerd took longer than {} s to {operation}", limit.as_secs())]
    TimedOut {
        /// What it was to do.
        operation: &'static str,
        /// The time it had.
        limit: Duration,
    },
    /// containerd answered with an error.
    #[error("containerd could not {operation}: {message}")]
    Engine {
        /// What it was to do.
        operation: &'static str,
        /// Its code.
        code: Code,
        /// Its words.
        message: String,
    },
    /// kerf-runtime or the runtime below it did not make or start the container.
    #[error("container {container} did not start: {message}")]
    Runtime {
        /// The container.
        container: ContainerRef,
        /// What the runtime said, without the words that containerd and its shim put around it.
        message: String,
    },
    /// The host's policy does not allow it.
    #[error("the policy of this host does not allow this job")]
    Refused(#[from] Refusal),
    /// The image is not on this host.
    #[error("image {image} is not on this host: import it, or pull it where containerd can")]
    NoImage {
        /// The name that was asked for.
        image: String,
    },
    /// The policy lists the images of this host, and a submitter brings one.
    #[error("image {image} may be imported by an admin only: this host allows listed images alone")]
    RestrictedImage {
        /// Its name.
        image: String,
    },
    /// Another image has the name.
    #[error("there is another image called {image}, which only an admin may replace")]
    TakenImage {
        /// The name.
        image: String,
    },
    /// A user imported it for their own jobs, and this job is another user's.
    #[error(
        "image {image} is for jobs of uid {uid} alone, who imported it: import yours under another name, or \
         have an admin import it for all"
    )]
    OthersImage {
        /// Its name in containerd.
        image: String,
        /// Who imported it.
        uid: String,
    },
    /// The image is there but cannot be used.
    #[error("image {image} cannot be used")]
    BadImage {
        /// Its name.
        image: String,
        /// What is wrong with it.
        #[source]
        source: ImageError,
    },
    /// An image archive cannot be taken.
    #[error("the image archive cannot be imported")]
    BadArchive(#[from] ArchiveError),
    /// containerd has no transfer service, which came with version 1.7.
    #[error("containerd {version} cannot pull images: import {image} from an archive instead")]
    NoTransfer {
        /// containerd's version.
        version: String,
        /// What was to be pulled.
        image: String,
    },
    /// Neither the configured snapshotter nor the fallback is there.
    #[error("containerd has neither the snapshotter {wanted} nor {fallback}")]
    NoSnapshotter {
        /// The configured one.
        wanted: String,
        /// What would do instead.
        fallback: String,
    },
    /// There is a container of that name already.
    #[error("container {container} exists already")]
    Exists {
        /// The container.
        container: ContainerRef,
    },
    /// There is no such container, or it was never started.
    #[error("there is no running or ended container {container}")]
    NotFound {
        /// The container.
        container: ContainerRef,
    },
    /// The container's task is gone and nobody saw its exit code.
    #[error("container {container} is gone and nobody saw its exit code")]
    ExitUnknown {
        /// The container.
        container: ContainerRef,
    },
    /// The launcher changes containers of its own containerd namespace only.
    #[error("container {container} is not in the namespace {namespace}, which is kerf's")]
    ForeignNamespace {
        /// The container.
        container: ContainerRef,
        /// The launcher's own namespace.
        namespace: String,
    },
    /// The container has no terminal to attach to.
    #[error("container {container} has no terminal")]
    NoTerminal {
        /// The container.
        container: ContainerRef,
    },
    /// Everything else was taken away, but these things were not.
    #[error("container {container} left something behind: {}", left.join("; "))]
    Left {
        /// The container.
        container: ContainerRef,
        /// What could not be removed, and why.
        left: Vec<String>,
    },
    /// A file or folder of kerf's own.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was to be done with it.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A name in the configuration or in a request is not one that containerd takes.
    #[error("a name cannot be used with containerd")]
    BadName(#[from] ParseError),
    /// A job of the launcher itself panicked or was stopped with its runtime.
    #[error("the launcher stopped before it could {operation}")]
    Stopped {
        /// What it was about to do.
        operation: &'static str,
    },
}

impl LauncherError {
    /// Whether containerd answered with this code.
    pub(super) fn has_code(&self, wanted: Code) -> bool {
        matches!(self, Self::Engine { code, .. } if *code == wanted)
    }

    /// Whether the same request can succeed later without anybody changing it: containerd is down,
    /// slow or being restarted.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::TimedOut { .. })
    }

    /// An error about one of kerf's own files, made from what the system said.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// The error and all of its causes in one line, for lists of things that went wrong.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
