//! Links between accelerators.

use std::cmp::Ordering;

use super::accelerator::name_order;
use crate::pci::PciAddress;

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum End {
    /// An accelerator, by its [`id`](super::Accelerator::id).
    Accelerator(String),
    /// A switch of the links' own, by its address; `None` for one that is no PCI function of this host.
    Switch(Option<PciAddress>),
    /// A processor, by its NUMA node.
    Cpu(u32),
}

impl Ord for End {
    /// Accelerators in their own order, then switches, then processors.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |end: &Self| match end {
            Self::Accelerator(_) => (0, None, 0),
            Self::Switch(address) => (1, *address, 0),
            Self::Cpu(node) => (2, None, *node),
        };
        match (self, other) {
            (Self::Accelerator(one), Self::Accelerator(next)) => {
                name_order(one).cmp(&name_order(next))
            }
            _ => key(self).cmp(&key(other)),
        }
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// NVIDIA's NVLink.
    NvLink,
    /// NVIDIA's NVLink between chips of one module (Grace and Hopper).
    NvLinkC2c,
    /// AMD's Infinity Fabric between GPUs.
    Xgmi,
    /// Intel's Xe Link.
    XeLink,
    /// Gaudi's ports, Ethernet inside the host.
    Gaudi,
    /// NeuronLink.
    NeuronLink,
    /// Google's links between chips.
    TpuIci,
    /// At most one PCIe switch.
    Pix,
    /// Several PCIe switches.
    Pxb,
    /// A PCIe host bridge.
    Phb,
    /// Host bridges of one NUMA node.
    Node,
    /// The link between NUMA nodes.
    Sys,
}

impl LinkKind {
    /// Every kind, the nearest first.
    pub const ALL: [Self; 12] = [
        Self::NvLink,
        Self::NvLinkC2c,
        Self::Xgmi,
        Self::XeLink,
        Self::Gaudi,
        Self::NeuronLink,
        Self::TpuIci,
        Self::Pix,
        Self::Pxb,
        Self::Phb,
        Self::Node,
        Self::Sys,
    ];

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What stands before the number of links in a matrix, as nvidia-smi has it for NVLink.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::NvLink => "NV",
            Self::NvLinkC2c => "C2C",
            Self::Xgmi => "XGMI",
            Self::XeLink => "XE",
            Self::Gaudi => "GA",
            Self::NeuronLink => "NL",
            Self::TpuIci => "ICI",
            Self::Pix | Self::Pxb | Self::Phb | Self::Node | Self::Sys => self.as_str(),
        }
    }

    /// Whether it is a link of the devices' own, and not a way over PCIe.
    pub fn is_own(self) -> bool {
        self < Self::Pix
    }

    /// The word of the documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NvLink => "nvlink",
            Self::NvLinkC2c => "nvlink-c2c",
            Self::Xgmi => "xgmi",
            Self::XeLink => "xelink",
            Self::Gaudi => "gaudi",
            Self::NeuronLink => "neuronlink",
            Self::TpuIci => "ici",
            Self::Pix => "PIX",
            Self::Pxb => "PXB",
            Self::Phb => "PHB",
            Self::Node => "NODE",
            Self::Sys => "SYS",
        }
    }
}

/// All links of one kind between two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The end with the lower name.
    pub a: End,
    /// The other one.
    pub b: End,
    /// What they are.
    pub kind: LinkKind,
    /// How many; 1 for a way over PCIe.
    pub count: u32,
    /// What all of them carry one way, in gigabytes a second; `None` where nobody says.
    pub gbps: Option<u32>,
    /// The lowest PCI bridge, or host bridge, that is above both; empty where it does not apply.
    pub ancestor: String,
}
