//! KFD's topology as far as it tells of accelerators: nodes of GPUs and of processors, and the links of each.
//!
//! After `drivers/gpu/drm/amd/amdkfd/kfd_topology.c` (`node_show`, `iolink_show`, `mem_show`). Nodes are numbered
//! anew whenever a GPU is partitioned, so a list counts only if the generation was the same before and after.

use std::collections::BTreeMap;

use kerf_types::PciAddress;

use super::facts;
use crate::amd::kfd::{is_at, properties};
use crate::sysfs::{Device, Reader};

const KFD: &str = "sys/class/kfd/kfd";
/// How often a list is read anew because it changed meanwhile.
const TRIES: u32 = 8;
/// Most nodes, and most links of one, that are believed: eight GPUs in eight partitions each and their processors have
/// fewer than a hundred.
const MOST: usize = 1024;
/// `CRAT_IOLINK_TYPE_XGMI` of `kfd_crat.h`.
const XGMI: u64 = 11;
/// `CRAT_IOLINK_FLAGS_NO_ATOMICS_32_BIT` and `_64_BIT`.
const NO_ATOMICS: u64 = 1 << 2 | 1 << 3;
/// `KFD_CRAT_XGMI_WEIGHT`: what one hop adds to the weight of a way.
const HOP: u64 = 15;

/// A node of the topology.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// Its number.
    pub number: u32,
    /// Its facts by name.
    facts: BTreeMap<String, u64>,
    /// What its memory banks hold together; `None` where one does not say, or it has none.
    pub memory: Option<u64>,
    /// Its links.
    pub links: Vec<NodeLink>,
}

/// A way from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeLink {
    /// The node that it leads to.
    pub to: u32,
    kind: u64,
    weight: u64,
    minimum: u64,
    maximum: u64,
    flags: u64,
}

impl Node {
    /// A fact; `None` where it is absent or zero, which KFD writes for "none".
    pub fn fact(&self, name: &str) -> Option<u64> {
        self.facts.get(name).copied().filter(|value| *value > 0)
    }

    /// Whether it is a GPU, or the part of one that computes.
    pub fn is_gpu(&self) -> bool {
        self.fact("simd_count").is_some()
    }

    /// Whether it is a processor and no GPU: a NUMA node.
    pub fn is_processor(&self) -> bool {
        !self.is_gpu()
    }

    /// Whether it is the GPU at that address, or a partition of it.
    pub fn is_at(&self, pci: PciAddress) -> bool {
        let value = |name| self.facts.get(name).copied().unwrap_or(0);
        self.is_gpu() && is_at(value("domain"), value("location_id"), pci)
    }

    /// Its instruction set, `gfx942`: major, minor and stepping in two decimal digits each, the stepping printed in
    /// hexadecimal (90010 is `gfx90a`).
    pub fn target(&self) -> Option<String> {
        let version = self.fact("gfx_target_version")?;
        let (major, minor, stepping) = (version / 10_000, version / 100 % 100, version % 100);
        Some(format!("gfx{major}{minor:x}{stepping:x}"))
    }

    /// Compute units: SIMDs by how many of them a unit has.
    pub fn compute_units(&self) -> Option<u64> {
        self.fact("simd_count")?
            .checked_div(self.fact("simd_per_cu")?)
    }
}

impl NodeLink {
    fn parse(text: &str) -> Option<Self> {
        let facts = properties(text);
        let value = |name: &str| facts.get(name).copied().unwrap_or(0);
        Some(Self {
            to: u32::try_from(*facts.get("node_to")?).ok()?,
            kind: *facts.get("type")?,
            weight: value("weight"),
            minimum: value("min_bandwidth"),
            maximum: value("max_bandwidth"),
            flags: value("flags"),
        })
    }

    /// Whether it is xGMI all the way.
    pub fn is_xgmi(&self) -> bool {
        self.kind == XGMI
    }

    /// Whether atomic operations of some width may use it.
    pub fn has_atomics(&self) -> bool {
        self.flags & NO_ATOMICS != NO_ATOMICS
    }

    /// Whether it leads straight to the other GPU. The driver gives a bandwidth to those alone, since the way to an
    /// indirect peer is not known to it; generations before gfx90a, and GPUs in partitions, have none at all, and a
    /// weight of more than one hop where they are not neighbours (`kfd_fill_gpu_xgmi_link_to_gpu`).
    pub fn is_direct(&self) -> bool {
        self.maximum > 0 || self.weight < 2 * HOP || !self.weight.is_multiple_of(HOP)
    }

    /// How many links it is made of. The driver writes the bandwidth of one link as the least and that of all as the
    /// most, which is also how ROCm counts them; where it writes no least, there is one or more, which is one.
    pub fn count(&self) -> u32 {
        let links = self.maximum.checked_div(self.minimum).unwrap_or(1);
        u32::try_from(links).unwrap_or(1).clamp(1, 64)
    }

    /// What all of them carry, in megabytes a second; zero where nobody says.
    pub fn megabytes(&self) -> u64 {
        self.maximum
    }
}

/// The nodes, by number; none where KFD is absent, or where they keep changing.
pub(super) fn nodes(reader: &Reader<'_>) -> Vec<Node> {
    let topology = Device::new(reader, format!("{KFD}/topology"));
    let generation = || topology.text("generation_id");
    for _ in 0..TRIES {
        let before = generation();
        let mut numbers = reader.numbered(&format!("{KFD}/topology/nodes"), "");
        numbers.truncate(MOST);
        let nodes = numbers
            .into_iter()
            .filter_map(|number| node(reader, number));
        let nodes: Vec<Node> = nodes.collect();
        if before == generation() {
            return nodes;
        }
    }
    let path = format!("{KFD}/topology/generation_id");
    reader
        .odd(&path, "changes faster than the nodes can be read")
        .unwrap_or_default()
}

/// Whether KFD is there, so that its node is needed to compute.
pub(super) fn is_there(reader: &Reader<'_>) -> bool {
    reader.root().canonical(KFD).is_some()
}

fn node(reader: &Reader<'_>, number: u32) -> Option<Node> {
    let folder = format!("{KFD}/topology/nodes/{number}");
    let path = format!("{folder}/properties");
    let device = Device::new(reader, folder.clone());
    let text = device.text("properties").unwrap_or_default();
    let facts = properties(&text);
    if facts.is_empty() {
        // So is that of a GPU which this process may not use (`kfd_devcgroup_check_permission`).
        return reader.odd(
            &path,
            "says nothing, so that the links of this GPU are not known",
        );
    }
    let facts = facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let links = ["io_links", "p2p_links"].into_iter().flat_map(|kind| {
        let mut numbers = reader.numbered(&format!("{folder}/{kind}"), "");
        numbers.truncate(MOST);
        let device = &device;
        numbers.into_iter().filter_map(move |number| {
            let file = format!("{kind}/{number}/properties");
            device.parsed(&file, "a link of KFD's", NodeLink::parse)
        })
    });
    Some(Node {
        number,
        facts: facts.collect(),
        memory: memory(reader, &folder, &device),
        links: links.collect(),
    })
}

fn memory(reader: &Reader<'_>, folder: &str, device: &Device<'_, '_>) -> Option<u64> {
    let banks = reader.numbered(&format!("{folder}/mem_banks"), "");
    let size = |bank: u32| {
        let text = device.text(&format!("mem_banks/{bank}/properties"))?;
        properties(&text).get("size_in_bytes").copied()
    };
    facts::sum(banks.into_iter().map(size))
}
