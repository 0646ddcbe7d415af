//! AMD's GPUs: amdgpu's files of a function, and KFD's nodes of it.
//!
//! After `Documentation/gpu/amdgpu/driver-misc.rst` (`mem_info_vram_total`, `product_name`, `serial_number`,
//! `unique_id`) and `amdgpu_gfx.c` (`available_compute_partition`): what the driver has in memory. Reads nothing for which
//! it asks the GPU's firmware: load, memory in use, the present modes and the health that they tell of are
//! [`crate::amd::observe`]'s, which asks each GPU by itself. Changes no mode.

use std::collections::BTreeMap;

use kerf_types::amd::{ComputePartition, MemoryPartition};
use kerf_types::map::{
    Accelerator, AcceleratorHealth, CapabilityKey as Key, End, Link, LinkKind, PciFunction, Vendor,
};
use kerf_types::{Bytes, PciAddress};

use super::Found;
use super::facts::{self, Scene, folder, is_display, is_processing_accelerator};
use super::kfd::{self, Node, NodeLink};
use super::peers;
use super::tables::{self, amd as table};
use crate::amd::observe::list;
use crate::sysfs::Device;

const AMD: u16 = 0x1002;
const DRIVER: &str = "amdgpu";

/// Whether a function is a GPU of AMD's: one that amdgpu serves, or that it would.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    let may_be = is_display(function) || is_processing_accelerator(function);
    let is_served = function.driver.as_deref() == Some(DRIVER);
    let is_known =
        is_processing_accelerator(function) || function.device.and_then(table::model).is_some();
    match function.vendor {
        Some(vendor) => vendor == AMD && may_be && (is_served || is_known),
        // That its driver serves it says whose it is.
        None => may_be && is_served,
    }
}

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let functions = scene.functions(is_mine);
    if functions.is_empty() {
        return Found::default();
    }
    let nodes = kfd::nodes(scene.reader);
    let accelerators = functions.iter().map(|function| {
        let parts: Vec<&Node> = nodes
            .iter()
            .filter(|one| one.is_at(function.address))
            .collect();
        accelerator(scene, function, &parts, &nodes)
    });
    let mut accelerators: Vec<Accelerator> = accelerators.collect();
    peers::add(scene.reader, &peers::AMD, &mut accelerators);
    Found {
        accelerators,
        links: links(scene, &functions, &nodes),
    }
}

fn accelerator(
    scene: &Scene<'_>,
    function: &PciFunction,
    parts: &[&Node],
    nodes: &[Node],
) -> Accelerator {
    let device = scene.device(folder(function.address));
    let mut gpu = scene.accelerator(function, Vendor::Amd);
    let model = function.device.and_then(table::model);
    gpu.model = device
        .label("product_name")
        .or_else(|| model.map(|model| model.name.to_owned()))
        .unwrap_or(gpu.model);
    gpu.serial = device.label("serial_number");
    gpu.unique_id = device.label("unique_id");
    gpu.architecture = parts.first().and_then(|part| part.target());
    let banks = || facts::sum(parts.iter().map(|part| part.memory));
    let memory = device.number("mem_info_vram_total").or_else(banks);
    gpu.memory = memory.filter(|bytes| *bytes > 0).map(Bytes);
    nodes_of(scene, &mut gpu, parts);
    capabilities(&device, &mut gpu, function, parts, nodes);
    // One that KFD lists works as far as the driver says.
    let listed = match parts {
        [] => AcceleratorHealth::Unknown,
        _ => AcceleratorHealth::Ok,
    };
    gpu.health = facts::heard(&device, listed);
    let capabilities = &mut gpu.capabilities;
    tables::fill(capabilities, model.map_or(&[], |model| model.facts));
    let target = gpu.architecture.as_deref().unwrap_or_default();
    tables::fill(capabilities, table::target(target));
    gpu
}

/// The render node of each partition, which hangs on no PCI function, and KFD's own.
fn nodes_of(scene: &Scene<'_>, gpu: &mut Accelerator, parts: &[&Node]) {
    let minors = parts
        .iter()
        .filter_map(|part| part.fact("drm_render_minor"));
    gpu.nodes
        .extend(minors.map(|minor| format!("/dev/dri/renderD{minor}")));
    if !parts.is_empty() && kfd::is_there(scene.reader) {
        gpu.nodes.push("/dev/kfd".to_owned());
    }
    gpu.nodes.sort();
    gpu.nodes.dedup();
}

fn capabilities(
    device: &Device<'_, '_>,
    gpu: &mut Accelerator,
    function: &PciFunction,
    parts: &[&Node],
    nodes: &[Node],
) {
    let capabilities = &mut gpu.capabilities;
    let units = facts::sum(parts.iter().map(|part| part.compute_units()));
    facts::count(capabilities, Key::ComputeUnits, units);
    let xccs = facts::sum(parts.iter().map(|part| part.fact("num_xcc")));
    facts::count(capabilities, Key::Chiplets, xccs);
    let modes = |name: &str| device.text(name);
    let compute: Vec<ComputePartition> = list(modes("available_compute_partition"));
    let memory: Vec<MemoryPartition> = list(modes("available_memory_partition"));
    let lower = |mode: &dyn ToString| mode.to_string().to_lowercase();
    let ways = compute.iter().map(|mode| lower(mode)).collect();
    facts::ways(
        capabilities,
        function,
        ways,
        most_partitions(&compute, xccs),
    );
    let ways = memory.iter().map(|mode| lower(mode)).collect();
    facts::words(capabilities, Key::PartitionMemoryModes, ways);
    let to_processor = |link: &&NodeLink| {
        let place = nodes.binary_search_by_key(&link.to, |node| node.number);
        let node = place.ok().and_then(|place| nodes.get(place));
        node.is_some_and(Node::is_processor)
    };
    let mut all = parts.iter().flat_map(|part| &part.links);
    if let Some(link) = all.find(to_processor) {
        facts::flag(capabilities, Key::PcieAtomics, link.has_atomics());
        // Where the way to the processor is xGMI, both see each other's memory coherently
        // (`kfd_fill_gpu_direct_io_link_to_cpu`).
        facts::flag(capabilities, Key::HostCoherent, link.is_xgmi());
    }
    let has_peers = parts
        .iter()
        .flat_map(|part| &part.links)
        .any(NodeLink::is_xgmi);
    if has_peers {
        facts::word(capabilities, Key::LinkKind, "xgmi");
    }
}

/// Most partitions that these modes make. CPX makes one of each XCC, so that nobody knows the most where nobody knows
/// the XCCs: kernels before 6.6 have no `num_xcc`.
pub(super) fn most_partitions(modes: &[ComputePartition], xccs: Option<u64>) -> Option<u64> {
    let xccs = xccs.and_then(|xccs| u32::try_from(xccs).ok());
    let partitions = |mode: &ComputePartition| match (mode, xccs) {
        (ComputePartition::Cpx, None) => None,
        (mode, xccs) => Some(mode.partitions(xccs.unwrap_or_default())),
    };
    let all: Option<Vec<u32>> = modes.iter().map(partitions).collect();
    all?.into_iter().max().map(u64::from)
}

/// xGMI between GPUs, and between a GPU and its processor. Partitions of one GPU count as the GPU; of several ways
/// between two the widest counts, since every partition and either end lists the same links.
fn links(scene: &Scene<'_>, functions: &[&PciFunction], nodes: &[Node]) -> Vec<Link> {
    let at = |node: &Node| {
        let function = functions.iter().find(|one| node.is_at(one.address));
        function.map(|function| function.address)
    };
    let gpus: BTreeMap<u32, PciAddress> = nodes
        .iter()
        .filter_map(|node| Some((node.number, at(node)?)))
        .collect();
    let numa = numa_nodes(scene, nodes);
    let end = |number: u32| match gpus.get(&number) {
        Some(address) => Some(End::Accelerator(address.to_string())),
        None => numa.get(&number).copied().map(End::Cpu),
    };
    let mut found: BTreeMap<(End, End), NodeLink> = BTreeMap::new();
    for node in nodes.iter().filter(|node| gpus.contains_key(&node.number)) {
        for link in node
            .links
            .iter()
            .filter(|link| link.is_xgmi() && link.is_direct())
        {
            let (Some(from), Some(to)) = (end(node.number), end(link.to)) else {
                continue;
            };
            if from == to {
                continue;
            }
            let kept = found.entry((from.clone().min(to.clone()), from.max(to)));
            let kept = kept.or_insert(*link);
            if (link.megabytes(), link.count()) > (kept.megabytes(), kept.count()) {
                *kept = *link;
            }
        }
    }
    let link = |((a, b), link): ((End, End), NodeLink)| Link {
        a,
        b,
        kind: LinkKind::Xgmi,
        count: link.count(),
        gbps: u32::try_from(link.megabytes() / 1000)
            .ok()
            .filter(|gbps| *gbps > 0),
        ancestor: String::new(),
    };
    found.into_iter().map(link).collect()
}

/// The NUMA nodes of KFD's processors. KFD has them in ascending order, older kernels without those that have no
/// processor (`kfd_create_vcrat_image_cpu`); where neither count is KFD's, which is which is not known.
fn numa_nodes(scene: &Scene<'_>, nodes: &[Node]) -> BTreeMap<u32, u32> {
    let processors = nodes.iter().filter(|node| node.is_processor());
    let numbers: Vec<u32> = processors.map(|node| node.number).collect();
    let known = ["online", "has_cpu"].into_iter().find_map(|list| {
        let path = format!("sys/devices/system/node/{list}");
        let ids = scene.reader.set(&path)?;
        (usize::try_from(ids.len()) == Ok(numbers.len())).then_some(ids)
    });
    let known = known.unwrap_or_default();
    numbers.into_iter().zip(known.iter()).collect()
}
