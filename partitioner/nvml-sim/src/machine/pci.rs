//! `/sys/devices/pci*`, `/sys/bus/pci` and the IOMMU groups of a machine. Owns the attributes that a kernel shows for
//! every function, whatever it is; what drivers add to them is for their own modules.

use super::CreateError;
use super::config_space;
use super::cpu::{cpu_list, cpu_mask};
use super::identity::{Identity, identity, iommu_type};
use super::link::{Link, link};
use super::tree::Tree;
use crate::model::machine::functions;
use crate::model::spec::{MachineSpec, PciFunction, Role};
use crate::model::walk::{iommu_group, is_shared};

/// First interrupt of the functions; theirs follow each other.
const FIRST_IRQ: usize = 128;

/// The interrupt of a function among `all` of its machine. Every driver that prints it means this one.
pub fn irq(all: &[PciFunction], function: &PciFunction) -> usize {
    let before = all.iter().take_while(|other| *other != function);
    FIRST_IRQ + before.count()
}

/// Writes every PCI function.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    let all = functions(spec);
    for function in all {
        let link = link(spec, all, function);
        let ids = identity(spec, function.role);
        write_attributes(tree, spec, function, &ids, link)?;
        write_links(tree, spec, function, &ids)?;
    }
    Ok(())
}

fn write_attributes(
    tree: &Tree,
    spec: &'static MachineSpec,
    function: &PciFunction,
    ids: &Identity,
    link: Option<Link>,
) -> Result<(), CreateError> {
    let all = functions(spec);
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
        ("irq", irq(all, function).to_string()),
        ("enable", "1".to_owned()),
        ("power_state", "D0".to_owned()),
        ("modalias", modalias(ids)),
        ("resource", resources(function, spec.bar_mib())),
        ("uevent", uevent(ids, function)),
    ];
    attributes.extend(link_attributes(link));
    if let Some((secondary, subordinate)) = function.buses {
        attributes.push(("secondary_bus_number", secondary.to_string()));
        attributes.push(("subordinate_bus_number", subordinate.to_string()));
    }
    if let Some(total) = virtual_functions(spec, function.role) {
        attributes.push(("sriov_totalvfs", total.to_string()));
        attributes.push(("sriov_numvfs", "0".to_owned()));
        attributes.push(("sriov_offset", "1".to_owned()));
        attributes.push(("sriov_stride", "1".to_owned()));
        attributes.push(("sriov_drivers_autoprobe", "1".to_owned()));
    }
    let folder = function.sysfs_folder();
    tree.attributes(&folder, &attributes)?;
    tree.bytes(
        format!("{folder}/config"),
        &config_space::bytes(ids, function, link, is_shared(all, function)),
    )
}

/// A function on the root bus has a PCIe capability without link registers, which Linux prints as an unknown speed,
/// 255 lanes at most and none now (`pcie_get_width_cap`, `current_link_width_show`).
fn link_attributes(link: Option<Link>) -> [(&'static str, String); 4] {
    let texts = match link {
        Some(Link { most, now }) => [
            most.text().to_owned(),
            now.text().to_owned(),
            most.lanes.to_string(),
            now.lanes.to_string(),
        ],
        None => ["Unknown", "Unknown", "255", "0"].map(str::to_owned),
    };
    let [max_speed, speed, max_width, width] = texts;
    [
        ("max_link_speed", max_speed),
        ("current_link_speed", speed),
        ("max_link_width", max_width),
        ("current_link_width", width),
    ]
}

fn virtual_functions(spec: &MachineSpec, role: Role) -> Option<u32> {
    match role {
        Role::Gpu(_) if spec.nvidia().is_some() => Some(16),
        Role::Gpu(_) => spec.card()?.virtual_functions,
        // As the firmware of ConnectX is set when it leaves the works.
        Role::Nic(_) if spec.nic.driver == "mlx5_core" => Some(8),
        _ => None,
    }
}

fn write_links(
    tree: &Tree,
    spec: &'static MachineSpec,
    function: &PciFunction,
    ids: &Identity,
) -> Result<(), CreateError> {
    let (folder, bdf) = (function.sysfs_folder(), function.bdf);
    tree.link(format!("sys/bus/pci/devices/{bdf}"), &folder)?;
    tree.link(format!("sys/bus/pci/drivers/{}/{bdf}", ids.driver), &folder)?;
    tree.link(
        format!("{folder}/driver"),
        format!("sys/bus/pci/drivers/{}", ids.driver),
    )?;
    tree.link(format!("{folder}/subsystem"), "sys/bus/pci")?;
    let group = iommu_group(functions(spec), function);
    let group = format!("sys/kernel/iommu_groups/{group}");
    tree.link(format!("{group}/devices/{bdf}"), &folder)?;
    tree.text(format!("{group}/type"), iommu_type(spec, function.role))?;
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

/// Thirteen lines of start, end and flags; only an accelerator's are not all zero.
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
