//! AMD GPUs and their partitions, as documents show them.

use schemars::JsonSchema;
use serde::Serialize;

use super::Health;

/// One AMD GPU. It is partitioned as a whole, by two modes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AmdGpu {
    /// Its place among the host's AMD GPUs in order of their addresses.
    pub index: u32,
    /// PCI address, `domain:bus:device.function`.
    pub pci: String,
    /// Product name.
    pub name: String,
    /// PCI vendor id, four hex digits.
    pub pci_vendor_id: String,
    /// PCI device id, four hex digits.
    pub pci_device_id: String,
    /// The driver's unique id, 16 hex digits.
    pub unique_id: Option<String>,
    /// Board serial number.
    pub serial: Option<String>,
    /// Memory of the whole GPU in bytes.
    pub memory_bytes: u64,
    /// How much of it is in use.
    pub memory_used_bytes: Option<u64>,
    /// How busy it is, in percent.
    pub utilisation_percent: Option<u32>,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Accelerator complex dies (XCCs) of all its partitions.
    pub xccs: Option<u32>,
    /// Id of the xGMI hive that it is linked into: its memory mode changes together with the others'.
    pub hive: Option<String>,
    /// Compute partition mode now: `SPX`, `DPX`, `TPX`, `QPX` or `CPX`; null where it cannot be partitioned.
    pub compute_mode: Option<String>,
    /// Compute modes that the driver offers.
    pub compute_modes: Vec<String>,
    /// Memory partition mode now: `NPS1`, `NPS2`, `NPS4` or `NPS8`.
    pub memory_mode: Option<String>,
    /// Memory modes that the driver offers.
    pub memory_modes: Vec<String>,
    /// Memory mode that kerf asked for and that takes hold when the driver is loaded anew.
    pub pending_memory_mode: Option<String>,
    /// Partitions that exist.
    pub partitions: Vec<AmdPartition>,
    /// Ids of the processes that hold memory or queues on it.
    pub processes: Vec<u32>,
    /// How it is.
    pub health: Health,
}

/// One partition of an AMD GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AmdPartition {
    /// Its number in KFD's topology. It changes whenever any GPU of the host is partitioned anew.
    pub kfd_node: u32,
    /// KFD's id of it.
    pub gpu_id: u32,
    /// Minor of `/dev/dri/renderD<minor>`.
    pub render_minor: u32,
    /// Its XCCs.
    pub xccs: u32,
    /// Memory that KFD gives to it, in bytes.
    pub memory_bytes: Option<u64>,
}

impl From<&kerf_types::AmdGpu> for AmdGpu {
    fn from(gpu: &kerf_types::AmdGpu) -> Self {
        Self {
            index: gpu.index,
            pci: gpu.pci.to_string(),
            name: gpu.name.clone(),
            pci_vendor_id: format!("{:04x}", gpu.pci_device_id & 0xffff),
            pci_device_id: format!("{:04x}", gpu.pci_device_id >> 16),
            unique_id: gpu.unique_id.clone(),
            serial: gpu.serial.clone(),
            memory_bytes: gpu.memory.0,
            memory_used_bytes: gpu.memory_used.map(|bytes| bytes.0),
            utilisation_percent: gpu.utilisation_percent,
            numa_node: gpu.numa_node,
            xccs: gpu.xccs,
            hive: gpu.hive.clone(),
            compute_mode: gpu.compute.map(|mode| mode.to_string()),
            compute_modes: gpu.compute_modes.iter().map(ToString::to_string).collect(),
            memory_mode: gpu.memory_mode.map(|mode| mode.to_string()),
            memory_modes: gpu.memory_modes.iter().map(ToString::to_string).collect(),
            pending_memory_mode: gpu.pending_memory.map(|mode| mode.to_string()),
            partitions: gpu.partitions.iter().map(Into::into).collect(),
            processes: gpu.processes.clone(),
            health: (&gpu.health).into(),
        }
    }
}

impl From<&kerf_types::amd::AmdPartition> for AmdPartition {
    fn from(partition: &kerf_types::amd::AmdPartition) -> Self {
        Self {
            kfd_node: partition.kfd_node,
            gpu_id: partition.gpu_id,
            render_minor: partition.render_minor,
            xccs: partition.xccs,
            memory_bytes: partition.memory.map(|bytes| bytes.0),
        }
    }
}
