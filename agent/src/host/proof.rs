//! The proof that a driver is closed: what `/proc` tells of who has it open, ours and others.
//!
//! It is looked up anew for each answer and never remembered. Workers of ours count as long as they run, whatever can be
//! seen of them. Others are told, for a person who may end them; kerf ends none.

use std::collections::BTreeSet;
use std::path::Path;

use kerf_types::{AmdGpu, Gpu, Inventory, PciAddress};

use super::Maintenance;
use super::blockers::persistence_daemon;
use crate::config::Paths;
use crate::hardware::worker;
use crate::process::holders::{Holder, Seen, command};
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

/// Judges what a look at every process has shown. Blocks for as long as a few files of `/proc` and `/sys` take.
pub fn prove(
    seen: Seen,
    paths: &Paths,
    inventory: &Inventory,
    maintenance: Option<&Maintenance>,
) -> Proof {
    let root = &paths.sysroot;
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
    let nodes = maintenance.and_then(|one| nodes_of(root, inventory, one));
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
/// read last tells it, and names in folders of the kernel's: the driver, which somebody works on, may never answer.
///
/// `/dev/kfd` and `/dev/nvidiactl` are those of all GPUs of a driver: who has only these open keeps the module loaded,
/// and has no GPU. To do anything with one, a node of its own has to be opened, which then is told.
fn nodes_of(
    root: &Path,
    inventory: &Inventory,
    maintenance: &Maintenance,
) -> Option<BTreeSet<String>> {
    if maintenance.whole_host {
        return None;
    }
    let mut nodes = BTreeSet::new();
    for pci in &maintenance.gpus {
        let nvidia = inventory.gpus.iter().find(|gpu| gpu.pci == *pci);
        let amd = inventory.amd.iter().find(|gpu| gpu.pci == *pci);
        match (nvidia, amd) {
            (Some(gpu), _) => nodes.extend(of_nvidia(gpu)),
            (None, Some(gpu)) => nodes.extend(of_amd(gpu)),
            (None, None) => return None,
        }
        nodes.extend(of_drm(root, *pci));
    }
    Some(nodes)
}

/// Its own node, and those of the capabilities of its MIG instances.
fn of_nvidia(gpu: &Gpu) -> impl Iterator<Item = String> {
    let minors = gpu.instances.iter().flat_map(|instance| {
        let parts = instance.compute.iter().map(|part| part.capability_minor);
        parts.chain([instance.capability_minor])
    });
    let capabilities = minors.flatten();
    let capabilities = capabilities.map(|minor| format!("/dev/nvidia-caps/nvidia-cap{minor}"));
    capabilities.chain([format!("/dev/nvidia{}", gpu.minor)])
}

/// The render nodes of its partitions: those behind the first are no children of its PCI function.
fn of_amd(gpu: &AmdGpu) -> impl Iterator<Item = String> {
    let minors = gpu
        .partitions
        .iter()
        .map(|partition| partition.render_minor);
    minors.map(|minor| format!("/dev/dri/renderD{minor}"))
}

/// What the kernel's graphics layer has of a PCI function. Nothing without a driver of it.
fn of_drm(root: &Path, pci: PciAddress) -> Vec<String> {
    let folder = root.join(format!("sys/bus/pci/devices/{pci}/drm"));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let nodes = names.filter(|name| name.starts_with("card") || name.starts_with("renderD"));
    nodes.map(|name| format!("/dev/dri/{name}")).collect()
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
