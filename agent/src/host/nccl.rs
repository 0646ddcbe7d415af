//! The file that tells NCCL what a container has: the lease's devices, every interface, and how they hang together.
//!
//! Owns `<run-dir>/nccl/<lease>.xml`. A file is written before its container hears of it, and goes with the lease. It is
//! an offer (`kerf_runtime::frame::Offer`): a container that brings a description of its own keeps it. CDI files do not
//! hold it, since an engine replaces variables and mounts with what such a file has, and never asks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kerf_partitioner::{nccl, topology};
use kerf_runtime::frame::{MountEntry, Offer};
use kerf_types::lease::Lease;
use kerf_types::{Inventory, LeaseId};

use super::{Host, locality};
use crate::config::Config;
use crate::files::{self, Durability};

/// Where NCCL looks by itself when the variable is not set (NVIDIA/nccl `src/graph/topo.cc`, `ncclTopoGetSystem`), so
/// that a program that clears its environment finds it too.
const PLACE: &str = "/var/run/nvidia-topologyd/virtualTopology.xml";

/// What names the file to NCCL and to RCCL.
const VARIABLE: &str = "NCCL_TOPO_FILE";

/// What is degraded when a file cannot be written.
const ENTRY: &str = "NCCL topology";

impl Host {
    /// The file of a lease as an offer to its container; none where the host does not make any, or it cannot be
    /// written: NCCL then looks for itself, and the container runs all the same.
    pub(super) fn nccl_offers(&mut self, lease: &Lease) -> Vec<Offer> {
        if !self.config.launch.nccl_topology {
            self.recovered(ENTRY);
            return Vec::new();
        }
        let source = path(&self.config, lease.id);
        let text = described(&self.inventory, lease);
        if let Err(error) = keep(&source, &text) {
            let why = format!("{}: {error}", source.display());
            self.degrade(ENTRY, why, "check the space under the run folder");
            return Vec::new();
        }
        self.recovered(ENTRY);
        let options = ["ro", "nosuid", "nodev", "noexec", "bind"];
        vec![Offer {
            mount: MountEntry {
                source,
                destination: PLACE.into(),
                options: options.map(str::to_owned).to_vec(),
                kind: "bind".to_owned(),
            },
            env: vec![format!("{VARIABLE}={PLACE}")],
        }]
    }

    /// Takes the file of an ended lease away.
    pub(super) fn drop_nccl_file(&self, lease: LeaseId) {
        remove(&path(&self.config, lease));
    }

    /// Takes away what an earlier kerfd left of leases that have ended, and what it was writing.
    pub(super) fn drop_stale_nccl_files(&self) {
        let leases = self.leases.keys();
        let current = leases.map(|id| path(&self.config, *id)).collect();
        sweep(&folder(&self.config), &current);
    }
}

fn folder(config: &Config) -> PathBuf {
    config.paths.run_dir.join("nccl")
}

fn path(config: &Config, lease: LeaseId) -> PathBuf {
    folder(config).join(format!("{lease}.xml"))
}

fn remove(path: &Path) {
    if let Err(error) = files::remove(path) {
        tracing::warn!(path = %path.display(), %error, "topology of an ended lease remains");
    }
}

/// Removes what is not among these.
fn sweep(folder: &Path, current: &BTreeSet<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| !current.contains(&entry.path())) {
        remove(&entry.path());
    }
}

fn described(host: &Inventory, lease: &Lease) -> String {
    let whole = host.with_map(Arc::new(topology::whole(host)));
    nccl::write(&whole, Some(&locality::devices(lease)))
}

/// Writes the file, unless it says so already: who has it mounted would go on reading the old one.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    match std::fs::read(path) {
        Ok(there) if there == text.as_bytes() => Ok(()),
        _ => files::replace(path, text.as_bytes(), Durability::Volatile),
    }
}

#[cfg(test)]
mod tests;
