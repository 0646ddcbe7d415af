//! NUMA nodes and network interfaces.

use kerf_types::Bytes;
use kerf_types::inventory::{MemoryAccess, MemoryCache, Nic, NicKind, NicPort, NumaNode, Rate};

use super::{
    CPUS_LIMIT, ConvertError, NAME_LIMIT, NIC_LIMIT, NUMA_LIMIT, count, each, parse, text,
};
use crate::v1;

/// Most ports of an interface, access classes and memory caches of a node: a few each.
const PART_LIMIT: usize = 256;

impl From<&NumaNode> for v1::NumaNode {
    fn from(node: &NumaNode) -> Self {
        let cache = |cache: &MemoryCache| v1::MemoryCache {
            level: cache.level,
            bytes: cache.bytes,
        };
        Self {
            id: node.id,
            cpus: node.cpus.clone(),
            memory_bytes: node.memory.map(|memory| memory.0),
            distances: node.distances.clone(),
            tier: node.tier,
            accelerator: node.accelerator.map(|pci| pci.to_string()),
            access: node.access.iter().map(Into::into).collect(),
            memory_caches: node.memory_caches.iter().map(cache).collect(),
        }
    }
}

impl TryFrom<v1::NumaNode> for NumaNode {
    type Error = ConvertError;

    fn try_from(node: v1::NumaNode) -> Result<Self, ConvertError> {
        count("distances", node.distances.len(), NUMA_LIMIT)?;
        let accelerator = node.accelerator.map(|pci| parse("accelerator", &pci));
        let cpus = node.cpus.map(|cpus| text("cpus", cpus, CPUS_LIMIT));
        let cache = |cache: v1::MemoryCache| {
            Ok::<_, ConvertError>(MemoryCache {
                level: cache.level,
                bytes: cache.bytes,
            })
        };
        Ok(Self {
            id: node.id,
            cpus: cpus.transpose()?,
            memory: node.memory_bytes.map(Bytes),
            distances: node.distances,
            tier: node.tier,
            accelerator: accelerator.transpose()?,
            access: each("access", node.access, PART_LIMIT, MemoryAccess::try_from)?,
            memory_caches: each("memory_caches", node.memory_caches, PART_LIMIT, cache)?,
        })
    }
}

impl From<&MemoryAccess> for v1::MemoryAccess {
    fn from(access: &MemoryAccess) -> Self {
        Self {
            class: access.class,
            initiators: access.initiators.clone(),
            read_mbps: access.read_mbps,
            write_mbps: access.write_mbps,
            read_ns: access.read_ns,
            write_ns: access.write_ns,
        }
    }
}

impl TryFrom<v1::MemoryAccess> for MemoryAccess {
    type Error = ConvertError;

    fn try_from(access: v1::MemoryAccess) -> Result<Self, ConvertError> {
        count("initiators", access.initiators.len(), NUMA_LIMIT)?;
        Ok(Self {
            class: access.class,
            initiators: access.initiators,
            read_mbps: access.read_mbps,
            write_mbps: access.write_mbps,
            read_ns: access.read_ns,
            write_ns: access.write_ns,
        })
    }
}

impl From<&Nic> for v1::Nic {
    fn from(nic: &Nic) -> Self {
        let kind = match nic.kind {
            NicKind::Rdma => v1::NicKind::Rdma,
            NicKind::Net => v1::NicKind::Net,
        };
        Self {
            name: nic.name.clone(),
            pci: nic.pci.map(|pci| pci.to_string()),
            numa_node: nic.numa_node,
            link_layer: nic.link_layer.clone(),
            rate_mbps: nic.rate.map(|rate| rate.0),
            kind: kind.into(),
            ports: nic.ports.iter().map(Into::into).collect(),
            netdevs: nic.netdevs.clone(),
        }
    }
}

impl TryFrom<v1::Nic> for Nic {
    type Error = ConvertError;

    fn try_from(nic: v1::Nic) -> Result<Self, ConvertError> {
        let kind = match nic.kind() {
            // What an earlier release tells of are RDMA interfaces.
            v1::NicKind::Rdma | v1::NicKind::Unspecified => NicKind::Rdma,
            v1::NicKind::Net => NicKind::Net,
        };
        let netdev = |name| text("", name, NAME_LIMIT);
        Ok(Self {
            name: text("name", nic.name, NAME_LIMIT)?,
            kind,
            pci: nic.pci.map(|pci| parse("pci", &pci)).transpose()?,
            numa_node: nic.numa_node,
            link_layer: text("link_layer", nic.link_layer, NAME_LIMIT)?,
            rate: nic.rate_mbps.map(Rate),
            ports: each("ports", nic.ports, PART_LIMIT, NicPort::try_from)?,
            netdevs: each("netdevs", nic.netdevs, NIC_LIMIT, netdev)?,
        })
    }
}

impl From<&NicPort> for v1::NicPort {
    fn from(port: &NicPort) -> Self {
        Self {
            number: port.number,
            link_layer: port.link_layer.clone(),
            state: port.state.clone(),
            rate_mbps: port.rate.map(|rate| rate.0),
            lid: port.lid,
        }
    }
}

impl TryFrom<v1::NicPort> for NicPort {
    type Error = ConvertError;

    fn try_from(port: v1::NicPort) -> Result<Self, ConvertError> {
        Ok(Self {
            number: port.number,
            link_layer: text("link_layer", port.link_layer, NAME_LIMIT)?,
            state: text("state", port.state, NAME_LIMIT)?,
            rate: port.rate_mbps.map(Rate),
            lid: port.lid,
        })
    }
}
