//! The elements that stand above devices: one for each switch, one for each NUMA node.

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::inventory::{Inventory, NumaNode};
use kerf_types::map::{HostMap, LinkSpeed, PciFunction, PciLink};

use super::element::Element;
use crate::sysfs::cpus::CpuSet;

/// Devices and switches below their NUMA nodes.
pub struct Tree<'a> {
    host: &'a Inventory,
    /// By NUMA node.
    cpus: BTreeMap<u32, Place>,
}

/// A place in the tree: what stands there, and what hangs below it.
#[derive(Default)]
struct Place {
    content: Option<Element>,
    /// By their canonical path: firmware may give one address to two bridges.
    below: BTreeMap<String, (PciAddress, Place)>,
}

impl<'a> Tree<'a> {
    /// A tree without devices.
    pub fn new(host: &'a Inventory) -> Self {
        Self {
            host,
            cpus: BTreeMap::new(),
        }
    }

    /// Hangs up a function with what is in its element. One that is not known is left out.
    pub fn add(&mut self, pci: PciAddress, content: Option<Element>) {
        let Some(function) = self.host.map.function(pci) else {
            return;
        };
        let steps = steps(function);
        let top = steps
            .first()
            .and_then(|(at, path)| self.host.map.function_at(*at, path));
        // NCCL takes the first node where the kernel knows none.
        let node = top.unwrap_or(function).numa_node.unwrap_or(0);
        let mut place = self.cpus.entry(node).or_default();
        for (address, path) in steps {
            let below = place.below.entry(path);
            place = &mut below.or_insert_with(|| (address, Place::default())).1;
        }
        if content.is_some() {
            place.content = content;
        }
    }

    /// The `cpu` elements, by NUMA node.
    pub fn into_cpus(self) -> Vec<Element> {
        let cpu = |(node, place): (u32, Place)| {
            let mut element = cpu(self.host, node);
            element.children = elements(&self.host.map, place);
            element
        };
        self.cpus.into_iter().map(cpu).collect()
    }
}

fn elements(map: &HostMap, place: Place) -> Vec<Element> {
    let mut elements = Vec::new();
    for (path, (address, mut below)) in place.below {
        let mut element = element(map, address, &path);
        element.children.extend(below.content.take());
        element.children.extend(self::elements(map, below));
        elements.push(element);
    }
    elements
}

fn element(map: &HostMap, address: PciAddress, path: &str) -> Element {
    let mut element = Element::new("pci");
    element.set("busid", address);
    let Some(function) = map.function_at(address, path) else {
        return element;
    };
    let id = |id: u16| format!("0x{id:04x}");
    let class = function.class.map(|class| format!("0x{class:06x}"));
    element.set_known("class", class);
    element.set_known("vendor", function.vendor.map(id));
    element.set_known("device", function.device.map(id));
    let subsystem = function.subsystem;
    element.set_known("subsystem_vendor", subsystem.map(|(vendor, _)| id(vendor)));
    element.set_known("subsystem_device", subsystem.map(|(_, device)| id(device)));
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let port = address_of(above).and_then(|port| map.function_at(port, above));
    let (speed, width) = link(function, port);
    element.set_known("link_speed", speed);
    element.set_known("link_width", width);
    element
}

/// The addresses that get an element, from the top down to the function itself, each with its path: the function,
/// and each second folder above it.
fn steps(function: &PciFunction) -> Vec<(PciAddress, String)> {
    let mut steps = vec![(function.address, function.path.clone())];
    let mut path = function.path.as_str();
    while let Some((port, _)) = path.rsplit_once('/') {
        let Some((above, _)) = port.rsplit_once('/') else {
            break;
        };
        let (Some(_), Some(address)) = (address_of(port), address_of(above)) else {
            break;
        };
        steps.push((address, above.to_owned()));
        path = above;
    }
    steps.reverse();
    steps
}

fn address_of(path: &str) -> Option<PciAddress> {
    path.rsplit('/').next()?.parse().ok()
}

/// What both ends of a link can do at most: its speed as the kernel spells it, and its lanes.
fn link(function: &PciFunction, port: Option<&PciFunction>) -> (Option<String>, Option<u32>) {
    let own = function.link.unwrap_or_default();
    let port = port.and_then(|port| port.link).unwrap_or_default();
    let width = match (own.max_width, port.max_width) {
        (Some(own), Some(port)) => Some(own.min(port)),
        (own, port) => own.or(port),
    };
    let slower = match (own.max_speed, port.max_speed) {
        (Some(speed), Some(limit)) if limit < speed => Some((limit, port)),
        (Some(speed), _) => Some((speed, own)),
        (None, speed) => speed.map(|speed| (speed, port)),
    };
    (slower.map(|(speed, of)| spelled(speed, of)), width)
}

/// `32.0 GT/s PCIe`, or `16 GT/s` and `2.5 GT/s` of a kernel before 5.7.
fn spelled(speed: LinkSpeed, link: PciLink) -> String {
    let (whole, tenths) = (speed.0 / 1_000, speed.0 % 1_000 / 100);
    match (link.is_old_spelling, tenths) {
        (true, 0) => format!("{whole} GT/s"),
        (true, tenths) => format!("{whole}.{tenths} GT/s"),
        (false, tenths) => format!("{whole}.{tenths} GT/s PCIe"),
    }
}

/// The element of a NUMA node with what NCCL tunes by.
fn cpu(host: &Inventory, node: u32) -> Element {
    let mut element = Element::new("cpu");
    element.set("numaid", node);
    let of = |one: &&NumaNode| one.id == node;
    let all = &host.map.cpus;
    let cpus = host.numa_nodes.iter().find(of);
    let cpus = cpus.and_then(|node| CpuSet::from_list(node.cpus.as_ref()?));
    // NCCL reads the kernel's file where there is no attribute, and takes zeros for no CPUs at all.
    element.set_known("affinity", cpus.map(|cpus| cpus.to_mask(&all.online)));
    // NCCL's words: `x86_64`, `arm64`, `ppc64`.
    let architecture = all.architecture.as_deref().map(|word| match word {
        "aarch64" => "arm64",
        word if word.starts_with("ppc64") => "ppc64",
        word => word,
    });
    element.set_known("arch", architecture);
    element.set_known("vendor", all.vendor.as_ref());
    element.set_known("familyid", all.family);
    element.set_known("modelid", all.model_number);
    element
}
