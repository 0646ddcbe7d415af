//! NUMA nodes and network interfaces, as documents show them.

use std::collections::BTreeMap;

use kerf_types::inventory as facts;
use schemars::JsonSchema;
use serde::Serialize;

use super::number::Thousandths;

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NumaNode {
    /// Node id; ids can have gaps.
    pub id: u32,
    /// Its CPUs as the kernel lists them (`0-55,112-167`), empty for a node of memory alone; null where the kernel does
    /// not say.
    pub cpus: Option<String>,
    /// Its memory in bytes, 0 for a node of processors alone; null where the kernel does not say.
    pub memory_bytes: Option<u64>,
    /// Distance to each online node by its id; 10 is local. Empty where the kernel does not say.
    pub distances: BTreeMap<u32, u32>,
    /// The kernel's memory tier: the lower, the faster.
    pub tier: Option<u32>,
    /// PCI address of the accelerator whose memory it is; null for memory of the host.
    pub accelerator: Option<String>,
    /// How its nearest initiators reach it, as firmware says (ACPI HMAT).
    pub access: Vec<MemoryAccess>,
    /// Caches in front of its memory.
    pub memory_caches: Vec<MemoryCache>,
}

/// How the nearest initiators reach a node's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryAccess {
    /// The kernel's access class: 0 for any initiator, 1 for processors alone.
    pub class: u32,
    /// Nodes of the initiators.
    pub initiators: Vec<u32>,
    /// Reading, in megabytes a second.
    pub read_mbps: Option<u64>,
    /// Writing, in megabytes a second.
    pub write_mbps: Option<u64>,
    /// Reading, in nanoseconds.
    pub read_ns: Option<u64>,
    /// Writing, in nanoseconds.
    pub write_ns: Option<u64>,
}

/// A cache in front of a node's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryCache {
    /// Its level, from the memory's side.
    pub level: u32,
    /// Its size in bytes.
    pub bytes: Option<u64>,
}

impl NumaNode {
    /// The document's node; `ids` are those of all online nodes, in order.
    pub(super) fn new(node: &facts::NumaNode, ids: &[u32]) -> Self {
        let access = |access: &facts::MemoryAccess| MemoryAccess {
            class: access.class,
            initiators: access.initiators.clone(),
            read_mbps: access.read_mbps,
            write_mbps: access.write_mbps,
            read_ns: access.read_ns,
            write_ns: access.write_ns,
        };
        let cache = |cache: &facts::MemoryCache| MemoryCache {
            level: cache.level,
            bytes: cache.bytes,
        };
        let distances = node.distances.iter().copied();
        Self {
            id: node.id,
            cpus: node.cpus.clone(),
            memory_bytes: node.memory.map(|memory| memory.0),
            distances: ids.iter().copied().zip(distances).collect(),
            tier: node.tier,
            accelerator: node.accelerator.map(|pci| pci.to_string()),
            access: node.access.iter().map(access).collect(),
            memory_caches: node.memory_caches.iter().map(cache).collect(),
        }
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nic {
    /// Name under `/sys/class/infiniband`, or `/sys/class/net`.
    pub name: String,
    /// What it is.
    pub kind: NicKind,
    /// PCI address, `domain:bus:device.function`.
    pub bdf: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// `InfiniBand` or `Ethernet` (RoCE).
    pub link_layer: Option<String>,
    /// Rate of its first port in gigabits a second; 0 while it is down, null where nobody says.
    pub rate_gbps: Option<Thousandths>,
    /// Ports of an interface that does RDMA.
    pub ports: Vec<NicPort>,
    /// Network interfaces of the same PCI function.
    pub netdevs: Vec<String>,
}

/// What a network interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NicKind {
    /// It does RDMA.
    Rdma,
    /// It is a network interface, and the same function does no RDMA by this name.
    Net,
}

/// A port of an RDMA interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NicPort {
    /// From 1.
    pub number: u32,
    /// `InfiniBand` or `Ethernet`.
    pub link_layer: Option<String>,
    /// `ACTIVE`, `DOWN` and what else the kernel says.
    pub state: Option<String>,
    /// Rate in gigabits a second; 0 while it is down, null where nobody says.
    pub rate_gbps: Option<Thousandths>,
    /// Local id that the subnet manager gave.
    pub lid: Option<u32>,
}

impl From<&facts::Nic> for Nic {
    fn from(nic: &facts::Nic) -> Self {
        let port = |port: &facts::NicPort| NicPort {
            number: port.number,
            link_layer: known(&port.link_layer),
            state: known(&port.state),
            rate_gbps: port.rate.map(|rate| Thousandths(rate.0)),
            lid: port.lid,
        };
        Self {
            name: nic.name.clone(),
            kind: match nic.kind {
                facts::NicKind::Rdma => NicKind::Rdma,
                facts::NicKind::Net => NicKind::Net,
            },
            bdf: nic.pci.map(|pci| pci.to_string()),
            numa_node: nic.numa_node,
            link_layer: known(&nic.link_layer),
            rate_gbps: nic.rate.map(|rate| Thousandths(rate.0)),
            ports: nic.ports.iter().map(port).collect(),
            netdevs: nic.netdevs.clone(),
        }
    }
}

/// A text of the vocabulary, where an empty one is unknown.
pub(super) fn known(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
