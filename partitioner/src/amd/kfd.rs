//! KFD's topology: the partitions that exist, and the processes that use them.
//!
//! Nodes are numbered anew whenever any GPU is partitioned, so a list counts only if the generation was the same
//! before and after it was read. An identity is the address; the render minor tells partitions of one GPU apart.

use std::collections::BTreeMap;

use kerf_types::amd::AmdPartition;
use kerf_types::{Bytes, PciAddress};

use crate::systree::{SysTree, TreeError, fact};

const KFD: &str = "/sys/class/kfd/kfd";

/// How often a list is read anew because it changed meanwhile. A change takes the driver a second or more.
const TRIES: u32 = 8;

/// A GPU's part of the topology.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes {
    /// Its partitions, by render minor.
    pub partitions: Vec<AmdPartition>,
    /// Id of its xGMI hive; zero where it is in none.
    pub hive: u64,
}

/// The partitions of a GPU that KFD lists; `None` where they keep changing. No KFD, no partitions.
pub fn nodes(tree: &dyn SysTree, pci: PciAddress) -> Result<Option<Nodes>, TreeError> {
    let folder = format!("{KFD}/topology/nodes");
    let generation = || fact(tree, &format!("{KFD}/topology/generation_id"));
    for _ in 0..TRIES {
        let before = generation();
        let numbers = match tree.list(&folder) {
            Err(error) if error.is_absent() => return Ok(Some(Nodes::default())),
            numbers => numbers?,
        };
        let mut found = Nodes::default();
        for number in numbers {
            let Ok(number) = number.parse() else { continue };
            found.add(tree, &folder, number, pci);
        }
        found.partitions.sort_by_key(|one| one.render_minor);
        let mut pairs = found.partitions.windows(2);
        // Two partitions never have one render node: then some are of before the change and some of after it.
        let is_whole = pairs.all(|pair| match pair {
            [one, next] => one.render_minor != next.render_minor,
            _ => true,
        });
        if is_whole && before == generation() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl Nodes {
    fn add(&mut self, tree: &dyn SysTree, folder: &str, number: u32, pci: PciAddress) {
        let Some(text) = fact(tree, &format!("{folder}/{number}/properties")) else {
            return;
        };
        let facts = properties(&text);
        let value = |name: &str| facts.get(name).copied().unwrap_or(0);
        let small = |name: &str| u32::try_from(value(name)).unwrap_or(0);
        let render_minor = small("drm_render_minor");
        if render_minor == 0 || !is_at(value("domain"), value("location_id"), pci) {
            return;
        }
        let id = fact(tree, &format!("{folder}/{number}/gpu_id"));
        let Some(gpu_id) = id.and_then(|id| id.parse().ok()) else {
            return;
        };
        self.hive = value("hive_id");
        self.partitions.push(AmdPartition {
            kfd_node: number,
            gpu_id,
            render_minor,
            xccs: small("num_xcc").max(1),
            memory: memory(tree, &format!("{folder}/{number}/mem_banks")),
        });
    }
}

/// Whether a node is a partition of the GPU at that address. A location is bus, device and function in 16 bits;
/// drivers put the partition's number into the highest four bits, or once into the function.
pub(crate) fn is_at(domain: u64, location: u64, pci: PciAddress) -> bool {
    domain == u64::from(pci.domain)
        && location >> 8 & 0xff == u64::from(pci.bus)
        && location >> 3 & 0x1f == u64::from(pci.device)
}

/// What all banks of a node hold together.
fn memory(tree: &dyn SysTree, folder: &str) -> Option<Bytes> {
    let banks = tree.list(folder).ok()?;
    let size = |bank: &String| {
        let text = fact(tree, &format!("{folder}/{bank}/properties"))?;
        properties(&text).get("size_in_bytes").copied()
    };
    let sizes: Option<Vec<u64>> = banks.iter().map(size).collect();
    let total = sizes?.into_iter().fold(0, u64::saturating_add);
    (total > 0).then_some(Bytes(total))
}

/// Lines of a name and a number.
pub(crate) fn properties(text: &str) -> BTreeMap<&str, u64> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(name, value)| Some((name, value.trim().parse().ok()?)))
        .collect()
}

/// Processes that hold memory or a queue on one of these partitions, by id. One that has only opened KFD holds
/// nothing; the kernel may refuse for its sake nevertheless.
pub fn processes(tree: &dyn SysTree, partitions: &[AmdPartition]) -> Result<Vec<u32>, TreeError> {
    let folder = format!("{KFD}/proc");
    let names = match tree.list(&folder) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        names => names?,
    };
    let pids = names.iter().filter_map(|name| name.parse::<u32>().ok());
    let mut using: Vec<u32> = pids
        .filter(|pid| {
            let process = format!("{folder}/{pid}");
            let held = |one: &AmdPartition| holds_memory(tree, &process, one.gpu_id);
            partitions.iter().any(held) || has_queue(tree, &process, partitions)
        })
        .collect();
    using.sort_unstable();
    Ok(using)
}

fn holds_memory(tree: &dyn SysTree, process: &str, gpu_id: u32) -> bool {
    let held = fact(tree, &format!("{process}/vram_{gpu_id}"));
    held.and_then(|bytes| bytes.parse::<u64>().ok())
        .is_some_and(|bytes| bytes > 0)
}

fn has_queue(tree: &dyn SysTree, process: &str, partitions: &[AmdPartition]) -> bool {
    let queues = tree.list(&format!("{process}/queues")).unwrap_or_default();
    queues.iter().any(|queue| {
        let id = fact(tree, &format!("{process}/queues/{queue}/gpuid"));
        let id = id.and_then(|id| id.parse().ok());
        partitions.iter().any(|one| Some(one.gpu_id) == id)
    })
}
