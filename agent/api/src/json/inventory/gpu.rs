//! GPUs, their links, profiles, instances, users and health, as documents show them.

use schemars::JsonSchema;
use serde::Serialize;

use super::fabric::{C2cLink, Fabric};
use crate::json::Placement;

/// One physical GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gpu {
    /// NVML index; it changes when a GPU drops out.
    pub index: u32,
    /// The driver's UUID (`GPU-…`).
    pub uuid: String,
    /// PCI address, `domain:bus:device.function`.
    pub pci: String,
    /// Minor of `/dev/nvidia<minor>`.
    pub minor: u32,
    /// Marketing name.
    pub name: String,
    /// PCI vendor id, four hex digits.
    pub pci_vendor_id: String,
    /// PCI device id, four hex digits.
    pub pci_device_id: String,
    /// PCI subsystem vendor id, four hex digits.
    pub pci_subsystem_vendor_id: String,
    /// PCI subsystem device id, four hex digits.
    pub pci_subsystem_device_id: String,
    /// Board serial number.
    pub serial: Option<String>,
    /// Generation, like `hopper`; one that kerf has no name for is `nvml-` and NVML's number.
    pub architecture: String,
    /// CUDA compute capability, `major.minor`.
    pub compute_capability: String,
    /// What follows from it: `bf16`, `fp8`, `fp4`.
    pub features: Vec<String>,
    /// Memory of the whole GPU in bytes.
    pub memory_bytes: u64,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Its PCIe link.
    pub pcie: PcieLink,
    /// NVLinks that it has, by link number.
    pub nvlinks: Vec<NvLink>,
    /// Its place in the NVLink fabric; null where the driver tells of none.
    pub fabric: Option<Fabric>,
    /// NVLink-C2C links to its processor, by number.
    pub c2c: Vec<C2cLink>,
    /// MIG mode.
    pub mig_mode: MigMode,
    /// MIG profiles with their legal places; empty where the driver tells of none.
    pub profiles: Vec<Profile>,
    /// GPU instances that exist, by id.
    pub instances: Vec<GpuInstance>,
    /// Processes that hold the GPU or one of its instances.
    pub processes: Vec<GpuProcess>,
    /// How it is.
    pub health: Health,
}

/// MIG mode of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MigMode {
    /// The GPU has no MIG.
    Unsupported,
    /// MIG is off.
    Disabled,
    /// MIG is on.
    Enabled,
    /// MIG is off and will be on after a GPU reset.
    EnablePending,
    /// MIG is on and will be off after a GPU reset.
    DisablePending,
}

/// How a GPU is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    /// It answers, and nothing is known against it.
    Ok,
    /// The driver has lost it (fallen off the bus).
    Lost {
        /// When that was first seen.
        since_at: String,
    },
    /// A call on it did not return before its deadline.
    Unresponsive {
        /// When that was first seen.
        since_at: String,
        /// The call that did not return.
        operation: String,
    },
    /// The driver refuses every call on it until it is reset.
    ResetRequired {
        /// When that was first seen.
        since_at: String,
    },
    /// It reported a critical error.
    Xid {
        /// When.
        since_at: String,
        /// Code of NVIDIA's XID catalogue.
        code: u64,
    },
    /// The driver is left alone for somebody who works on it or on a GPU; the rest is as it was last seen.
    Maintenance {
        /// Since when.
        since_at: String,
    },
}

/// A PCIe link; generation 5 is 32 GT/s a lane. An idle GPU lowers the current generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PcieLink {
    /// Highest generation.
    pub max_generation: u32,
    /// Most lanes.
    pub max_width: u32,
    /// Generation now.
    pub current_generation: u32,
    /// Lanes now.
    pub current_width: u32,
}

/// One NVLink of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NvLink {
    /// Link number.
    pub link: u32,
    /// Whether it is up.
    pub active: bool,
    /// NVLink version.
    pub version: u32,
    /// What is at the other end.
    pub remote: NvLinkRemote,
}

/// The other end of an NVLink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NvLinkRemote {
    /// Another GPU.
    Gpu {
        /// Its PCI address.
        pci: String,
    },
    /// An NVSwitch.
    Switch {
        /// Its PCI address; null for one that is no PCI function of this host.
        pci: Option<String>,
    },
    /// Something that the driver does not name.
    Unknown,
}

/// One MIG profile of a GPU, as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Profile {
    /// The driver's id, as `nvidia-smi mig -lgip` prints it.
    pub id: u32,
    /// Name, like `1g.10gb`.
    pub name: String,
    /// Compute slices.
    pub slices: u32,
    /// Memory of an instance in bytes.
    pub memory_bytes: u64,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Engines that an instance owns.
    pub engines: Engines,
    /// Most instances of this profile at one time.
    pub max_count: u32,
    /// Every legal place, sorted.
    pub placements: Vec<Placement>,
    /// Id of the compute instance profile that fills such an instance.
    pub full_compute_profile: Option<u32>,
    /// Every compute instance profile, as a live instance told; left out while none lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compute: Vec<ComputeProfile>,
}

/// One compute instance profile of a GPU instance profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComputeProfile {
    /// The driver's id, as `nvidia-smi mig -lcip` prints it.
    pub id: u32,
    /// Compute slices.
    pub slices: u8,
    /// Most compute instances of it in one GPU instance.
    pub max_count: u32,
    /// Streaming multiprocessors.
    pub sm_count: Option<u32>,
    /// Every legal place in the GPU instance, in compute slices, sorted.
    pub placements: Vec<Placement>,
}

/// Fixed-function engines: how many units of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Engines {
    /// Copy engines.
    pub copy: u32,
    /// Video decoders (NVDEC).
    pub decoder: u32,
    /// Video encoders (NVENC).
    pub encoder: u32,
    /// JPEG decoders.
    pub jpeg: u32,
    /// Optical flow units.
    pub ofa: u32,
}

/// A GPU instance that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GpuInstance {
    /// Its id, unique on the GPU while it lives.
    pub id: u32,
    /// Id of its profile.
    pub profile: u32,
    /// Where it lies.
    pub placement: Placement,
    /// Minor of its `/dev/nvidia-caps/nvidia-cap<minor>` node.
    pub capability_minor: Option<u32>,
    /// Its compute instances, by id.
    pub compute: Vec<ComputeInstance>,
}

/// A compute instance that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComputeInstance {
    /// Its id, unique in the GPU instance while it lives.
    pub id: u32,
    /// Id of its compute instance profile.
    pub profile: u32,
    /// Its place in the GPU instance, in compute slices; left out for the one that fills it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// UUID of the MIG device that it makes visible (`MIG-…`).
    pub uuid: String,
    /// Minor of its `/dev/nvidia-caps/nvidia-cap<minor>` node.
    pub capability_minor: Option<u32>,
}

/// A process that uses a GPU or an instance on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GpuProcess {
    /// Process id in the host's PID namespace.
    pub pid: u32,
    /// GPU memory that it holds, in bytes.
    pub memory_bytes: Option<u64>,
    /// GPU instance that it runs on.
    pub gi: Option<u32>,
    /// Compute instance that it runs on.
    pub ci: Option<u32>,
}
