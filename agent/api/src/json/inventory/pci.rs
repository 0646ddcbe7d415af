//! PCI functions and devices of the kernel's classes, as documents show them.

use kerf_types::map as facts;
use schemars::JsonSchema;
use serde::Serialize;

use super::number::Thousandths;
use super::place::known;

/// A PCI function. Ids are as sysfs writes them, `0x10de`; addresses `domain:bus:device.function`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PciFunction {
    /// Where it sits.
    pub bdf: String,
    /// Base class, sub class and interface: `0x030200`; null where nobody says.
    pub class: Option<String>,
    /// Vendor id.
    pub vendor: Option<String>,
    /// Device id.
    pub device: Option<String>,
    /// Vendor id of the subsystem.
    pub subsystem_vendor: Option<String>,
    /// Device id of the subsystem.
    pub subsystem_device: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// The bridge above it; null on a root bus.
    pub parent: Option<String>,
    /// Name of the host bridge's folder, `pci0000:00`.
    pub host_bridge: Option<String>,
    /// Its link; null for a function that has none.
    pub link: Option<PciLink>,
    /// Kernel driver that serves it.
    pub driver: Option<String>,
    /// IOMMU group: functions of one group can only be given away together.
    pub iommu_group: Option<u32>,
    /// The physical function that it is a virtual function of.
    pub physical_function: Option<String>,
    /// Virtual functions that it can have.
    pub sriov: Option<SriovFunctions>,
    /// Access control of a bridge, where its configuration space could be read and has it.
    pub acs: Option<Acs>,
}

/// A PCIe link; speeds are gigatransfers a second a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PciLink {
    /// Speed now.
    pub speed_gtps: Option<Thousandths>,
    /// Lanes now.
    pub width: Option<u32>,
    /// Highest speed.
    pub max_speed_gtps: Option<Thousandths>,
    /// Most lanes.
    pub max_width: Option<u32>,
}

/// Virtual functions of a physical one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SriovFunctions {
    /// That it can have.
    pub total: u32,
    /// That it has.
    pub enabled: u32,
}

/// Access Control Services of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Acs {
    /// Whether what one peer below it sends to another has to go by the root complex.
    pub redirects_peers: bool,
}

impl From<&facts::PciFunction> for PciFunction {
    fn from(function: &facts::PciFunction) -> Self {
        let id = |id: u16| format!("0x{id:04x}");
        Self {
            bdf: function.address.to_string(),
            class: function.class.map(|class| format!("0x{class:06x}")),
            vendor: function.vendor.map(id),
            device: function.device.map(id),
            subsystem_vendor: function.subsystem.map(|(vendor, _)| id(vendor)),
            subsystem_device: function.subsystem.map(|(_, device)| id(device)),
            numa_node: function.numa_node,
            parent: function.parent.map(|parent| parent.to_string()),
            host_bridge: known(&function.host_bridge),
            link: function.link.as_ref().map(Into::into),
            driver: function.driver.clone(),
            iommu_group: function.iommu_group,
            physical_function: function.physical_function.map(|pf| pf.to_string()),
            sriov: function.sriov.map(|functions| SriovFunctions {
                total: functions.total,
                enabled: functions.enabled,
            }),
            acs: function.acs.map(|acs| Acs {
                redirects_peers: acs.redirects_peers(),
            }),
        }
    }
}

impl From<&facts::PciLink> for PciLink {
    fn from(link: &facts::PciLink) -> Self {
        Self {
            speed_gtps: link.speed.map(|speed| Thousandths(speed.0)),
            width: link.width,
            max_speed_gtps: link.max_speed.map(|speed| Thousandths(speed.0)),
            max_width: link.max_width,
        }
    }
}

/// A device of one of the kernel's classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClassDevice {
    /// The class's folder under `/sys/class`.
    pub class: &'static str,
    /// Its name.
    pub name: String,
    /// The nearest PCI function above it.
    pub bdf: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
}

impl From<&facts::ClassDevice> for ClassDevice {
    fn from(device: &facts::ClassDevice) -> Self {
        Self {
            class: device.class.as_str(),
            name: device.name.clone(),
            bdf: device.pci.map(|pci| pci.to_string()),
            numa_node: device.numa_node,
        }
    }
}

/// An NVMe controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nvme {
    /// `nvme0`.
    pub name: String,
    /// Where it sits; null over a fabric.
    pub bdf: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// `pcie`, `rdma`, `tcp` or `fc`.
    pub transport: Option<String>,
    /// Marketing name.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Firmware revision.
    pub firmware: Option<String>,
    /// `live` when it serves.
    pub state: Option<String>,
    /// Its disks.
    pub namespaces: Vec<Namespace>,
}

/// A disk of an NVMe controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Namespace {
    /// `nvme0n1`.
    pub name: String,
    /// Its size in bytes.
    pub bytes: Option<u64>,
}

impl From<&facts::Nvme> for Nvme {
    fn from(nvme: &facts::Nvme) -> Self {
        let namespace = |one: &facts::Namespace| Namespace {
            name: one.name.clone(),
            bytes: one.bytes,
        };
        Self {
            name: nvme.name.clone(),
            bdf: nvme.pci.map(|pci| pci.to_string()),
            numa_node: nvme.numa_node,
            transport: nvme.transport.clone(),
            model: nvme.model.clone(),
            serial: nvme.serial.clone(),
            firmware: nvme.firmware.clone(),
            state: nvme.state.clone(),
            namespaces: nvme.namespaces.iter().map(namespace).collect(),
        }
    }
}
