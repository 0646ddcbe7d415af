//! Accelerators of every vendor in one shape.

use std::cmp::Ordering;
use std::fmt;

use super::capability::{Capabilities, CapabilityKey, CapabilityValue};
use crate::bytes::Bytes;
use crate::pci::PciAddress;

/// Who made an accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// AMD: GPUs, and FPGAs that were Xilinx's.
    Amd,
    /// Amazon: Inferentia and Trainium.
    Aws,
    /// Google: TPUs.
    Google,
    /// Intel: GPUs and FPGAs.
    Intel,
    /// Intel: Gaudi.
    Habana,
    /// NEC: vector engines.
    Nec,
    /// NVIDIA.
    Nvidia,
    /// Anybody else, by PCI vendor id.
    Other(u16),
}

impl Vendor {
    /// Those with a name.
    const NAMED: [Self; 7] = [
        Self::Amd,
        Self::Aws,
        Self::Google,
        Self::Intel,
        Self::Habana,
        Self::Nec,
        Self::Nvidia,
    ];

    /// The vendor of that word, as it is printed.
    pub fn from_word(word: &str) -> Option<Self> {
        let named = Self::NAMED.into_iter().find(|one| one.to_string() == word);
        let other = || {
            let digits = word.strip_prefix("pci-")?;
            Some(Self::Other(u16::from_str_radix(digits, 16).ok()?))
        };
        named.or_else(other)
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amd => f.pad("amd"),
            Self::Aws => f.pad("aws"),
            Self::Google => f.pad("google"),
            Self::Intel => f.pad("intel"),
            Self::Habana => f.pad("habana"),
            Self::Nec => f.pad("nec"),
            Self::Nvidia => f.pad("nvidia"),
            Self::Other(id) => write!(f, "pci-{id:04x}"),
        }
    }
}

/// How an accelerator is, as far as its kernel driver says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AcceleratorHealth {
    /// Nobody says.
    #[default]
    Unknown,
    /// It works.
    Ok,
    /// It works no more, or not now, with the driver's word for it.
    Failed(String),
}

/// By which names are ordered: `neuron2` comes before `neuron10`.
pub fn name_order(name: &str) -> (&str, Option<u64>, &str) {
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = name
        .strip_prefix(stem)
        .and_then(|digits| digits.parse().ok());
    (stem, number, name)
}

impl Accelerator {
    /// The order of two by their addresses and ids.
    pub fn order(one: (Option<PciAddress>, &str), next: (Option<PciAddress>, &str)) -> Ordering {
        let key = |(pci, _): (Option<PciAddress>, &str)| (pci.is_none(), pci);
        let by_name = || name_order(one.1).cmp(&name_order(next.1));
        key(one).cmp(&key(next)).then_with(by_name)
    }

    /// Puts accelerators in their order: by address, then those without one by name.
    pub fn sort(all: &mut [Self]) {
        all.sort_by(|one, next| Self::order((one.pci, &one.id), (next.pci, &next.id)));
    }

    /// An accelerator of which nothing is known but where it is and, where somebody says, who made it.
    pub fn at(pci: PciAddress, vendor: impl Into<Option<Vendor>>) -> Self {
        Self {
            id: pci.to_string(),
            vendor: vendor.into(),
            model: String::new(),
            pci: Some(pci),
            numa_node: None,
            memory: None,
            memory_used: None,
            architecture: None,
            serial: None,
            unique_id: None,
            driver: None,
            nodes: Vec::new(),
            health: AcceleratorHealth::Unknown,
            utilisation_percent: None,
            capabilities: Capabilities::new(),
        }
    }

    /// Whether it is a part of another device that has ways and a place of its own: a virtual function.
    pub fn is_virtual(&self) -> bool {
        let part = self.capabilities.get(&CapabilityKey::Virtualised);
        part.is_some_and(|part| part.value == CapabilityValue::Flag(true))
    }
}

/// One accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accelerator {
    /// A name that stays while the machine is not rebuilt: the PCI address, or the kernel's name of a device that
    /// has none (`neuron0`, `fpga0`).
    pub id: String,
    /// Who made it; `None` where nobody says.
    pub vendor: Option<Vendor>,
    /// Marketing name, else what the driver calls it, else the PCI ids (`1002:74a1`).
    pub model: String,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Its memory.
    pub memory: Option<Bytes>,
    /// Its memory that is in use.
    pub memory_used: Option<Bytes>,
    /// Generation, by its maker's word: `gfx942`, `hopper`, `gaudi3`, `trn2`, `v5e`.
    pub architecture: Option<String>,
    /// Serial number of the board.
    pub serial: Option<String>,
    /// An id that is unique in the world: NVIDIA's UUID, AMD's `unique_id`.
    pub unique_id: Option<String>,
    /// Kernel driver that serves it, and its version where it says.
    pub driver: Option<String>,
    /// Device nodes that open it, from `/dev`, sorted.
    pub nodes: Vec<String>,
    /// How it is.
    pub health: AcceleratorHealth,
    /// How busy it is, in per cent.
    pub utilisation_percent: Option<u32>,
    /// What it can do.
    pub capabilities: Capabilities,
}
