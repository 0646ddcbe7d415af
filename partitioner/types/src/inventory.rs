//! What a host has: GPUs, NUMA nodes, network interfaces, and how they hang together.

use std::fmt;
use std::sync::Arc;

use crate::amd::AmdGpu;
use crate::bytes::Bytes;
use crate::fabric::{C2cLink, Fabric};
use crate::ids::{DeviceMinor, GpuUuid, SliceId};
use crate::map::HostMap;
use crate::mig::{GpuInstance, MigMode};
use crate::pci::PciAddress;
use crate::profile::Profile;
use crate::time::Timestamp;

/// Everything that was found on one host at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The host's name.
    pub host: String,
    /// Driver and library versions; `None` without an NVIDIA driver.
    pub driver: Option<Driver>,
    /// GPUs in order of their NVML index.
    pub gpus: Vec<Gpu>,
    /// AMD GPUs in order of their addresses.
    pub amd: Vec<AmdGpu>,
    /// NUMA nodes, by id.
    pub numa_nodes: Vec<NumaNode>,
    /// Network interfaces: RDMA-capable ones first, each by name.
    pub nics: Vec<Nic>,
    /// What else the kernel shows of the host.
    pub map: Arc<HostMap>,
    /// What could not be read, in words; the rest of the inventory stands.
    pub problems: Vec<String>,
}

impl Inventory {
    /// Interfaces that do RDMA, in order: `NIC0` of a topology is the first.
    pub fn rdma_nics(&self) -> impl Iterator<Item = &Nic> {
        let nics = self.nics.iter();
        nics.filter(|nic| nic.kind == NicKind::Rdma)
    }

    /// The same host with another map: a whole one, or none for whoever shows no more of it.
    pub fn with_map(&self, map: Arc<HostMap>) -> Self {
        Self {
            map,
            ..self.clone()
        }
    }
}

/// Versions of the driver and its library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Kernel driver, e.g. `590.48.01`.
    pub version: String,
    /// NVML library.
    pub nvml_version: String,
    /// Newest CUDA version that the driver serves, `major.minor`.
    pub cuda_version: Option<String>,
}

/// GPU generations that differ in what kerf may do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// A100, A30: changing the MIG mode needs a GPU reset.
    Ampere,
    /// H100, H200: the MIG mode changes at once.
    Hopper,
    /// B200 and its kin.
    Blackwell,
    /// Anything else, by NVML's number.
    Other(u32),
}

/// One physical GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// NVML index; it changes when a GPU drops out.
    pub index: u32,
    /// The driver's UUID.
    pub uuid: GpuUuid,
    /// Where it sits.
    pub pci: PciAddress,
    /// Minor of `/dev/nvidia<minor>`.
    pub minor: DeviceMinor,
    /// Marketing name, e.g. `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Device id in the high and vendor id in the low 16 bits, as NVML gives it (`0x233010de`).
    pub pci_device_id: u32,
    /// Subsystem device and vendor id in the same order.
    pub pci_subsystem_id: u32,
    /// Board serial number.
    pub serial: Option<String>,
    /// Generation.
    pub architecture: Architecture,
    /// CUDA compute capability, major and minor.
    pub compute_capability: (u32, u32),
    /// Memory of the whole GPU.
    pub memory: Bytes,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Its PCIe link.
    pub pcie: PcieLink,
    /// NVLinks that it has, by link number.
    pub nvlinks: Vec<NvLink>,
    /// Its place in the NVLink fabric; `None` where the driver tells of none.
    pub fabric: Option<Fabric>,
    /// NVLink-C2C links to its processor, by number; empty where there are none or the driver does not say.
    pub c2c: Vec<C2cLink>,
    /// MIG mode.
    pub mig_mode: MigMode,
    /// MIG profiles with their legal places; empty where the GPU has none, or MIG is off and the driver
    /// does not tell.
    pub profiles: Vec<Profile>,
    /// GPU instances that exist, by id.
    pub instances: Vec<GpuInstance>,
    /// Processes that hold the GPU or one of its instances.
    pub processes: Vec<GpuProcess>,
    /// How it is.
    pub health: Health,
}

impl Gpu {
    /// The profile with this driver id.
    pub fn profile(&self, id: crate::ProfileId) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }

    /// The stable name of an instance's place.
    pub fn slice_id(&self, instance: &GpuInstance) -> SliceId {
        SliceId {
            gpu: self.pci,
            placement: instance.placement,
            compute: None,
        }
    }

    /// The names of the slices that an instance makes: those of its parts where it is divided, else its own.
    pub fn slice_ids(&self, instance: &GpuInstance) -> Vec<SliceId> {
        let whole = self.slice_id(instance);
        if !instance.is_divided() {
            return vec![whole];
        }
        let parts = instance.compute.iter().map(|part| SliceId {
            compute: part.placement,
            ..whole
        });
        parts.collect()
    }
}

/// How a GPU is. A sick GPU never takes its neighbours down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Answers, nothing known against it.
    Ok,
    /// The driver has lost it (fallen off the bus).
    Lost {
        /// When that was first seen.
        since: Timestamp,
    },
    /// A call on it did not return before its deadline.
    Unresponsive {
        /// When that was first seen.
        since: Timestamp,
        /// The call that did not return.
        operation: String,
    },
    /// The driver refuses every call on it until it is reset.
    ResetRequired {
        /// When that was first seen.
        since: Timestamp,
    },
    /// It reported a critical error (XID).
    Xid {
        /// When.
        since: Timestamp,
        /// Code of NVIDIA's XID catalogue.
        code: u64,
    },
    /// The driver is left alone for somebody who works on it or on a GPU: nothing is known of it meanwhile, and nothing
    /// is held against it.
    Maintenance {
        /// Since when.
        since: Timestamp,
    },
}

impl Health {
    /// Whether new work may be placed on it.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }

    /// Whether the driver serves it no more.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Whether nothing is known against it but that somebody works on it, or did.
    pub fn is_ok_or_in_maintenance(&self) -> bool {
        matches!(self, Self::Ok | Self::Maintenance { .. })
    }
}

/// A PCIe link; generation 5 is 32 GT/s a lane. An idle GPU lowers `current`, so `max` is the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NvLinkRemote {
    /// Another GPU.
    Gpu(PciAddress),
    /// An NVSwitch; `None` for one that is no PCI function of this host: one of the rack, or of the host whose guest
    /// this is.
    Switch(Option<PciAddress>),
    /// Something that the driver does not name.
    Unknown,
}

/// A process that uses a GPU or an instance on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuProcess {
    /// Process id in the host's PID namespace.
    pub pid: u32,
    /// GPU memory that it holds; `None` where the driver does not tell.
    pub memory: Option<Bytes>,
    /// GPU instance that it runs on.
    pub gi: Option<crate::GiId>,
    /// Compute instance that it runs on.
    pub ci: Option<crate::CiId>,
}

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumaNode {
    /// Node id; ids can have gaps.
    pub id: u32,
    /// Its CPUs as the kernel lists them (`0-55,112-167`), empty for a node of memory alone; `None` where the kernel does
    /// not say.
    pub cpus: Option<String>,
    /// Its memory, 0 for a node of processors alone; `None` where the kernel does not say.
    pub memory: Option<Bytes>,
    /// Distance to each online node, in order of their ids (10 is local).
    pub distances: Vec<u32>,
    /// The kernel's memory tier: the lower, the faster. Ordinary memory is in tier 4.
    pub tier: Option<u32>,
    /// Whose memory it is, where it is an accelerator's (POWER9, Grace): nothing of the host's may be placed there.
    pub accelerator: Option<PciAddress>,
    /// How its nearest initiators reach it, as firmware says (HMAT).
    pub access: Vec<MemoryAccess>,
    /// Caches in front of its memory, by level.
    pub memory_caches: Vec<MemoryCache>,
}

/// How the nearest initiators reach a node's memory, from ACPI's HMAT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryCache {
    /// Its level, from the memory's side.
    pub level: u32,
    /// Its size.
    pub bytes: Option<u64>,
}

/// What a network interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NicKind {
    /// It does RDMA; named under `/sys/class/infiniband`.
    #[default]
    Rdma,
    /// A network interface of a PCI function; named under `/sys/class/net`.
    Net,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nic {
    /// Name under `/sys/class/infiniband`, or `/sys/class/net`.
    pub name: String,
    /// What it is.
    pub kind: NicKind,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// `InfiniBand` or `Ethernet` (RoCE); empty where the kernel does not say.
    pub link_layer: String,
    /// Rate of its first port; `None` where nobody says.
    pub rate: Option<Rate>,
    /// Its ports, by number; empty for one that does no RDMA.
    pub ports: Vec<NicPort>,
    /// Network interfaces of the same PCI function, by name; empty for one of them.
    pub netdevs: Vec<String>,
}

/// A port of an RDMA interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NicPort {
    /// From 1.
    pub number: u32,
    /// `InfiniBand` or `Ethernet`; empty where the kernel does not say.
    pub link_layer: String,
    /// Logical state without its number: `ACTIVE`, `DOWN`.
    pub state: String,
    /// Its rate; `None` where nobody says.
    pub rate: Option<Rate>,
    /// Local id that the subnet manager gave; `None` for Ethernet.
    pub lid: Option<u32>,
}

/// What a port carries one way, in megabits a second; 0 while it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u32);

impl Rate {
    /// Whether nothing gets through.
    pub fn is_down(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.pad("down"),
            megabits if megabits < 1_000 => write!(f, "{megabits} Mb/s"),
            megabits if megabits % 1_000 == 0 => write!(f, "{} Gb/s", megabits / 1_000),
            megabits => write!(f, "{} Gb/s", f64::from(megabits) / 1_000.0),
        }
    }
}
