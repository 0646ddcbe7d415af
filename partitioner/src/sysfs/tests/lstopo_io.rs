//! PCI functions and devices of real machines, as `lstopo` has them: all of them, in both directions.
//!
//! What one of the two leaves out on purpose is a rule below, with its reason. There is no list of exceptions by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use kerf_types::PciAddress;
use kerf_types::map::{ClassDevice, DeviceClass, PciFunction, PciLink};
use roxmltree::Node;

use crate::sysfs::oracle::{Dump, Topology, attribute, each_dump, each_topology};
use crate::sysfs::{Reader, Root, devices, numa, nvme, pci};

/// What our readers find in a dump.
struct Found {
    functions: Vec<PciFunction>,
    devices: Vec<ClassDevice>,
    oddities: Vec<String>,
}

fn find(dump: &Dump) -> Found {
    let root = Root::open(&dump.path).expect("the dump");
    let reader = Reader::new(&root);
    let nodes = numa::nodes(&reader);
    let functions = pci::functions(&reader, &nodes);
    let devices = devices::devices(&reader, &functions, &nodes);
    nvme::controllers(&reader, &functions, &nodes);
    let oddities = reader.into_oddities();
    let words = oddities
        .iter()
        .map(|odd| format!("{} {}", odd.path, odd.what));
    Found {
        functions,
        devices,
        oddities: words.collect(),
    }
}

/// `lstopo`'s address of a PCI object; it has four digits of domain.
fn address(object: Node<'_, '_>) -> Option<PciAddress> {
    attribute(object, "pci_busid").parse().ok()
}

/// PCI addresses above an object, the nearest first.
fn above(object: Node<'_, '_>) -> Vec<PciAddress> {
    object.ancestors().skip(1).filter_map(address).collect()
}

/// Nodes of the nearest object above that has CPUs, and whether that is a part of the machine.
fn locality(object: Node<'_, '_>) -> (BTreeSet<u32>, bool) {
    let normal = object
        .ancestors()
        .find(|node| node.has_attribute("nodeset"));
    let normal = normal.expect("the machine is above");
    let words = attribute(normal, "nodeset").rsplit(',');
    let nodes = words.zip((0..).step_by(32)).flat_map(|(word, base)| {
        let digits = word.trim_start_matches("0x");
        let word = u32::from_str_radix(digits, 16).unwrap_or(0);
        (0..32)
            .filter(move |bit| word >> bit & 1 == 1)
            .map(move |bit| base + bit)
    });
    (nodes.collect(), attribute(normal, "type") != "Machine")
}

/// `0604 [8086:3c02] [0000:0000] 07`, without the revision.
fn identity(function: &PciFunction) -> String {
    let (vendor, device) = function.subsystem.unwrap_or_default();
    format!(
        "{:04x} [{:04x}:{:04x}] [{vendor:04x}:{device:04x}]",
        function.class_pair().unwrap_or_default(),
        function.vendor.unwrap_or_default(),
        function.device.unwrap_or_default()
    )
}

/// What a link carries now in gigabytes a second, without the bits of its code: 8 of 10 in the first two generations,
/// 128 of 130 later. 0 where it is not known, as `lstopo` has it.
fn gigabytes(link: Option<PciLink>) -> f64 {
    let known = link.and_then(|link| Some((link.speed?.0, link.width?)));
    known.map_or(0.0, |(speed, lanes)| {
        let code = if speed <= 5_000 { 0.8 } else { 128.0 / 130.0 };
        f64::from(speed) / 1_000.0 * code * f64::from(lanes) / 8.0
    })
}

#[test]
fn every_function_is_as_lstopo_has_it() {
    each_topology(|dump, topology| {
        let found = find(dump);
        let theirs: BTreeMap<PciAddress, Node<'_, '_>> = ["PCIDev", "Bridge"]
            .into_iter()
            .flat_map(|kind| topology.objects(kind))
            .filter_map(|object| Some((address(object)?, object)))
            .collect();
        let ours: BTreeMap<PciAddress, &PciFunction> = found
            .functions
            .iter()
            .map(|function| (function.address, function))
            .collect();
        let missing = theirs.keys().filter(|address| !ours.contains_key(address));
        let mut differences: Vec<String> = missing
            .map(|address| format!("{address} is not ours"))
            .collect();
        for (address, function) in &ours {
            match theirs.get(address) {
                Some(object) => differences.extend(compare(function, &ours, *object)),
                None if is_hidden(dump, function) => {}
                None => differences.push(format!("{address} is not lstopo's")),
            }
        }
        differences
    });
}

/// What `lstopo` 2.9 leaves out by its own rules: domains of more than 16 bits, of which it warns, and bridges that
/// the firmware gave no bus behind them, so that nothing can hang there.
fn is_hidden(dump: &Dump, function: &PciFunction) -> bool {
    let path = format!("sys/bus/pci/devices/{}/config", function.address);
    let config = fs::read(dump.path.join(path)).unwrap_or_default();
    let is_bridge = function.class_pair() == Some(0x0604);
    function.address.domain > 0xffff || is_bridge && config.get(0x19) == Some(&0)
}

fn compare(
    function: &PciFunction,
    ours: &BTreeMap<PciAddress, &PciFunction>,
    object: Node<'_, '_>,
) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            let address = function.address;
            differences.push(format!("{address}: {what} is {ours}, lstopo has {theirs}"));
        }
    };
    let kind = attribute(object, "pci_type");
    let (theirs, _revision) = kind.rsplit_once(' ').unwrap_or_default();
    differ("identity", identity(function), theirs.to_owned());
    let parent = |one: &PciAddress| ours.get(one).and_then(|function| function.parent);
    let chain: Vec<PciAddress> = std::iter::successors(function.parent, parent).collect();
    differ(
        "the way up",
        format!("{chain:?}"),
        format!("{:?}", above(object)),
    );
    let speed = attribute(object, "pci_link_speed").parse().unwrap_or(0.0);
    differ(
        "the link's speed",
        format!("{:.3}", gigabytes(function.link)),
        format!("{speed:.3}"),
    );
    differences.extend(compare_nodes(
        &function.address.to_string(),
        function.numa_node,
        object,
    ));
    differences
}

/// `lstopo` hangs a device below what has the device's CPUs, which can be more than a node. Ours is one of those; and
/// it is known where there is just one, and that is not all of the machine.
fn compare_nodes(name: &str, node: Option<u32>, object: Node<'_, '_>) -> Option<String> {
    let (theirs, is_part) = locality(object);
    let is_like = match node {
        Some(node) => theirs.contains(&node),
        None => !is_part || theirs.len() > 1,
    };
    (!is_like).then(|| format!("{name}: the node is {node:?}, lstopo has {theirs:?}"))
}

#[test]
fn every_device_is_as_lstopo_has_it() {
    each_topology(|dump, topology| {
        let found = find(dump);
        let mut theirs = os_devices(topology);
        let mut differences = Vec::new();
        for device in &found.devices {
            let key = (kind(device.class), device.name.as_str());
            let Some(object) = theirs.remove(&key) else {
                // hwloc 2 no longer reads the class of the coprocessors of old.
                if device.class != DeviceClass::Mic {
                    differences.push(format!("{key:?} is not lstopo's"));
                }
                continue;
            };
            // It knows no function in a domain of more than 16 bits.
            let ours = device.pci.filter(|address| address.domain <= 0xffff);
            let parent = above(object).first().copied();
            if ours != parent {
                differences.push(format!("{key:?} hangs at {ours:?}, lstopo has {parent:?}"));
            }
            differences.extend(compare_nodes(&device.name, device.numa_node, object));
        }
        let missing = theirs.keys();
        differences.extend(missing.map(|key| format!("{key:?} is not ours")));
        differences
    });
}

fn os_devices<'t>(topology: &'t Topology<'_>) -> BTreeMap<(u32, &'t str), Node<'t, 't>> {
    let objects = topology.objects("OSDev");
    objects
        .map(|object| {
            let kind = attribute(object, "osdev_type").parse().expect("a number");
            ((kind, attribute(object, "name")), object)
        })
        .collect()
}

/// hwloc's number of a kind (`hwloc_obj_osdev_type_t`).
fn kind(class: DeviceClass) -> u32 {
    match class {
        DeviceClass::Block | DeviceClass::Dax => 0,
        DeviceClass::Drm => 1,
        DeviceClass::Net => 2,
        DeviceClass::Infiniband => 3,
        DeviceClass::Dma => 4,
        DeviceClass::Accel | DeviceClass::Mic | DeviceClass::Ve => 5,
    }
}

/// Entries of classes whose devices the makers of a dump left out.
fn dangling(dump: &Dump) -> Vec<String> {
    let classes = DeviceClass::ALL
        .iter()
        .map(|class| format!("sys/class/{}", class.as_str()));
    let entries =
        classes.flat_map(|class| fs::read_dir(dump.path.join(class)).into_iter().flatten());
    let lost = entries.filter_map(|entry| {
        let place = entry.ok()?.path();
        let target = fs::read_link(&place)
            .ok()?
            .into_os_string()
            .into_string()
            .ok()?;
        let is_lost = !target.contains("/virtual/") && !place.exists();
        let name = place.strip_prefix(&dump.path).ok()?.to_str()?.to_owned();
        is_lost.then(|| format!("/{name} leads to {target:?}, which is not there"))
    });
    lost.collect()
}

/// Functions that their dumps' makers moved to another address, with what their `uevent` still calls them.
const MOVED: [(&str, &str, &str); 3] = [
    ("2pa-pcidomain32bits", "10000:00:00.0", "0000:00:00.0"),
    ("2pa-pcidomain32bits", "10000:00:04.0", "0000:00:04.0"),
    (
        "32em64t-2n8c+dax+nvme+mic+dimms",
        "0000:00:02.0",
        "0000:01:00.0",
    ),
];

#[test]
fn nothing_of_a_bus_is_left_out_and_little_is_odd() {
    each_dump(|dump| {
        let found = find(dump);
        let folder = fs::read_dir(dump.path.join("sys/bus/pci/devices"));
        let theirs = folder.map_or(0, Iterator::count);
        let moved = MOVED.iter().filter(|(of, ..)| *of == dump.name);
        let mut odd: Vec<String> = moved
            .map(|(_, to, from)| format!("/sys/bus/pci/devices/{to}/uevent is that of {from:?}"))
            .collect();
        odd.extend(dangling(dump));
        odd.sort();
        let ours = found.functions.len();
        let is_whole = ours == theirs && found.oddities == odd;
        let words = format!("{ours} functions of {theirs}, odd: {:?}", found.oddities);
        (!is_whole).then_some(words).into_iter().collect()
    });
}
