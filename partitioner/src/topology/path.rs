//! Places in the PCI tree, and the level that follows from two of them.

use std::collections::BTreeMap;

use kerf_types::topology::LinkClass;
use kerf_types::{HostMap, PciAddress};

use crate::sysfs::pci::is_host_bridge;

/// Where a PCI function hangs: its root bus and the bridges above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciPath {
    /// The root bus, `pci0000:15`.
    root: String,
    /// Addresses from the root port down to the function itself.
    chain: Vec<PciAddress>,
}

impl PciPath {
    /// Reads a canonical path, `/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0`. Of nested roots
    /// (VMD) the innermost counts; what stands before it is left out. `None` without a root bus or
    /// without a function below it.
    pub fn parse(path: &str) -> Option<Self> {
        let mut root = None;
        let mut chain = Vec::new();
        for part in path.split('/') {
            if is_host_bridge(part) {
                root = Some(part.to_owned());
                chain.clear();
            } else if root.is_some() {
                chain.push(part.parse().ok()?);
            }
        }
        root.filter(|_| !chain.is_empty())
            .map(|root| Self { root, chain })
    }

    /// The level between two functions as nvidia-smi defines it. Nodes are compared where the paths
    /// meet only above the host bridges.
    ///
    /// A PCIe switch shows as two bridges on the way down, its upstream port and one downstream port.
    /// So the bridges below the lowest common one come in pairs, one pair to a switch; an odd number
    /// means that the common bridge is itself an upstream port, whose switch both share.
    pub fn level(&self, other: &Self, same_node: bool) -> LinkClass {
        if self.root != other.root {
            return if same_node {
                LinkClass::Node
            } else {
                LinkClass::Sys
            };
        }
        let common = self
            .bridges()
            .iter()
            .zip(other.bridges())
            .take_while(|(a, b)| a == b)
            .count();
        if common == 0 {
            return LinkClass::Phb;
        }
        let below = |path: &Self| path.bridges().len() - common;
        let (a, b) = (below(self), below(other));
        let shared = usize::from(a % 2 == 1 || b % 2 == 1);
        if shared + a / 2 + b / 2 <= 1 {
            LinkClass::Pix
        } else {
            LinkClass::Pxb
        }
    }

    /// What is lowest above both: the address of a bridge, or the name of their root bus; `None` where they meet
    /// only above their host bridges.
    pub fn ancestor(&self, other: &Self) -> Option<String> {
        if self.root != other.root {
            return None;
        }
        let common = self.bridges().iter().zip(other.bridges());
        let lowest = common.take_while(|(a, b)| a == b).last();
        Some(lowest.map_or_else(|| self.root.clone(), |(bridge, _)| bridge.to_string()))
    }

    fn bridges(&self) -> &[PciAddress] {
        self.chain.split_last().map_or(&[], |(_, bridges)| bridges)
    }
}

/// Places of a host's PCI functions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PciTree {
    paths: BTreeMap<PciAddress, PciPath>,
}

impl PciTree {
    /// From canonical paths by address; a path without a root bus is left out.
    pub fn new<'a>(paths: impl IntoIterator<Item = (PciAddress, &'a str)>) -> Self {
        let parsed = paths
            .into_iter()
            .filter_map(|(at, path)| Some((at, PciPath::parse(path)?)));
        let mut paths = BTreeMap::new();
        for (at, path) in parsed {
            // Of two functions with one address the kernel's bus lists the first.
            paths.entry(at).or_insert(path);
        }
        Self { paths }
    }

    /// From the functions that the kernel shows.
    pub fn of(map: &HostMap) -> Self {
        let functions = map.pci.iter();
        Self::new(functions.map(|function| (function.address, function.path.as_str())))
    }

    /// Where a function hangs, if that is known.
    pub fn path(&self, address: PciAddress) -> Option<&PciPath> {
        self.paths.get(&address)
    }
}

/// Where a device is, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Where it hangs.
    pub path: Option<&'a PciPath>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
}

impl Place<'_> {
    /// The level between two devices. Without a path nothing nearer than the node can be promised.
    pub fn level(self, other: Place<'_>) -> LinkClass {
        let same_node = self.numa_node.is_some() && self.numa_node == other.numa_node;
        match (self.path, other.path) {
            (Some(a), Some(b)) => a.level(b, same_node),
            _ if same_node => LinkClass::Node,
            _ => LinkClass::Sys,
        }
    }
}
