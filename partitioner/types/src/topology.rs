//! How near two devices are, in the words of `nvidia-smi topo -m`.

use std::fmt;

use crate::map::LinkKind;
use crate::pci::PciAddress;

/// The nearest way between two devices, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkClass {
    /// The device itself.
    Same,
    /// This many links of the devices' own.
    Own(LinkKind, u32),
    /// At most one PCIe switch.
    Pix,
    /// Several PCIe switches, without the host bridge.
    Pxb,
    /// The PCIe host bridge.
    Phb,
    /// Host bridges of one NUMA node.
    Node,
    /// The link between NUMA nodes.
    Sys,
}

impl fmt::Display for LinkClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.pad("X"),
            Self::Own(kind, links) => f.pad(&format!("{}{links}", kind.prefix())),
            Self::Pix => f.pad("PIX"),
            Self::Pxb => f.pad("PXB"),
            Self::Phb => f.pad("PHB"),
            Self::Node => f.pad("NODE"),
            Self::Sys => f.pad("SYS"),
        }
    }
}

/// One row of the topology matrix: a device and its way to every device of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyRow {
    /// `GPU0` or `NIC3`, as nvidia-smi calls them.
    pub device: String,
    /// Its PCI address.
    pub pci: Option<PciAddress>,
    /// The way to each device, in the order of the header.
    pub links: Vec<LinkClass>,
    /// CPUs near to it, as the kernel lists them; `None` where its NUMA node, or that node's CPUs, are not known.
    pub cpu_affinity: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// NUMA node that its own memory is, which nvidia-smi calls the GPU NUMA ID.
    pub memory_node: Option<u32>,
}
