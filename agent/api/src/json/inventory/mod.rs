//! `kerf discover` and `kerf inventory`: what a host has, the open description of its hardware.

mod accelerator;
mod amd;
mod cpu;
mod fabric;
mod from;
mod gpu;
mod number;
mod pci;
mod place;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;

pub use accelerator::{Accelerator, Capabilities, Capability, Link, Oddity, Provenance, Value};
pub use amd::{AmdGpu, AmdPartition};
pub use cpu::{Cache, CacheKind, CoreKind, Cpus, Die, Package};
pub use fabric::{C2cLink, Fabric, FabricHealth, ImexChannels};
pub use from::architecture_word;
pub use gpu::{
    ComputeInstance, ComputeProfile, Engines, Gpu, GpuInstance, GpuProcess, Health, MigMode,
    NvLink, NvLinkRemote, PcieLink, Profile,
};
pub use number::Thousandths;
pub use pci::{Acs, ClassDevice, Namespace, Nvme, PciFunction, PciLink, SriovFunctions};
pub use place::{MemoryAccess, MemoryCache, Nic, NicKind, NicPort, NumaNode};

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
    /// Processors.
    pub cpus: Cpus,
    /// Every PCI function, by address.
    pub pci: Vec<PciFunction>,
    /// Network interfaces: those that do RDMA first, each by name.
    pub nics: Vec<Nic>,
    /// NVMe controllers, by name.
    pub nvme: Vec<Nvme>,
    /// Devices of the kernel's classes, by class and name: disks, interfaces, render nodes.
    pub devices: Vec<ClassDevice>,
    /// Accelerators of every vendor in one shape, by address.
    pub accelerators: Vec<Accelerator>,
    /// Links between accelerators, and their ways over PCIe.
    pub links: Vec<Link>,
    /// IMEX channels of NVIDIA's driver; null where it has none.
    pub imex: Option<ImexChannels>,
    /// Files that are not as a kernel writes them.
    pub oddities: Vec<Oddity>,
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

impl From<&kerf_types::Inventory> for Inventory {
    fn from(inventory: &kerf_types::Inventory) -> Self {
        let map = &inventory.map;
        let ids: Vec<u32> = inventory.numa_nodes.iter().map(|node| node.id).collect();
        let node = |node| NumaNode::new(node, &ids);
        Self {
            schema: InventorySchema::V1,
            host: inventory.host.clone(),
            driver: inventory.driver.as_ref().map(Into::into),
            gpus: inventory.gpus.iter().map(Into::into).collect(),
            amd: inventory.amd.iter().map(Into::into).collect(),
            numa_nodes: inventory.numa_nodes.iter().map(node).collect(),
            cpus: (&map.cpus).into(),
            pci: map.pci.iter().map(Into::into).collect(),
            nics: inventory.nics.iter().map(Into::into).collect(),
            nvme: map.nvme.iter().map(Into::into).collect(),
            devices: map.devices.iter().map(Into::into).collect(),
            accelerators: map.accelerators.iter().map(Into::into).collect(),
            links: map.links.iter().map(Into::into).collect(),
            imex: map.imex.as_ref().map(Into::into),
            oddities: map.oddities.iter().map(Into::into).collect(),
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
