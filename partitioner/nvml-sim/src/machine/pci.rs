//! `/sys/devices/pci*` and `/sys/bus/pci` of a machine. Owns the attributes that a kernel shows
//! for bridges, GPUs, NICs and NVSwitches.

use super::CreateError;
use super::config_space;
use super::cpu::{cpu_list, cpu_mask};
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::spec::{Accelerators, MachineSpec, PciFunction, Role};

/// The ids of a function: vendor, device, subsystem vendor and device, class, and its driver.
pub struct Identity {
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// Subsystem vendor and device id.
    pub subsystem: (u16, u16),
    /// Class code, 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// Kernel driver.
    pub driver: &'static str,
}

const BROADCOM: u16 = 0x1000;
const MELLANOX: u16 = 0x15b3;
const NVIDIA: u16 = 0x10de;
const AMD: u16 = 0x1002;
const BRIDGE: u32 = 0x06_0400;

/// The identity of a function.
pub fn identity(spec: &MachineSpec, role: Role) -> Identity {
    match role {
        Role::RootPort => {
            let (device, vendor) = spec.root_port_id;
            Identity {
                vendor,
                device,
                subsystem: (vendor, 0),
                class: BRIDGE,
                revision: 4,
                driver: "pcieport",
            }
        }
        Role::Upstream | Role::Downstream => Identity {
            vendor: BROADCOM,
            device: 0xc030,
            subsystem: (BROADCOM, 0x1003),
            class: BRIDGE,
            revision: 0xb0,
            driver: "pcieport",
        },
        Role::Gpu(_) => gpu_identity(spec.accelerators),
        Role::Nic(_) => Identity {
            vendor: MELLANOX,
            device: spec.nic.device,
            subsystem: (MELLANOX, 0x0041),
            class: if spec.nic.infiniband {
                0x02_0700
            } else {
                0x02_0000
            },
            revision: 0,
            driver: "mlx5_core",
        },
        Role::NvSwitch(_) => Identity {
            vendor: NVIDIA,
            device: spec.nvswitch_device,
            subsystem: (NVIDIA, 0x1796),
            class: 0x06_8000,
            revision: 0xa1,
            driver: "nvidia-nvswitch",
        },
    }
}

fn gpu_identity(accelerators: Accelerators) -> Identity {
    match accelerators {
        Accelerators::Nvidia(product) => Identity {
            vendor: NVIDIA,
            device: high_half(product.device_id),
            subsystem: (NVIDIA, high_half(product.subsystem_id)),
            class: 0x03_0200,
            revision: 0xa1,
            driver: "nvidia",
        },
        Accelerators::Amd(product) => Identity {
            vendor: AMD,
            device: product.device_id,
            subsystem: (AMD, product.device_id),
            class: 0x12_0000,
            revision: 0,
            driver: "amdgpu",
        },
    }
}

fn high_half(ids: u32) -> u16 {
    u16::try_from(ids >> 16).unwrap_or(u16::MAX)
}

/// Writes every PCI function.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    for (function, group) in functions(spec).iter().zip(0u32..) {
        write_function(tree, spec, function, group)?;
    }
    Ok(())
}

fn write_function(
    tree: &Tree,
    spec: &MachineSpec,
    function: &PciFunction,
    group: u32,
) -> Result<(), CreateError> {
    let ids = identity(spec, function.role);
    let (folder, bdf) = (function.sysfs_folder(), function.bdf);
    let generation = spec.pcie_generation();
    let speed = format!(
        "{} GT/s PCIe",
        if generation == 5 { "32.0" } else { "16.0" }
    );
    let mut attributes = vec![
        ("vendor", format!("{:#06x}", ids.vendor)),
        ("device", format!("{:#06x}", ids.device)),
        ("subsystem_vendor", format!("{:#06x}", ids.subsystem.0)),
        ("subsystem_device", format!("{:#06x}", ids.subsystem.1)),
        ("class", format!("{:#08x}", ids.class)),
        ("revision", format!("{:#04x}", ids.revision)),
        ("numa_node", function.node.to_string()),
        ("local_cpulist", cpu_list(spec, function.node)),
        ("local_cpus", cpu_mask(spec, function.node)),
        ("max_link_speed", speed.clone()),
        ("current_link_speed", speed),
        ("max_link_width", "16".to_owned()),
        ("current_link_width", "16".to_owned()),
        ("resource", resources(function, spec.bar_mib())),
        ("uevent", uevent(&ids, function)),
    ];
    if let Some((secondary, subordinate)) = function.buses {
        attributes.push(("secondary_bus_number", secondary.to_string()));
        attributes.push(("subordinate_bus_number", subordinate.to_string()));
    }
    if matches!(function.role, Role::Gpu(_)) && spec.nvidia().is_some() {
        attributes.push(("sriov_totalvfs", "16".to_owned()));
        attributes.push(("sriov_numvfs", "0".to_owned()));
    }
    tree.attributes(&folder, &attributes)?;
    tree.bytes(
        format!("{folder}/config"),
        &config_space::bytes(&ids, function, generation),
    )?;
    tree.link(format!("sys/bus/pci/devices/{bdf}"), &folder)?;
    tree.link(format!("sys/bus/pci/drivers/{}/{bdf}", ids.driver), &folder)?;
    tree.link(
        format!("{folder}/driver"),
        format!("sys/bus/pci/drivers/{}", ids.driver),
    )?;
    tree.link(format!("{folder}/subsystem"), "sys/bus/pci")?;
    let group = format!("sys/kernel/iommu_groups/{group}");
    tree.link(format!("{group}/devices/{bdf}"), &folder)?;
    tree.text(format!("{group}/type"), "identity")?;
    tree.link(format!("{folder}/iommu_group"), group)
}

fn modalias(ids: &Identity) -> String {
    let (base, sub, interface) = (ids.class >> 16, ids.class >> 8 & 0xff, ids.class & 0xff);
    format!(
        "pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{base:02X}sc{sub:02X}i{interface:02X}",
        ids.vendor, ids.device, ids.subsystem.0, ids.subsystem.1
    )
}

fn uevent(ids: &Identity, function: &PciFunction) -> String {
    format!(
        "DRIVER={}\nPCI_CLASS={:X}\nPCI_ID={:04X}:{:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}\n\
         PCI_SLOT_NAME={}\nMODALIAS={}\n",
        ids.driver,
        ids.class,
        ids.vendor,
        ids.device,
        ids.subsystem.0,
        ids.subsystem.1,
        function.bdf,
        modalias(ids)
    )
}

/// Thirteen lines of start, end and flags; only a GPU's are not all zero.
fn resources(function: &PciFunction, bar1_mib: u64) -> String {
    let mut lines = vec![(0u64, 0u64, 0u64); 13];
    if let Role::Gpu(index) = function.role {
        let index = u64::from(index);
        let size = bar1_mib << 20;
        // The BAR1s lie apart by twice their size so that each is aligned to it.
        let (registers, memory) = (
            0xa000_0000 + (index << 25),
            0x2000_0000_0000 + index * 2 * size,
        );
        let extra = memory + size;
        lines[0] = (registers, registers + 0x00ff_ffff, 0x0004_0200);
        lines[1] = (memory, memory + size - 1, 0x0014_220c);
        lines[3] = (extra, extra + 0x01ff_ffff, 0x0014_220c);
    }
    lines
        .iter()
        .map(|(start, end, flags)| format!("{start:#018x} {end:#018x} {flags:#018x}\n"))
        .collect()
}
