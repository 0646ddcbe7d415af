//! `/sys/devices/pci*` and `/sys/bus/pci` of an imported machine. Owns which file a function has for what is told
//! of it: an id that nobody tells has none.
//!
//! There are no IOMMU groups: nothing tells which functions an IOMMU keeps apart.

use std::collections::BTreeSet;

use super::describe::{Holds, Link, Speed};
use super::place::{Of, Placed};
use super::plan::Plan;
use crate::machine::config_space;
use crate::machine::cpu::{cpu_list, cpu_mask, list};
use crate::machine::identity::Identity;
use crate::machine::link;
use crate::machine::pci::irq;
use crate::machine::{CreateError, Tree};
use crate::model::machine::functions;
use crate::model::spec::MachineSpec;
use crate::model::walk::is_shared;

const BRIDGE: u32 = 0x06_0400;
const NVSWITCH: u32 = 0x06_8000;
const NVIDIA: u16 = 0x10de;

/// What a function says of itself.
struct Ids {
    class: u32,
    vendor: Option<u16>,
    device: Option<u16>,
    subsystem: Option<(u16, u16)>,
    driver: Option<&'static str>,
}

/// Writes every function.
pub fn write(tree: &Tree, spec: &'static MachineSpec, plan: &Plan<'_>) -> Result<(), CreateError> {
    tree.folder("sys/bus/pci/devices")?;
    let mut on_bus = BTreeSet::new();
    // The kernel's bus has an address once: a device, which nothing else leads to, rather than a bridge.
    let mut placed: Vec<&Placed<'_>> = plan.placed.iter().collect();
    placed.sort_by_key(|placed| placed.function.buses.is_some());
    for placed in placed {
        let (ids, link) = identify(spec, &placed.of);
        write_attributes(tree, spec, placed, &ids, &link)?;
        if on_bus.insert(placed.function.bdf) {
            write_links(tree, placed, &ids)?;
        }
    }
    Ok(())
}

fn identify(spec: &'static MachineSpec, of: &Of<'_>) -> (Ids, Link) {
    let unknown = Ids {
        class: BRIDGE,
        vendor: None,
        device: None,
        subsystem: None,
        driver: Some("pcieport"),
    };
    match of {
        Of::Told(function, _) => {
            let ids = Ids {
                class: function.class,
                vendor: function.vendor,
                device: function.device,
                subsystem: function.subsystem,
                driver: driver(spec, function.class, &function.holds),
            };
            (ids, function.link.clone())
        }
        // All ports of a switch have its ids.
        Of::Downstream(switch, link) => {
            let ids = Ids {
                vendor: switch.vendor,
                device: switch.device,
                subsystem: switch.subsystem,
                ..unknown
            };
            (ids, link.clone())
        }
        Of::RootPort(link) => {
            let (device, vendor) = spec.root_port_id;
            let ids = Ids {
                vendor: Some(vendor),
                device: Some(device),
                subsystem: Some((vendor, 0)),
                ..unknown
            };
            (ids, link.clone())
        }
        Of::NvSwitch => {
            let ids = Ids {
                class: NVSWITCH,
                vendor: Some(NVIDIA),
                device: Some(spec.nvswitch_device),
                subsystem: Some((NVIDIA, 0x1796)),
                driver: Some("nvidia-nvswitch"),
            };
            (ids, Link::default())
        }
    }
}

/// The driver, where what it shows is told. `None` where nobody says which one serves a function.
fn driver(spec: &'static MachineSpec, class: u32, holds: &Holds) -> Option<&'static str> {
    match holds {
        Holds::Amd(_) => Some("amdgpu"),
        Holds::Nvidia(_) => spec.nvidia().map(|_| "nvidia"),
        Holds::Nets(nets) => {
            let is_mellanox = nets.iter().any(|net| net.name.starts_with("mlx5_"));
            is_mellanox.then_some("mlx5_core")
        }
        Holds::Nothing => (class >> 8 == BRIDGE >> 8).then_some("pcieport"),
    }
}

fn write_attributes(
    tree: &Tree,
    spec: &'static MachineSpec,
    placed: &Placed<'_>,
    ids: &Ids,
    link: &Link,
) -> Result<(), CreateError> {
    let (all, function) = (functions(spec), &placed.function);
    let hex = |id: u16| format!("{id:#06x}");
    let mut attributes = vec![
        ("class", format!("{:#08x}", ids.class)),
        ("revision", "0x00".to_owned()),
        ("numa_node", placed.node.map_or(-1, i64::from).to_string()),
        ("irq", irq(all, function).to_string()),
        ("enable", "1".to_owned()),
        ("power_state", "D0".to_owned()),
        ("resource", NO_RESOURCES.repeat(13)),
        ("uevent", uevent(ids, placed)),
    ];
    match placed.node {
        Some(node) => attributes.extend([
            ("local_cpulist", cpu_list(spec, node)),
            ("local_cpus", cpu_mask(spec, node)),
        ]),
        // Without a node every CPU is as near as any other.
        None => attributes.push(("local_cpulist", list(&[(0, spec.cpu_count() - 1)]))),
    }
    attributes.extend(ids.vendor.map(|id| ("vendor", hex(id))));
    attributes.extend(ids.device.map(|id| ("device", hex(id))));
    if let Some((vendor, device)) = ids.subsystem {
        attributes.push(("subsystem_vendor", hex(vendor)));
        attributes.push(("subsystem_device", hex(device)));
    }
    if let Some((secondary, subordinate)) = function.buses {
        attributes.push(("secondary_bus_number", secondary.to_string()));
        attributes.push(("subordinate_bus_number", subordinate.to_string()));
    }
    attributes.extend(link_attributes(link));
    let folder = function.sysfs_folder();
    tree.attributes(&folder, &attributes)?;
    if let Some(identity) = identity(ids) {
        let is_shared = is_shared(all, function);
        let space = config_space::bytes(&identity, function, speed(link), is_shared);
        tree.bytes(format!("{folder}/config"), &space)?;
    }
    Ok(())
}

/// A line of `resource`: start, end and flags of a window that there is not.
const NO_RESOURCES: &str = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

/// A function has all four files or none of them; what is not known is written as the kernel does.
fn link_attributes(link: &Link) -> Vec<(&'static str, String)> {
    if *link == Link::default() {
        return Vec::new();
    }
    let speed = link.speed.as_ref();
    let speed = speed.map_or_else(|| "Unknown".to_owned(), |speed| speed.text.clone());
    vec![
        ("max_link_speed", speed.clone()),
        ("current_link_speed", speed),
        ("max_link_width", link.lanes.unwrap_or(u8::MAX).to_string()),
        ("current_link_width", link.lanes.unwrap_or(0).to_string()),
    ]
}

/// A configuration space needs all of the ids.
fn identity(ids: &Ids) -> Option<Identity> {
    Some(Identity {
        vendor: ids.vendor?,
        device: ids.device?,
        subsystem: ids.subsystem.unwrap_or_default(),
        class: ids.class,
        revision: 0,
        driver: ids.driver.unwrap_or_default(),
    })
}

fn speed(link: &Link) -> Option<link::Link> {
    let Speed { mts, .. } = link.speed.as_ref()?;
    let generation = match mts {
        2_500 => 1,
        5_000 => 2,
        8_000 => 3,
        16_000 => 4,
        32_000 => 5,
        64_000 => 6,
        _ => return None,
    };
    let both = link::Speed {
        generation,
        lanes: link.lanes?.into(),
    };
    Some(link::Link {
        most: both,
        now: both,
    })
}

fn uevent(ids: &Ids, placed: &Placed<'_>) -> String {
    let mut text = String::new();
    if let Some(driver) = ids.driver {
        text.push_str(&format!("DRIVER={driver}\n"));
    }
    text.push_str(&format!("PCI_CLASS={:X}\n", ids.class));
    if let (Some(vendor), Some(device)) = (ids.vendor, ids.device) {
        text.push_str(&format!("PCI_ID={vendor:04X}:{device:04X}\n"));
    }
    if let Some((vendor, device)) = ids.subsystem {
        text.push_str(&format!("PCI_SUBSYS_ID={vendor:04X}:{device:04X}\n"));
    }
    text.push_str(&format!("PCI_SLOT_NAME={}\n", placed.function.bdf));
    text
}

fn write_links(tree: &Tree, placed: &Placed<'_>, ids: &Ids) -> Result<(), CreateError> {
    let (folder, bdf) = (placed.function.sysfs_folder(), placed.function.bdf);
    tree.link(format!("sys/bus/pci/devices/{bdf}"), &folder)?;
    tree.link(format!("{folder}/subsystem"), "sys/bus/pci")?;
    if let Some(driver) = ids.driver {
        let driver = format!("sys/bus/pci/drivers/{driver}");
        tree.link(format!("{driver}/{bdf}"), &folder)?;
        tree.link(format!("{folder}/driver"), driver)?;
    }
    Ok(())
}
