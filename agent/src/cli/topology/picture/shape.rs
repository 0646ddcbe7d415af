//! What a picture shows: NUMA nodes, below them host bridges, switches and devices, and the links between
//! accelerators. Pure: from an inventory, for whoever draws.
//!
//! Of the PCI tree stands there what jobs use and what is above that. The two ports of a switch are one, as NCCL has
//! it, and root ports are left out: they are never shared.

use std::collections::{BTreeMap, BTreeSet};

use kerf_partitioner::topology::Site;
use kerf_types::inventory::{Inventory, Nic, NicKind};
use kerf_types::map::{Accelerator, End, LinkKind, Nvme, PciFunction};
use kerf_types::{Bytes, PciAddress};

/// A host to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its processors in words; empty where nobody knows them.
    pub processors: String,
    /// NUMA nodes; the last has no id where there are devices whose node nobody knows.
    pub nodes: Vec<Node>,
    /// Links of the accelerators' own.
    pub links: Vec<Bond>,
}

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: Option<u32>,
    /// Its CPUs and memory in words.
    pub label: String,
    /// Host bridges by name, then what hangs on no bridge.
    pub below: Vec<Branch>,
}

/// A piece of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// What it is.
    pub kind: Kind,
    /// Its short name: `GPU0`, `switch`, `nvme0`.
    pub name: String,
    /// Its address, or the host bridge's name; empty for a device that has none.
    pub at: String,
    /// What it is, in words.
    pub label: String,
    /// What hangs below it.
    pub below: Vec<Branch>,
}

/// Kinds of pieces, which look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A host bridge.
    Bridge,
    /// A PCIe switch.
    Switch,
    /// An accelerator.
    Accelerator,
    /// A network interface.
    Nic,
    /// An NVMe controller.
    Nvme,
}

/// Links of one kind between two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bond {
    /// The short name of an accelerator.
    pub a: String,
    /// The other one's, or `NVSwitch` with its address.
    pub b: String,
    /// Whether `b` is what accelerators are linked by, a switch or a processor, instead of one of them.
    pub is_to_hub: bool,
    /// What they are.
    pub kind: LinkKind,
    /// How many.
    pub count: u32,
}

/// The accelerators' short names by their ids, those of the matrix.
fn names(host: &Inventory) -> BTreeMap<String, String> {
    let site = Site::new(host);
    let devices = site.accelerators().iter();
    devices
        .map(|device| (device.id.clone(), device.name.clone()))
        .collect()
}

impl Shape {
    /// The shape of a host.
    pub fn new(host: &Inventory) -> Self {
        let builder = Builder {
            host,
            names: names(host),
        };
        Self {
            name: shown(&host.host),
            processors: shown(&processors(host)),
            nodes: builder.nodes(),
            links: builder.bonds(),
        }
    }

    /// Its name, and its processors in words, for one line.
    pub fn title(&self) -> String {
        let title = format!("{}  {}", self.name, self.processors);
        title.trim_end().to_owned()
    }
}

/// What a device says of itself, so that it may stand on a terminal and in a document.
fn shown(text: &str) -> String {
    let clean = |one: char| if one.is_control() { '?' } else { one };
    text.chars().map(clean).collect()
}

fn processors(host: &Inventory) -> String {
    let cpus = &host.map.cpus;
    let model = cpus.model.clone().unwrap_or_default();
    let Some(threads) = cpus.threads else {
        return String::new();
    };
    let packages = cpus.packages.len();
    let s = if packages == 1 { "" } else { "s" };
    let cores = cpus.cores.map(|cores| format!("{cores} cores, "));
    let cores = cores.unwrap_or_default();
    let text = format!("{packages} package{s}, {cores}{threads} threads  {model}");
    text.trim_end().to_owned()
}

struct Builder<'a> {
    host: &'a Inventory,
    names: BTreeMap<String, String>,
}

impl<'a> Builder<'a> {
    fn nodes(&self) -> Vec<Node> {
        let mut nodes: BTreeMap<Option<u32>, Vec<Branch>> = BTreeMap::new();
        for node in &self.host.numa_nodes {
            nodes.insert(Some(node.id), Vec::new());
        }
        for (node, bridge) in self.bridges() {
            nodes.entry(node).or_default().push(bridge);
        }
        for (node, device) in self.devices_without_bus() {
            nodes.entry(node).or_default().push(device);
        }
        // Those whose node nobody knows come last.
        let unknown = nodes.remove(&None);
        let known = nodes.into_iter();
        known
            .chain(unknown.map(|below| (None, below)))
            .map(|(id, below)| Node {
                id,
                label: self.node_label(id),
                below,
            })
            .collect()
    }

    fn node_label(&self, id: Option<u32>) -> String {
        let node = self.host.numa_nodes.iter().find(|node| Some(node.id) == id);
        let Some(node) = node else {
            return String::new();
        };
        let cpus = match (&node.accelerator, node.cpus.as_deref()) {
            (Some(pci), _) => format!("memory of {pci}"),
            (None, None) => "CPUs unknown".to_owned(),
            (None, Some("")) => "no CPUs".to_owned(),
            (None, Some(cpus)) => format!("CPUs {cpus}"),
        };
        let memory = node.memory.map(|memory| memory.to_string());
        let memory = memory.unwrap_or_else(|| "memory unknown".to_owned());
        format!("{cpus}, {memory}")
    }

    /// Host bridges that have a device of interest, each with its NUMA node.
    fn bridges(&self) -> Vec<(Option<u32>, Branch)> {
        let mut roots: BTreeMap<(Option<u32>, String), Place> = BTreeMap::new();
        for function in &self.host.map.pci {
            let Some(device) = self.device(function) else {
                continue;
            };
            let key = (function.numa_node, function.host_bridge.clone());
            let mut place = roots.entry(key).or_default();
            for switch in switches(&function.path) {
                place = place.below.entry(switch).or_default();
            }
            place.below.entry(function.address).or_default().device = Some(device);
        }
        let bridge = |((node, name), place): ((Option<u32>, String), Place)| {
            let branch = Branch {
                kind: Kind::Bridge,
                name: "host bridge".to_owned(),
                at: name,
                label: String::new(),
                below: self.branches(place),
            };
            (node, branch)
        };
        roots.into_iter().map(bridge).collect()
    }

    fn branches(&self, place: Place) -> Vec<Branch> {
        let branch = |(at, place): (PciAddress, Place)| match place.device {
            Some(device) => device,
            None => Branch {
                kind: Kind::Switch,
                name: "switch".to_owned(),
                at: at.to_string(),
                label: self.function(at).map(link_words).unwrap_or_default(),
                below: self.branches(place),
            },
        };
        place.below.into_iter().map(branch).collect()
    }

    fn function(&self, at: PciAddress) -> Option<&'a PciFunction> {
        self.host.map.function(at)
    }

    /// What jobs use of the PCI functions, physical ones.
    fn device(&self, function: &PciFunction) -> Option<Branch> {
        if function.physical_function.is_some() {
            return None;
        }
        let at = Some(function.address);
        let map = &self.host.map;
        if let Some(one) = map.accelerators.iter().find(|one| one.pci == at) {
            return Some(self.accelerator(one, function));
        }
        let nics: Vec<_> = self.nics().filter(|(_, nic)| nic.pci == at).collect();
        if !nics.is_empty() {
            return Some(nic(&nics, function));
        }
        let nvme = map.nvme.iter().find(|nvme| nvme.pci == at)?;
        Some(disk(nvme, link_words(function)))
    }

    /// RDMA interfaces with the matrix's numbers, then the others, of which one that shares a function with an RDMA
    /// interface is the same thing.
    fn nics(&self) -> impl Iterator<Item = (Option<usize>, &'a Nic)> {
        let all = &self.host.nics;
        let rdma = all.iter().filter(|nic| nic.kind == NicKind::Rdma);
        let taken: BTreeSet<_> = rdma.clone().filter_map(|nic| nic.pci).collect();
        let others = all.iter().filter(move |nic| {
            nic.kind == NicKind::Net && nic.pci.is_none_or(|pci| !taken.contains(&pci))
        });
        let rdma = rdma.enumerate().map(|(number, nic)| (Some(number), nic));
        rdma.chain(others.map(|nic| (None, nic)))
    }

    fn accelerator(&self, one: &Accelerator, function: &PciFunction) -> Branch {
        Branch {
            label: words([accelerator_words(one), link_words(function)]),
            ..self.bare(one)
        }
    }

    fn bare(&self, one: &Accelerator) -> Branch {
        let name = self.names.get(&one.id);
        Branch {
            kind: Kind::Accelerator,
            name: name.cloned().unwrap_or_else(|| one.id.clone()),
            at: one.id.clone(),
            label: accelerator_words(one),
            below: Vec::new(),
        }
    }

    /// Accelerators and disks that are no PCI function, or whose function is not known.
    fn devices_without_bus(&self) -> Vec<(Option<u32>, Branch)> {
        let is_lost = |pci: Option<PciAddress>| pci.and_then(|pci| self.function(pci)).is_none();
        let map = &self.host.map;
        let accelerators = map.accelerators.iter().filter(|one| is_lost(one.pci));
        let accelerators = accelerators.map(|one| (one.numa_node, self.bare(one)));
        let disks = map.nvme.iter().filter(|nvme| is_lost(nvme.pci));
        let disks = disks.map(|nvme| (nvme.numa_node, disk(nvme, String::new())));
        accelerators.chain(disks).collect()
    }

    /// The accelerators' own links by their short names.
    fn bonds(&self) -> Vec<Bond> {
        let end = |end: &End| match end {
            End::Accelerator(id) => self.names.get(id).cloned(),
            End::Switch(Some(pci)) => Some(format!("NVSwitch {pci}")),
            End::Switch(None) => Some("NVSwitches outside".to_owned()),
            End::Cpu(node) => Some(format!("CPU of node {node}")),
        };
        let links = self.host.map.links.iter().filter(|link| link.kind.is_own());
        let bond = |link: &kerf_types::map::Link| {
            Some(Bond {
                a: end(&link.a)?,
                b: end(&link.b)?,
                is_to_hub: !matches!(link.b, End::Accelerator(_)),
                kind: link.kind,
                count: link.count,
            })
        };
        links.filter_map(bond).collect()
    }
}

/// What is at a place below a host bridge.
#[derive(Default)]
struct Place {
    device: Option<Branch>,
    below: BTreeMap<PciAddress, Place>,
}

/// The switches above a function by their upstream ports, from the top down: each second bridge from the function up.
fn switches(path: &str) -> Vec<PciAddress> {
    let parts = path.split('/').map(|part| part.parse::<PciAddress>().ok());
    let parts: Vec<Option<PciAddress>> = parts.collect();
    let bridges = parts.iter().rev().skip(1).map_while(|part| *part);
    let mut switches: Vec<PciAddress> = bridges.skip(1).step_by(2).collect();
    switches.reverse();
    switches
}

fn accelerator_words(one: &Accelerator) -> String {
    let memory = one.memory.map(|memory| memory.to_string());
    let architecture = one.architecture.clone().unwrap_or_default();
    words([one.model.clone(), memory.unwrap_or_default(), architecture])
}

fn nic(nics: &[(Option<usize>, &Nic)], function: &PciFunction) -> Branch {
    let name = |(number, nic): &(Option<usize>, &Nic)| match number {
        Some(number) => format!("NIC{number}"),
        None => nic.name.clone(),
    };
    let label = |(number, nic): &(Option<usize>, &Nic)| {
        let rate = nic.rate.map(|rate| rate.to_string()).unwrap_or_default();
        let name = number.map(|_| nic.name.clone()).unwrap_or_default();
        words([name, nic.link_layer.clone(), rate])
    };
    let labels: Vec<String> = nics.iter().map(label).collect();
    let names: Vec<String> = nics.iter().map(name).collect();
    Branch {
        kind: Kind::Nic,
        name: names.join(" "),
        at: function.address.to_string(),
        label: words([labels.join(", "), link_words(function)]),
        below: Vec::new(),
    }
}

fn disk(nvme: &Nvme, link: String) -> Branch {
    let size: Option<u64> = nvme.namespaces.iter().map(|one| one.bytes).sum();
    let size = size
        .filter(|size| *size > 0)
        .map(|size| Bytes(size).to_string());
    let model = nvme.model.clone().unwrap_or_default();
    Branch {
        kind: Kind::Nvme,
        name: nvme.name.clone(),
        at: nvme.pci.map(|pci| pci.to_string()).unwrap_or_default(),
        label: words([model, size.unwrap_or_default(), link]),
        below: Vec::new(),
    }
}

/// `32 GT/s x16`, with what it could be where it is less.
fn link_words(function: &PciFunction) -> String {
    let link = function.link.unwrap_or_default();
    let speed = link.max_speed.or(link.speed);
    let width = link.max_width.or(link.width);
    let (Some(speed), Some(width)) = (speed, width) else {
        return String::new();
    };
    let whole = speed.0 / 1_000;
    let speed = match speed.0 % 1_000 / 100 {
        0 => whole.to_string(),
        tenths => format!("{whole}.{tenths}"),
    };
    match link.width {
        Some(now) if now < width => format!("{speed} GT/s x{now} of x{width}"),
        _ => format!("{speed} GT/s x{width}"),
    }
}

/// Those that are not empty, between commas.
fn words<const N: usize>(words: [String; N]) -> String {
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    shown(&words.join(", "))
}
