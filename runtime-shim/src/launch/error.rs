//! Why a container does not start, whichever step it was, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::argv::ArgvError;
use crate::bundle::BundleError;
use crate::claim::ClaimError;
use crate::client::ClientError;
use crate::fence::FenceError;
use crate::guard::GuardError;
use crate::settings::SettingsError;
use crate::spec::SpecError;
use crate::vet::VetError;

/// A launch that ends here.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The command line is not certain.
    #[error("the command line cannot be read as runc would")]
    Argv(#[from] ArgvError),
    /// The settings cannot be used.
    #[error("kerf-runtime's settings cannot be used")]
    Settings(#[from] SettingsError),
    /// This program's own path is not known.
    #[error("the path of kerf-runtime itself cannot be read")]
    OwnPath(#[source] io::Error),
    /// The bundle cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The engine's pid file is relative to a folder that is gone.
    #[error("the absolute path of the pid file {} cannot be told", path.display())]
    PidFile {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The spec cannot be read or must not be edited.
    #[error("{}/config.json gets no accelerator", bundle.display())]
    Spec {
        /// The bundle.
        bundle: PathBuf,
        /// Why.
        #[source]
        source: SpecError,
    },
    /// The container is restored from a checkpoint.
    #[error("a container with an accelerator cannot be restored from a checkpoint")]
    Restore,
    /// Every container must have a lease here, and this one names none.
    #[error(
        "the container carries no lease, and this host's kerf-runtime.toml requires one (require_lease)"
    )]
    NoLease,
    /// kerfd did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// kerfd refused, or what it granted is not fit for use.
    #[error(transparent)]
    Vet(#[from] VetError),
    /// A device node of the grant cannot be looked at.
    #[error("the granted device node {} cannot be read", path.display())]
    Node {
        /// Path on the host.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A device node of the grant is another device.
    #[error("{} is not the granted character device {major}:{minor}", path.display())]
    WrongNode {
        /// Path on the host.
        path: PathBuf,
        /// Granted major number.
        major: u32,
        /// Granted minor number.
        minor: u32,
    },
    /// The grant is older than one that was used.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// The hook was called in a wrong way.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// No fence stands.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The runtime could not be started.
    #[error("the OCI runtime {} cannot be started", runtime.display())]
    Exec {
        /// The runtime.
        runtime: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LaunchError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            LaunchError::Vet(VetError::Refused { hint, .. }) => {
                return Some(hint.clone()).filter(|hint| !hint.is_empty());
            }
            LaunchError::NoLease => {
                "the annotation kerf.dev/lease comes from kerfd's NRI plugin or from `kerf lease create`; see that \
                 kerfd runs and that the engine reaches its plugin"
            }
            LaunchError::Client(error) => error.hint(),
            LaunchError::Spec { source, .. } => source.hint()?,
            LaunchError::Restore => {
                "start it anew; the accelerator's state is not in the checkpoint"
            }
            LaunchError::Settings(SettingsError::Exposed { .. }) => "chown root, chmod 644",
            LaunchError::Settings(
                SettingsError::Link { .. } | SettingsError::TwoRuntimes { .. },
            ) => "ln -sfn RUNTIME /etc/kerf/kerf-runtime.oci as root, or remove it",
            LaunchError::Settings(SettingsError::NoRuntime { .. }) => {
                "install runc or crun, or set `runtime` in kerf-runtime.toml"
            }
            LaunchError::Node { .. } | LaunchError::WrongNode { .. } => {
                "see `kerf slices`; the slice may have been cut anew meanwhile"
            }
            LaunchError::Claim(error) => error.hint()?,
            _ => return None,
        };
        Some(fixed.to_owned())
    }
}
