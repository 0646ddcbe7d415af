//! Which processors and whose memory a container gets that has some of a host's devices.
//!
//! Owns the rule. Pure. *Processors* are those of the nodes next to the devices; a node without processors hands on to
//! the nearest that have some. *Memory* is that of the same nodes, or of the nearest with memory where one has none, and
//! that of nodes without processors (HBM, CXL) to which one of these is the nearest. What is not known pins nobody: a
//! container that may run anywhere is slow at worst.
//!
//! A node may have processors or memory that the kernel does not tell of, which is not that it has none: whoever is
//! beside it, or beside one that would take the nearest, is not pinned there in what is not known. Taking the next node
//! that is known would keep a container from what is next to its devices because of one file. Another node that is
//! silent is left out, and takes nothing from the others.
//!
//! Memory of an accelerator (POWER9, Grace) is never among it, also where nothing else is known: a page there is lost to
//! CUDA and goes with the driver. Such a node is known by its owner; but the driver may be too stuck to name one, and
//! Grace has nodes for MIG besides. So a node without processors and without an owner counts as the host's only on x86,
//! where NVIDIA's driver makes no nodes out of GPU memory, and only while no node of the machine has an owner. One that
//! does not say whether it has processors counts as the host's elsewhere only beside no memory that is not. Rejected:
//! trusting a memory tier or HMAT there, for firmware describes GPU memory too.

use std::collections::BTreeSet;

use kerf_types::PciAddress;
use kerf_types::inventory::{Inventory, NumaNode};

use super::nearby::numa_node;
use crate::sysfs::cpus::CpuSet;

/// ACPI's distance of what cannot be reached (SLIT, ACPI 6.5 section 5.2.17).
const UNREACHABLE: u32 = 255;

/// Processors and memory nodes, as the two lists of a cgroup's cpuset controller; an empty one pins nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpuset {
    /// Processors.
    pub cpus: CpuSet,
    /// Memory nodes.
    pub mems: CpuSet,
}

/// What goes with these devices, of what is `allowed`: a cpuset that the kernel does not have, or that whoever gives it
/// may not use, would make every launch fail.
pub fn cpuset(host: &Inventory, devices: &BTreeSet<PciAddress>, allowed: &Cpuset) -> Cpuset {
    let nodes = Nodes::of(host);
    let beside = nodes.beside(host, devices);
    let cpus = beside.as_ref().and_then(|beside| nodes.cpus_of(beside));
    let cpus = cpus.unwrap_or_default().and(&allowed.cpus);
    // Memory without its processors would keep a container from the memory that is next to it.
    let near = beside.filter(|_| !cpus.is_empty());
    let mems = near.and_then(|beside| nodes.memory_of(&beside));
    let mems = mems.or_else(|| nodes.all_but_foreign());
    Cpuset {
        cpus,
        mems: mems.unwrap_or_default().and(&allowed.mems),
    }
}

/// Whether a node has processors; `None` where nobody knows.
fn has_cpus(node: &NumaNode) -> Option<bool> {
    node.cpus.as_ref().map(|cpus| !cpus.is_empty())
}

/// Whether a node has memory; `None` where nobody knows.
fn has_memory(node: &NumaNode) -> Option<bool> {
    node.memory.map(|memory| memory.0 > 0)
}

/// A machine's nodes with what decides for all of them.
struct Nodes<'a> {
    all: &'a [NumaNode],
    /// Whether memory without processors and without an owner is the host's.
    trusts_bare: bool,
}

impl<'a> Nodes<'a> {
    fn of(host: &'a Inventory) -> Self {
        let all = host.numa_nodes.as_slice();
        let is_x86 = host.map.cpus.architecture.as_deref() == Some("x86_64");
        Self {
            all,
            trusts_bare: is_x86 && all.iter().all(|node| node.accelerator.is_none()),
        }
    }

    /// Whether what a node has is the host's and no accelerator's; `None` where nobody knows.
    fn is_hosts(&self, node: &NumaNode) -> Option<bool> {
        match node.accelerator {
            Some(_) => Some(false),
            None if self.trusts_bare => Some(true),
            None => has_cpus(node),
        }
    }

    /// Whether a node has memory of the host; `None` where nobody knows.
    fn is_host_memory(&self, node: &NumaNode) -> Option<bool> {
        match (has_memory(node), self.is_hosts(node)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    /// The nodes with processors next to the devices; `None` where the place of one of them, or the way from there, is
    /// not known.
    fn beside(&self, host: &Inventory, devices: &BTreeSet<PciAddress>) -> Option<BTreeSet<u32>> {
        let mut beside = BTreeSet::new();
        for device in devices {
            let id = numa_node(host, *device)?;
            let node = self.all.iter().find(|node| node.id == id)?;
            beside.extend(self.nearest(node, has_cpus)?);
        }
        Some(beside)
    }

    fn cpus_of(&self, beside: &BTreeSet<u32>) -> Option<CpuSet> {
        let mut cpus = CpuSet::default();
        for node in self.all.iter().filter(|node| beside.contains(&node.id)) {
            cpus.join(&CpuSet::from_list(node.cpus.as_ref()?)?);
        }
        Some(cpus)
    }

    /// All memory of the host, where there is memory that is not, or may not be.
    fn all_but_foreign(&self) -> Option<CpuSet> {
        let has_some = |node: &&NumaNode| has_memory(node) != Some(false);
        let is_foreign = |node: &NumaNode| {
            node.accelerator.is_some() || (has_some(&node) && self.is_hosts(node) == Some(false))
        };
        if !self.all.iter().any(is_foreign) {
            return None;
        }
        let with = |hosts: Option<bool>| -> CpuSet {
            let such = self.all.iter().filter(has_some);
            let such = such.filter(|node| self.is_hosts(node) == hosts);
            such.map(|node| node.id).collect()
        };
        // Where nothing is known to be the host's, what may be is still better than what is somebody's.
        Some(with(Some(true)))
            .filter(|own| !own.is_empty())
            .or_else(|| Some(with(None)))
    }

    /// The host's memory next to these nodes, which have processors.
    fn memory_of(&self, beside: &BTreeSet<u32>) -> Option<CpuSet> {
        let is_host = |node: &NumaNode| self.is_host_memory(node);
        let mut mems = BTreeSet::new();
        for node in self.all {
            if beside.contains(&node.id) {
                mems.extend(self.nearest(node, is_host)?);
            } else if has_cpus(node) == Some(false) && is_host(node) == Some(true) {
                let users = self.nearest(node, has_cpus).unwrap_or_default();
                mems.extend((!users.is_disjoint(beside)).then_some(node.id));
            }
        }
        Some(mems.into_iter().collect())
    }

    /// The node itself where it is such a one, else the nearest that are, all at the same distance; `None` where there
    /// is none, the kernel does not tell how far the others are, or nobody knows of one of these whether it is one.
    fn nearest(
        &self,
        node: &NumaNode,
        is_one: impl Fn(&NumaNode) -> Option<bool>,
    ) -> Option<BTreeSet<u32>> {
        if is_one(node)? {
            return Some(BTreeSet::from([node.id]));
        }
        if node.distances.len() != self.all.len() {
            return None;
        }
        let ways = self.all.iter().zip(&node.distances);
        let ways = ways.filter(|(other, far)| **far < UNREACHABLE && is_one(other) != Some(false));
        let ways: Vec<(u32, &NumaNode)> = ways.map(|(other, far)| (*far, other)).collect();
        let least = ways.iter().map(|(far, _)| *far).min()?;
        let nearest = ways.iter().filter(|(far, _)| *far == least);
        let sure = |(_, other): &(u32, &NumaNode)| is_one(other).map(|_| other.id);
        nearest.map(sure).collect()
    }
}

#[cfg(test)]
mod tests;
