//! The proof that a driver is closed: what `/proc` tells of who has it open, ours and others.
//!
//! It is looked up anew for each answer and never remembered. Workers of ours count as long as they run, whatever can be
//! seen of them. Others are told, for a person who may end them; kerf ends none.

use std::collections::BTreeSet;
use std::path::Path;

use kerf_types::{Inventory, PciAddress};

use super::Maintenance;
use super::blockers::persistence_daemon;
use crate::config::Paths;
use crate::hardware::worker;
use crate::process::holders::{Holder, Wanted, command};
use crate::process::parent;

/// How the names of the modules begin that a driver consists of.
const MODULES: [&str; 2] = ["nvidia", "amdgpu"];

/// What is told of a worker that runs, of which nothing else is seen.
const RUNS: &str = "nothing that is seen, and still runs";

/// Who has the driver open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Processes of ours.
    pub ours: Vec<Holder>,
    /// Processes of others that have a node open which is in maintenance.
    pub others: Vec<Holder>,
    /// Programs of which it may not be known.
    pub unread: Vec<Holder>,
    /// Modules of the driver, with how often each is used.
    pub modules: Vec<String>,
}

/// Looks. Blocks for as long as `/proc` takes, some ten milliseconds for a thousand processes.
pub fn prove(paths: &Paths, inventory: &Inventory, maintenance: Option<&Maintenance>) -> Proof {
    let root = &paths.sysroot;
    let seen = Wanted::under(root, paths.nvml.as_deref()).seen();
    let own = std::process::id();
    let workers = worker::running(&paths.run_dir.join("workers"));
    let workers: BTreeSet<u32> = workers.iter().map(|process| process.pid).collect();
    let is_ours = |pid: u32| pid == own || workers.contains(&pid) || parent(pid) == Some(own);
    let (mut ours, others): (Vec<Holder>, Vec<Holder>) = seen
        .holders
        .into_iter()
        .partition(|holder| is_ours(holder.pid));
    for &pid in &workers {
        if !ours.iter().any(|holder| holder.pid == pid) {
            let name = command(Path::new("/"), pid).unwrap_or_default();
            ours.push(told(pid, name, RUNS));
        }
    }
    let nodes = maintenance.and_then(|one| nodes_of(inventory, one));
    let mut others: Vec<Holder> = others
        .into_iter()
        .filter_map(|holder| within(holder, paths.nvml.as_deref(), nodes.as_ref()))
        .collect();
    if let Some(pid) = persistence_daemon(root)
        && !others.iter().any(|holder| holder.pid == pid)
    {
        let name = "nvidia-persistenced".to_owned();
        others.push(told(pid, name, "every GPU, to keep the driver loaded"));
    }
    let is_foreign = |holder: &Holder| !is_ours(holder.pid);
    Proof {
        ours,
        others,
        unread: seen.unread.into_iter().filter(is_foreign).collect(),
        modules: modules(root),
    }
}

fn told(pid: u32, command: String, what: &str) -> Holder {
    Holder {
        pid,
        command,
        holds: BTreeSet::from([what.to_owned()]),
    }
}

/// The holder with what of it is in the way: a mapped library keeps no driver loaded, and one GPU is not held by the
/// nodes of others.
fn within(
    mut holder: Holder,
    library: Option<&Path>,
    nodes: Option<&BTreeSet<String>>,
) -> Option<Holder> {
    let library = library.and_then(|path| path.canonicalize().ok());
    let library = library.map(|path| path.display().to_string());
    holder.holds.retain(|what| Some(what) != library.as_ref());
    if let Some(nodes) = nodes {
        holder.holds.retain(|what| nodes.contains(what));
    }
    (!holder.holds.is_empty()).then_some(holder)
}

/// The nodes of the GPUs in maintenance; `None` for all that there are, also where nobody knows which these are. What was
/// read last tells it: the kernel's driver, which somebody works on, may never answer.
fn nodes_of(inventory: &Inventory, maintenance: &Maintenance) -> Option<BTreeSet<String>> {
    if maintenance.whole_host {
        return None;
    }
    let node = |pci: &PciAddress| {
        let gpu = inventory.gpus.iter().find(|gpu| gpu.pci == *pci)?;
        Some(format!("/dev/nvidia{}", gpu.minor))
    };
    maintenance.gpus.iter().map(node).collect()
}

fn modules(root: &Path) -> Vec<String> {
    let listed = std::fs::read_to_string(root.join("proc/modules")).unwrap_or_default();
    let module = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let used = words.nth(1)?;
        let ours = MODULES.iter().any(|begin| name.starts_with(begin));
        ours.then(|| format!("{name} (used {used} times)"))
    };
    listed.lines().filter_map(module).collect()
}

#[cfg(test)]
mod tests;
