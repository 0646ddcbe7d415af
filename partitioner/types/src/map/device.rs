//! Devices by the kernel's classes: disks, interfaces, render nodes.

use crate::pci::PciAddress;

/// A class of the kernel, by its folder under `/sys/class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceClass {
    /// Accelerators without graphics: `accel0`.
    Accel,
    /// Disks, without partitions: `nvme0n1`, `sda`.
    Block,
    /// Persistent memory without a file system: `dax0.0`.
    Dax,
    /// Copy engines: `dma0chan0`.
    Dma,
    /// Graphics and compute: `card0`, `renderD128`.
    Drm,
    /// RDMA: `mlx5_0`.
    Infiniband,
    /// Coprocessors of old: `mic0`.
    Mic,
    /// Network interfaces: `eth0`.
    Net,
    /// Vector engines of NEC: `ve0`.
    Ve,
}

impl DeviceClass {
    /// Every class.
    pub const ALL: [Self; 9] = [
        Self::Accel,
        Self::Block,
        Self::Dax,
        Self::Dma,
        Self::Drm,
        Self::Infiniband,
        Self::Mic,
        Self::Net,
        Self::Ve,
    ];

    /// The class with that folder.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// The folder's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accel => "accel",
            Self::Block => "block",
            Self::Dax => "dax",
            Self::Dma => "dma",
            Self::Drm => "drm",
            Self::Infiniband => "infiniband",
            Self::Mic => "mic",
            Self::Net => "net",
            Self::Ve => "ve",
        }
    }
}

/// One device of a class that belongs to hardware.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassDevice {
    /// Its class.
    pub class: DeviceClass,
    /// Its name.
    pub name: String,
    /// The nearest PCI function above it.
    pub pci: Option<PciAddress>,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
}

/// An NVMe controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvme {
    /// `nvme0`.
    pub name: String,
    /// Where it sits; `None` over a fabric.
    pub pci: Option<PciAddress>,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// `pcie`, `rdma`, `tcp`, `fc`.
    pub transport: Option<String>,
    /// Marketing name.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Firmware revision.
    pub firmware: Option<String>,
    /// `live` when it serves.
    pub state: Option<String>,
    /// Its disks, by name.
    pub namespaces: Vec<Namespace>,
}

/// A disk of an NVMe controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `nvme0n1`.
    pub name: String,
    /// Its size.
    pub bytes: Option<u64>,
}
