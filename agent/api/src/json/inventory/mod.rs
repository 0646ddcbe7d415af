//! `kerf discover` and `kerf inventory`: what a host has, the open description of its hardware.

mod amd;
mod from;
mod gpu;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;

pub use amd::{AmdGpu, AmdPartition};
pub use gpu::{
    ComputeInstance, ComputeProfile, Engines, Gpu, GpuInstance, GpuProcess, Health, MigMode,
    NvLink, NvLinkRemote, PcieLink, Profile,
};

use super::schema_tag;

schema_tag!(InventorySchema, "kerf.v1.Inventory");

/// Everything that was found on one host at one time. A value that nobody knows is null, never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Inventory {
    /// Names this document.
    pub schema: InventorySchema,
    /// The host's name.
    pub host: String,
    /// Driver and library versions; null without an NVIDIA driver.
    pub driver: Option<Driver>,
    /// GPUs in order of their NVML index.
    pub gpus: Vec<Gpu>,
    /// AMD GPUs in order of their addresses.
    pub amd: Vec<AmdGpu>,
    /// NUMA nodes, by id.
    pub numa_nodes: Vec<NumaNode>,
    /// RDMA-capable network interfaces.
    pub nics: Vec<Nic>,
    /// What could not be read, in words; the rest of the inventory stands.
    pub problems: Vec<String>,
}

/// Versions of the driver and its library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Driver {
    /// Kernel driver, like `590.48.01`.
    pub version: String,
    /// NVML library.
    pub nvml_version: String,
    /// Newest CUDA version that the driver serves, `major.minor`.
    pub cuda_version: Option<String>,
}

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NumaNode {
    /// Node id; ids can have gaps.
    pub id: u32,
    /// Its CPUs as the kernel lists them (`0-55,112-167`); empty for a node of memory alone.
    pub cpus: String,
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// Distance to each online node, in order of their ids; 10 is local.
    pub distances: Vec<u32>,
}

/// An RDMA-capable network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nic {
    /// Name under `/sys/class/infiniband`.
    pub name: String,
    /// PCI address, `domain:bus:device.function`.
    pub pci: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// `InfiniBand` or `Ethernet` (RoCE).
    pub link_layer: String,
    /// Rate of its first port in gigabits a second; 0 when it is down.
    pub rate_gbps: u32,
}

impl From<&kerf_types::Inventory> for Inventory {
    fn from(inventory: &kerf_types::Inventory) -> Self {
        Self {
            schema: InventorySchema::V1,
            host: inventory.host.clone(),
            driver: inventory.driver.as_ref().map(Into::into),
            gpus: inventory.gpus.iter().map(Into::into).collect(),
            amd: inventory.amd.iter().map(Into::into).collect(),
            numa_nodes: inventory.numa_nodes.iter().map(Into::into).collect(),
            nics: inventory.nics.iter().map(Into::into).collect(),
            problems: inventory.problems.clone(),
        }
    }
}

impl From<&kerf_types::inventory::Driver> for Driver {
    fn from(driver: &kerf_types::inventory::Driver) -> Self {
        Self {
            version: driver.version.clone(),
            nvml_version: driver.nvml_version.clone(),
            cuda_version: driver.cuda_version.clone(),
        }
    }
}

impl From<&kerf_types::inventory::NumaNode> for NumaNode {
    fn from(node: &kerf_types::inventory::NumaNode) -> Self {
        Self {
            id: node.id,
            cpus: node.cpus.clone(),
            memory_bytes: node.memory.0,
            distances: node.distances.clone(),
        }
    }
}

impl From<&kerf_types::inventory::Nic> for Nic {
    fn from(nic: &kerf_types::inventory::Nic) -> Self {
        Self {
            name: nic.name.clone(),
            pci: nic.pci.map(|pci| pci.to_string()),
            numa_node: nic.numa_node,
            link_layer: nic.link_layer.clone(),
            rate_gbps: nic.rate_gbps,
        }
    }
}
