//! PCI functions and the tree that they hang in.

use crate::pci::PciAddress;

/// A function on a PCI bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciFunction {
    /// Where it sits.
    pub address: PciAddress,
    /// Class code: base class, sub class, interface (`0x030200`). Every kernel shows one; zero is one of old devices.
    pub class: Option<u32>,
    /// Vendor id; every kernel shows one, an imported description need not.
    pub vendor: Option<u16>,
    /// Device id; the same.
    pub device: Option<u16>,
    /// Vendor and device id of the subsystem.
    pub subsystem: Option<(u16, u16)>,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// The bridge above it, or the function that its host bridge belongs to (VMD); `None` on a root bus.
    pub parent: Option<PciAddress>,
    /// Name of the host bridge's folder (`pci0000:00`); empty where the tree does not say.
    pub host_bridge: String,
    /// Canonical path (`/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0`); empty where the tree does not say.
    pub path: String,
    /// Its link; `None` for a function that has none, such as one in the root complex.
    pub link: Option<PciLink>,
    /// Kernel driver that serves it.
    pub driver: Option<String>,
    /// IOMMU group: functions of one group can only be given away together.
    pub iommu_group: Option<u32>,
    /// The physical function that it is a virtual function of.
    pub physical_function: Option<PciAddress>,
    /// Virtual functions that it can have.
    pub sriov: Option<SriovFunctions>,
    /// Access control, where its configuration space could be read and has it.
    pub acs: Option<Acs>,
}

impl PciFunction {
    /// A function of which nothing is known but where it is.
    pub fn at(address: PciAddress, path: String) -> Self {
        Self {
            address,
            class: None,
            vendor: None,
            device: None,
            subsystem: None,
            numa_node: None,
            parent: None,
            host_bridge: String::new(),
            path,
            link: None,
            driver: None,
            iommu_group: None,
            physical_function: None,
            sriov: None,
            acs: None,
        }
    }

    /// Base class and sub class, as `lspci` has them: `0x0302` for a 3D controller. `None` where nobody says.
    pub fn class_pair(&self) -> Option<u16> {
        u16::try_from(self.class? >> 8).ok()
    }

    /// Base class: `0x12` for a processing accelerator. `None` where nobody says.
    pub fn base_class(&self) -> Option<u16> {
        self.class_pair().map(|pair| pair >> 8)
    }
}

/// Speed of a link in MT/s a lane: 2500 for the first generation of PCIe, 32000 for the fifth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkSpeed(pub u32);

/// A PCIe link. An idle device lowers its speed, so `max` is the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PciLink {
    /// Speed now.
    pub speed: Option<LinkSpeed>,
    /// Lanes now.
    pub width: Option<u32>,
    /// Highest speed.
    pub max_speed: Option<LinkSpeed>,
    /// Most lanes.
    pub max_width: Option<u32>,
    /// Whether the kernel spells a speed `16 GT/s`, as it did before 5.7, and not `16.0 GT/s PCIe`: what is handed to
    /// NCCL is spelled as NCCL would find it.
    pub is_old_spelling: bool,
}

/// Virtual functions of a physical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SriovFunctions {
    /// That it can have.
    pub total: u32,
    /// That it has.
    pub enabled: u32,
}

/// Access Control Services of a bridge: whether peers below it are sent through the root complex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acs {
    /// Bits that it can set, as in the capability's register.
    pub capable: u16,
    /// Bits that are set, as in the control register.
    pub enabled: u16,
}

impl Acs {
    /// Request redirect, completion redirect and egress control (PCIe base specification 7.7.11.3).
    const REDIRECT: u16 = 1 << 2 | 1 << 3 | 1 << 5;

    /// Whether what one peer sends to another has to go by the root complex, so that PCIe peer-to-peer is slow.
    pub fn redirects_peers(self) -> bool {
        self.enabled & Self::REDIRECT != 0
    }
}

/// The function at an address, of a list in order of the addresses; the first of several.
pub fn find(functions: &[PciFunction], address: PciAddress) -> Option<&PciFunction> {
    all_at(functions, address).next()
}

/// The functions at an address, of a list in order: more than one where firmware gave it out twice.
pub(super) fn all_at(
    functions: &[PciFunction],
    address: PciAddress,
) -> impl Iterator<Item = &PciFunction> {
    let first = functions.partition_point(|function| function.address < address);
    let rest = functions.iter().skip(first);
    rest.take_while(move |function| function.address == address)
}
