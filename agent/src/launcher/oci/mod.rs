//! The OCI runtime spec of a job's container.
//!
//! A pure function of what the policy admitted, what the job says and what its image says. It starts
//! from nothing: whatever is in the result was put there by a line in this folder, and no part of it
//! comes from outside as JSON. Devices of a slice are not here: kerf-runtime adds them when it finds
//! the lease's annotation.

mod linux;
mod mounts;
mod process;
mod seccomp;

use kerf_types::job::JobSpec;
use kerf_types::{ContainerRef, VENDOR};
use serde_json::{Map, Value, json};

use super::gang::Files;
use super::image::ImageConfig;
use super::policy::Admitted;
use super::terminal::TerminalSize;
use super::user::ProcessUser;

pub(super) use process::command;

/// Longest host name that the kernel takes.
const HOSTNAME_LIMIT: usize = 63;

/// Everything that a container's spec is made from.
pub(super) struct Recipe<'a> {
    pub container: &'a ContainerRef,
    pub job: &'a JobSpec,
    pub image: &'a ImageConfig,
    pub command: Vec<String>,
    pub admitted: &'a Admitted,
    pub user: &'a ProcessUser,
    pub terminal_size: Option<TerminalSize>,
    /// What kerf tells it in its environment.
    pub told: Vec<(&'static str, String)>,
    /// Files with the hosts of its gang.
    pub gang: Option<&'a Files>,
    /// Most open files of a process, soft and hard.
    pub open_files: u64,
}

/// The spec, in the fields of OCI runtime-spec 1.0.2, which every runtime in use reads.
pub(super) fn build(recipe: &Recipe<'_>) -> Value {
    let mut annotations = Map::new();
    if let Some(lease) = recipe.admitted.lease {
        annotations.insert(lease_annotation(), json!(lease.to_string()));
    }
    json!({
        "ociVersion": "1.0.2",
        "process": process::process(recipe),
        "root": { "path": "rootfs", "readonly": false },
        "hostname": hostname(recipe.container),
        "mounts": mounts::mounts(recipe),
        "annotations": annotations,
        "linux": linux::linux(recipe),
    })
}

/// The name that a container has for itself.
pub(super) fn hostname(container: &ContainerRef) -> &str {
    let id = &container.id;
    id.get(..HOSTNAME_LIMIT).unwrap_or(id)
}

/// The annotation under which kerf-runtime finds the lease.
fn lease_annotation() -> String {
    format!("{VENDOR}/lease")
}

#[cfg(test)]
mod tests;
