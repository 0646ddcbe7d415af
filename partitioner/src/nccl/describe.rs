//! From the text to a machine that can be simulated: all that a kernel and drivers would show of what stands there.
//!
//! Owns what each attribute means to them. Attributes that no sysfs holds (`rank`, `dev`, `guid` …) are not read;
//! what is read must make sense, for a machine of which a half was guessed would prove nothing.

mod gpu;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use kerf_types::PciAddress;
use nvidia_ml::import::describe::{
    Description, Function, Holds, Link, Net, Port, ProcessorMaker, Speed,
};
use nvidia_ml::model::spec::Bdf;
use roxmltree::{Node, NodeId};

use super::NcclError;
use super::read::{DEPTH_LIMIT, class, document, is, line, number, parsed, system, unshown, wrong};
use crate::sysfs::cpus::CpuSet;
use crate::sysfs::links::parse_speed;
use gpu::Gpus;

/// The machine of that name that a text describes.
///
/// # Errors
/// What is wrong with the text, and on which line.
pub fn describe(text: &str, name: &str) -> Result<Description, NcclError> {
    let document = document(text)?;
    let root = system(&document)?;
    let mut reader = Reader {
        gpus: Gpus::new(root),
        places: HashMap::new(),
        functions: Vec::new(),
    };
    let mut cpus_per_node = None;
    let mut maker = None;
    for node in root.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "cpu" => {
                cpus_per_node = cpus_per_node.max(cpus(node)?);
                maker = maker.or_else(|| processor(node));
            }
            "pci" => reader.device(node)?,
            "nic" => stands_in(node, "nic", "pci")?,
            "gpu" => stands_in(node, "gpu", "pci")?,
            "net" => stands_in(node, "net", "nic")?,
            "c2c" => return Err(unshown(node, "c2c", MODULE)),
            "pcilink" => return Err(unshown(node, "pcilink", PCI_LINK)),
            _ => {}
        }
    }
    Ok(Description {
        name: name.to_owned(),
        maker: maker.unwrap_or(ProcessorMaker::Amd),
        cpus_per_node,
        functions: reader.functions,
        has_peer_memory: reader.gpus.are_reachable(),
    })
}

const MODULE: &str = "GPUs on one module with their processor cannot be imported; gh200x1 and gb200x4 are such machines";
const PCI_LINK: &str = "ways over PCIe that are not those of the tree cannot be shown";

/// What was read, each element before those in it.
struct Reader {
    gpus: Gpus,
    /// Number and depth of each `pci`.
    places: HashMap<NodeId, (usize, usize)>,
    functions: Vec<Function>,
}

impl Reader {
    fn device(&mut self, node: Node<'_, '_>) -> Result<(), NcclError> {
        let address: PciAddress = parsed(node, "busid", "PCI address")?;
        let bdf = bdf(address).ok_or_else(|| wrong(node, "busid", SMALL_ADDRESS))?;
        let above = node.parent().filter(|above| !is("system")(above));
        let parent = above.and_then(|above| self.places.get(&above.id()).copied());
        let numa_node = match (parent, above) {
            (Some((parent, _)), _) => self.functions.get(parent).map(|parent| parent.node),
            (None, Some(cpu)) if is("cpu")(&cpu) => Some(numa_node(cpu)?),
            _ => None,
        };
        let Some(numa_node) = numa_node else {
            let (line, device) = (line(node), address);
            return Err(NcclError::NoCpu { line, device });
        };
        let depth = parent.map_or(0, |(_, depth)| depth + 1);
        if depth > DEPTH_LIMIT {
            let line = line(node);
            return Err(NcclError::TooDeep { line });
        }
        let function = Function {
            bdf,
            parent: parent.map(|(parent, _)| parent),
            node: numa_node,
            class: class(node)?,
            vendor: id(node, "vendor")?,
            device: id(node, "device")?,
            subsystem: subsystem(node)?,
            link: link(node)?,
            holds: self.holds(node)?,
        };
        self.places.insert(node.id(), (self.functions.len(), depth));
        self.functions.push(function);
        Ok(())
    }

    fn holds(&mut self, node: Node<'_, '_>) -> Result<Holds, NcclError> {
        let is_one = |one: &Node<'_, '_>| is("gpu")(one) || is("nic")(one);
        let mut told = node.children().filter(is_one);
        let first = told.next();
        if told.next().is_some() {
            return Err(unshown(node, "pci", "it has more than one <gpu> and <nic>"));
        }
        if first.is_some() && node.children().any(|one| is("pci")(&one)) {
            return Err(unshown(node, "pci", "it is a device and a switch"));
        }
        match first {
            Some(gpu) if is("gpu")(&gpu) => self.gpus.gpu(gpu),
            Some(nic) => nets(nic),
            None => self.gpus.untold(node),
        }
    }
}

const SMALL_ADDRESS: &str = "PCI address whose domain has four digits";

/// As the simulator has it.
fn bdf(address: PciAddress) -> Option<Bdf> {
    Some(Bdf {
        domain: u16::try_from(address.domain).ok()?,
        bus: address.bus,
        device: address.device,
        function: address.function,
    })
}

/// -1 where the kernel knows none; NCCL then takes the first.
fn numa_node(cpu: Node<'_, '_>) -> Result<u32, NcclError> {
    const EXPECTED: &str = "NUMA node";
    let node: i64 = parsed(cpu, "numaid", EXPECTED)?;
    u32::try_from(node.max(0)).map_err(|_| wrong(cpu, "numaid", EXPECTED))
}

/// How many CPUs a node has by its mask, `00000000,00ffffff`.
fn cpus(cpu: Node<'_, '_>) -> Result<Option<u32>, NcclError> {
    const MASK: &str = "affinity";
    let Some(text) = cpu.attribute(MASK).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let cpus = CpuSet::from_mask(text).ok_or_else(|| wrong(cpu, MASK, "mask of CPUs"))?;
    Ok(Some(cpus.len()).filter(|cpus| *cpus > 0))
}

fn processor(cpu: Node<'_, '_>) -> Option<ProcessorMaker> {
    match (cpu.attribute("arch"), cpu.attribute("vendor")) {
        (Some("arm64"), _) => Some(ProcessorMaker::Arm),
        (_, Some("GenuineIntel")) => Some(ProcessorMaker::Intel),
        (_, Some("AuthenticAMD")) => Some(ProcessorMaker::Amd),
        _ => None,
    }
}

/// An id that may be left out, as NCCL does where it could not read it.
fn id(node: Node<'_, '_>, attribute: &'static str) -> Result<Option<u16>, NcclError> {
    const EXPECTED: &str = "PCI id such as 0x10de";
    if node.attribute(attribute).is_none_or(str::is_empty) {
        return Ok(None);
    }
    let id = number(node, attribute, EXPECTED)?;
    let id = u16::try_from(id).map_err(|_| wrong(node, attribute, EXPECTED))?;
    Ok(Some(id))
}

fn subsystem(node: Node<'_, '_>) -> Result<Option<(u16, u16)>, NcclError> {
    let ids = (id(node, "subsystem_vendor")?, id(node, "subsystem_device")?);
    match ids {
        (Some(vendor), Some(device)) => Ok(Some((vendor, device))),
        (None, None) => Ok(None),
        (None, _) => Err(wrong(node, "subsystem_vendor", "PCI id")),
        (_, None) => Err(wrong(node, "subsystem_device", "PCI id")),
    }
}

fn link(node: Node<'_, '_>) -> Result<Link, NcclError> {
    let told = |attribute| node.attribute(attribute).filter(|text| !text.is_empty());
    let speed = match told("link_speed") {
        None => None,
        Some(text) if text.starts_with("Unknown") => None,
        Some(text) => {
            let speed = parse_speed(text);
            let speed = speed.ok_or_else(|| wrong(node, "link_speed", "speed such as 8 GT/s"))?;
            Some(Speed {
                mts: speed.0,
                text: text.to_owned(),
            })
        }
    };
    let lanes: Option<u8> = match told("link_width") {
        None => None,
        Some(_) => Some(parsed(node, "link_width", "number of lanes")?),
    };
    Ok(Link {
        speed,
        // What the kernel writes where it does not know.
        lanes: lanes.filter(|lanes| !matches!(lanes, 0 | 255)),
    })
}

/// Whether interfaces and GPUs reach each other's memory, as NCCL found it.
fn gdr(node: Node<'_, '_>) -> Result<bool, NcclError> {
    match node.attribute("gdr") {
        Some("1") => Ok(true),
        None | Some("0") => Ok(false),
        Some(_) => Err(wrong(node, "gdr", "0 or 1")),
    }
}

/// An interface that NCCL says can reach GPUs' memory does RDMA; any other is one of the kernel's network stack.
fn nets(nic: Node<'_, '_>) -> Result<Holds, NcclError> {
    let mut nets: Vec<Net> = Vec::new();
    for node in nic.children().filter(is("net")) {
        let name: String = parsed(node, "name", "name")?;
        let mut port = Port {
            number: 1,
            megabits: parsed(node, "speed", "rate in megabits a second")?,
        };
        let is_rdma = gdr(node)?;
        // Several ports of one device; of a device with one, NCCL counts it through all functions of the card.
        let Some(device) = nets.iter_mut().find(|net| net.name == name) else {
            nets.push(Net {
                name,
                is_rdma,
                ports: vec![port],
            });
            continue;
        };
        port.number = parsed(node, "port", "number of a port")?;
        let is_new = device.ports.iter().all(|other| other.number != port.number);
        if !is_new || !is_rdma || !device.is_rdma {
            return Err(wrong(node, "name", "name of another interface"));
        }
        device.ports.push(port);
    }
    Ok(match nets.is_empty() {
        true => Holds::Nothing,
        false => Holds::Nets(nets),
    })
}

fn stands_in(
    node: Node<'_, '_>,
    element: &'static str,
    parent: &'static str,
) -> Result<(), NcclError> {
    if node.parent().is_some_and(|above| is(parent)(&above)) {
        return Ok(());
    }
    Err(unshown(
        node,
        element,
        "there is no PCI device that shows it",
    ))
}
