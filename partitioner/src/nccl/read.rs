//! From the text.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

use kerf_types::PciAddress;
use roxmltree::{Document, Node, NodeId, ParsingOptions};

use super::{
    COMPUTE_CLASSES, Device, Link, NETWORK_CLASS, NcclError, NcclSystem, Net, SWITCH_CLASS,
    UNSEEN_SWITCH,
};

/// Most nodes of a document: hundreds of times those of the largest file that is known.
const NODES_LIMIT: u32 = 1 << 18;

/// Most devices that one may hang below; three are the most in a public file.
pub(super) const DEPTH_LIMIT: usize = 64;

impl FromStr for NcclSystem {
    type Err = NcclError;

    fn from_str(text: &str) -> Result<Self, NcclError> {
        read(system(&document(text)?)?)
    }
}

/// The text as XML.
pub(super) fn document(text: &str) -> Result<Document<'_>, NcclError> {
    let options = ParsingOptions {
        nodes_limit: NODES_LIMIT,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(NcclError::xml)
}

/// The root of a document, which must be NCCL's.
pub(super) fn system<'a, 'input>(
    document: &'a Document<'input>,
) -> Result<Node<'a, 'input>, NcclError> {
    let root = document.root_element();
    if !root.has_tag_name("system") {
        let found = root.tag_name().name().to_owned();
        return Err(NcclError::Root { found });
    }
    let version = root.attribute("version").unwrap_or_default();
    if !["1", "2"].contains(&version) {
        let found = version.to_owned();
        return Err(NcclError::Version { found });
    }
    agrees(root, version)?;
    Ok(root)
}

/// That what can be read is no slip either: each NUMA node of a host once, and links of the maker whose version it is
/// that lead away from their GPU. Files of several hosts tell those apart by `host_hash`.
fn agrees(root: Node<'_, '_>, version: &str) -> Result<(), NcclError> {
    let mut nodes = BTreeSet::new();
    for node in root.descendants() {
        let odd = |element, why| Err(unshown(node, element, why));
        match (node.tag_name().name(), version) {
            ("cpu", _) => {
                let name = |attribute| node.attribute(attribute);
                if !nodes.insert((name("host_hash"), name("numaid"))) {
                    return odd("cpu", "there is another one of that NUMA node");
                }
            }
            ("nvlink", "2") => {
                return odd(
                    "nvlink",
                    "version 2 is RCCL's, which knows AMD's xgmi links",
                );
            }
            ("xgmi", "1") => {
                return odd("xgmi", "version 1 is NCCL's, which knows NVIDIA's nvlinks");
            }
            ("nvlink", _) if leads_to_itself(node) => {
                return odd("nvlink", "it leads to the GPU that it is of");
            }
            ("xgmi", _) if leads_to_itself(node) => {
                return odd("xgmi", "it leads to the GPU that it is of");
            }
            _ => {}
        }
    }
    Ok(())
}

fn leads_to_itself(link: Node<'_, '_>) -> bool {
    let address = |text: &str| text.parse::<PciAddress>().ok();
    let target = link.attribute("target").and_then(address);
    let device = link.ancestors().find(is("pci"));
    let own = device.and_then(|device| device.attribute("busid").and_then(address));
    target.is_some() && target == own
}

fn read(root: Node<'_, '_>) -> Result<NcclSystem, NcclError> {
    let mut reader = Reader::default();
    for node in root.descendants() {
        match node.tag_name().name() {
            "cpu" => reader.cpu(node)?,
            "pci" => reader.device(node)?,
            "net" => reader.net(node)?,
            _ => {}
        }
    }
    reader.system()
}

/// What was read, each element before those in it.
#[derive(Default)]
struct Reader<'a, 'input> {
    /// Number and NUMA node of each `cpu`.
    cpus: HashMap<NodeId, (usize, Option<u32>)>,
    /// Number of each `pci`.
    places: HashMap<NodeId, usize>,
    devices: Vec<Device>,
    nodes: Vec<Node<'a, 'input>>,
    nets: Vec<Net>,
}

impl<'a, 'input> Reader<'a, 'input> {
    fn cpu(&mut self, node: Node<'a, 'input>) -> Result<(), NcclError> {
        let numa_node: i64 = parsed(node, "numaid", "NUMA node")?;
        // -1 where the kernel knows none.
        let cpu = (self.cpus.len(), u32::try_from(numa_node).ok());
        self.cpus.insert(node.id(), cpu);
        Ok(())
    }

    fn device(&mut self, node: Node<'a, 'input>) -> Result<(), NcclError> {
        let address: PciAddress = parsed(node, "busid", "PCI address")?;
        let above = node.parent().map(|parent| parent.id());
        let parent = above.and_then(|above| self.places.get(&above).copied());
        let place = match parent.and_then(|parent| self.devices.get(parent)) {
            Some(parent) => Some((parent.cpu, parent.numa_node)),
            None => above.and_then(|above| self.cpus.get(&above).copied()),
        };
        let Some((cpu, numa_node)) = place else {
            let (line, device) = (line(node), address);
            return Err(NcclError::NoCpu { line, device });
        };
        let depth = parent.map_or(0, |parent| self.depth(parent) + 1);
        if depth > DEPTH_LIMIT {
            let line = line(node);
            return Err(NcclError::TooDeep { line });
        }
        let gpus = node.children().filter(is("gpu"));
        let links = gpus.flat_map(|gpu| gpu.children());
        let links = links.filter(|link| is("nvlink")(link) || is("xgmi")(link));
        let device = Device {
            address,
            parent,
            cpu,
            numa_node,
            links: links.map(link).collect::<Result<_, _>>()?,
            depth,
        };
        self.places.insert(node.id(), self.devices.len());
        self.devices.push(device);
        self.nodes.push(node);
        Ok(())
    }

    fn depth(&self, at: usize) -> usize {
        self.devices.get(at).map_or(0, |device| device.depth)
    }

    /// An interface of the device that it stands in, or of none in a `cpu`.
    fn net(&mut self, node: Node<'a, 'input>) -> Result<(), NcclError> {
        let name: String = parsed(node, "name", "name")?;
        if name.contains(char::is_control) {
            return Err(wrong(node, "name", "name"));
        }
        let nic = node.parent().and_then(|nic| nic.parent());
        let Some(above) = nic.map(|above| above.id()) else {
            return Ok(());
        };
        let device = self.places.get(&above).copied();
        let cpu = match device.and_then(|device| self.devices.get(device)) {
            Some(device) => Some(device.cpu),
            None => self.cpus.get(&above).map(|(cpu, _)| *cpu),
        };
        let has_gdr = node.attribute("gdr") == Some("1");
        self.nets.extend(cpu.map(|cpu| Net {
            name,
            has_gdr,
            cpu,
            device,
        }));
        Ok(())
    }

    /// Files for the machines of a cloud name no interface; there those devices are it that are network controllers.
    fn add_nets(&mut self) -> Result<(), NcclError> {
        if !self.nets.is_empty() {
            return Ok(());
        }
        for (at, (node, device)) in self.nodes.iter().zip(&self.devices).enumerate() {
            if class(*node)? >> 16 == NETWORK_CLASS {
                self.nets.push(Net {
                    name: device.address.to_string(),
                    has_gdr: false,
                    cpu: device.cpu,
                    device: Some(at),
                });
            }
        }
        Ok(())
    }

    fn system(mut self) -> Result<NcclSystem, NcclError> {
        self.add_nets()?;
        let mut accelerators = Vec::new();
        let mut addresses = BTreeSet::new();
        for (at, node) in self.accelerators()? {
            let device = self.devices.get(at).map(|device| device.address);
            // Links name addresses. One public file has a bridge twice, which harms nobody.
            if let Some(device) = device.filter(|device| !addresses.insert(*device)) {
                let line = line(node);
                return Err(NcclError::Twice { line, device });
            }
            accelerators.push(at);
        }
        Ok(NcclSystem {
            devices: self.devices,
            accelerators,
            nets: self.nets,
        })
    }

    /// Devices with a `gpu`; where the file has none at all, those that compute by their class: files for the machines of
    /// a cloud say what hangs where, and leave the GPUs to NCCL.
    fn accelerators(&self) -> Result<Vec<(usize, Node<'a, 'input>)>, NcclError> {
        let all = self.nodes.iter().copied().enumerate();
        let is_gpu = |(_, node): &(usize, Node<'_, '_>)| node.children().any(|one| is("gpu")(&one));
        let told: Vec<_> = all.clone().filter(is_gpu).collect();
        if !told.is_empty() {
            return Ok(told);
        }
        let mut computing = Vec::new();
        for (at, node) in all {
            if COMPUTE_CLASSES.contains(&(class(node)? >> 8)) {
                computing.push((at, node));
            }
        }
        Ok(computing)
    }
}

fn link(node: Node<'_, '_>) -> Result<Link, NcclError> {
    Ok(Link {
        target: link_target(node)?,
        count: parsed::<u8>(node, "count", "number of links below 256")?.into(),
        is_to_switch: number(node, "tclass", "PCI class such as 0x068000")? == SWITCH_CLASS,
    })
}

/// Where a link leads; `None` for a switch that is not on the machine's bus.
pub(super) fn link_target(node: Node<'_, '_>) -> Result<Option<PciAddress>, NcclError> {
    if node.attribute("target") == Some(UNSEEN_SWITCH) {
        return Ok(None);
    }
    parsed(node, "target", "PCI address").map(Some)
}

pub(super) fn class(node: Node<'_, '_>) -> Result<u32, NcclError> {
    number(node, "class", "PCI class such as 0x030200")
}

pub(super) fn is(name: &'static str) -> impl Fn(&Node<'_, '_>) -> bool {
    move |node| node.has_tag_name(name)
}

/// An attribute, by its type.
pub(super) fn parsed<Value: FromStr>(
    node: Node<'_, '_>,
    attribute: &'static str,
    expected: &'static str,
) -> Result<Value, NcclError> {
    let text = node.attribute(attribute);
    let value = text.and_then(|text| text.parse().ok());
    value.ok_or_else(|| wrong(node, attribute, expected))
}

/// A number that is written as `0x068000`.
pub(super) fn number(
    node: Node<'_, '_>,
    attribute: &'static str,
    expected: &'static str,
) -> Result<u32, NcclError> {
    let text = node
        .attribute(attribute)
        .and_then(|text| text.strip_prefix("0x"));
    let value = text.and_then(|text| u32::from_str_radix(text, 16).ok());
    value.ok_or_else(|| wrong(node, attribute, expected))
}

pub(super) fn wrong(
    node: Node<'_, '_>,
    attribute: &'static str,
    expected: &'static str,
) -> NcclError {
    NcclError::Attribute {
        line: line(node),
        element: node.tag_name().name().to_owned(),
        attribute,
        value: node.attribute(attribute).unwrap_or_default().to_owned(),
        expected,
    }
}

pub(super) fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

pub(super) fn unshown(node: Node<'_, '_>, element: &'static str, why: &'static str) -> NcclError {
    let above = node.parent();
    NcclError::Unshown {
        line: line(node),
        element,
        parent: above.map_or_else(String::new, |above| above.tag_name().name().to_owned()),
        why,
    }
}
