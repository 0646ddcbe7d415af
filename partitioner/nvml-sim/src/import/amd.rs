//! What amdgpu and KFD show of an imported machine's GPUs. Owns the nodes of KFD's topology, after `node_show` and
//! `iolink_show` of `kfd_topology.c`.
//!
//! They are plain files: no partition can be chosen, for nothing tells which there are. A GPU's memory is not told
//! either, so its node has no bank.

use super::describe::{AmdGpu, Function, Holds, Links};
use super::place::{self, Placed};
use super::plan::Plan;
use crate::machine::class::Device;
use crate::machine::nodes::{self, Node};
use crate::machine::{CreateError, Tree, amdgpu};
use crate::model::machine::Nodes;
use crate::model::mix;
use crate::model::spec::Bdf;

const KFD: &str = "sys/devices/virtual/kfd/kfd";
/// KFD's types of links.
const HYPERTRANSPORT: u64 = 1;
const PCIE: u64 = 2;
const XGMI: u64 = 11;
/// Weight of PCIe, and of one hop of xGMI.
const PCIE_WEIGHT: u64 = 20;
const XGMI_WEIGHT: u64 = 15;
/// What one xGMI link carries, in MB/s (AMD CDNA 2 and 3 white papers).
const XGMI_MBPS: u64 = 50_000;
/// SIMDs of a compute unit, in every generation that has xGMI.
const SIMDS: u64 = 4;
/// Where amdgpu registers its memory with the peer memory interface of MLNX_OFED.
const PEERS: &str = "sys/kernel/mm/memory_peers/amdkfd";
/// The first render node's minor.
const FIRST_RENDER: u32 = 128;

/// A GPU with its place among the machine's.
struct Gpu<'a> {
    placed: &'a Placed<'a>,
    function: &'a Function,
    told: &'a AmdGpu,
    /// Its number.
    index: u32,
    unique_id: u64,
}

impl Gpu<'_> {
    fn bdf(&self) -> Bdf {
        self.placed.function.bdf
    }
}

/// A link of KFD's, from the node in whose folder it lies.
struct KfdLink {
    kind: u64,
    to: u32,
    weight: u64,
    least_mbps: u64,
    most_mbps: u64,
}

/// Writes it; returns whether the nodes are real ones, and `None` for a machine without AMD GPUs.
pub fn write(
    tree: &Tree,
    plan: &Plan<'_>,
    seed: u64,
    majors: Nodes,
) -> Result<Option<bool>, CreateError> {
    let gpus = gpus(plan, seed);
    if gpus.is_empty() {
        return Ok(None);
    }
    amdgpu::write_driver(tree, majors.frontend, majors.uvm)?;
    if plan.description.has_peer_memory {
        tree.attributes(PEERS, &[("version", "1.0".to_owned())])?;
    } else {
        super::kernel_without_dma_buf(tree)?;
    }
    topology(tree, plan, &gpus, majors)?;
    for gpu in &gpus {
        let folder = gpu.placed.function.sysfs_folder();
        tree.text(
            format!("{folder}/unique_id"),
            format!("{:016x}", gpu.unique_id),
        )?;
        for (name, minor) in drm(gpu) {
            let device = Device {
                class: "drm",
                name: &name,
                parent: Some(&folder),
                node: Some((majors.frontend, minor, format!("dri/{name}"))),
            };
            device.write(tree, &[])?;
        }
    }
    tree.folder("dev/dri")?;
    let minors = gpus.iter().flat_map(drm);
    let drm = minors.map(|(name, minor)| -> Node {
        (format!("dev/dri/{name}"), majors.frontend, minor, 0o666)
    });
    let kfd = ("dev/kfd".to_owned(), majors.uvm, 0, 0o666);
    nodes::make(tree, drm.chain([kfd]).collect()).map(Some)
}

/// The GPUs in order.
fn gpus<'a>(plan: &'a Plan<'_>, seed: u64) -> Vec<Gpu<'a>> {
    let gpus = place::gpus(&plan.placed).into_iter();
    gpus.filter_map(|(index, placed, function)| {
        let Holds::Amd(told) = &function.holds else {
            return None;
        };
        Some(Gpu {
            placed,
            function,
            told,
            index,
            unique_id: mix(mix(seed ^ 1 << 40) ^ u64::from(index)),
        })
    })
    .collect()
}

/// Names of its nodes in `/dev/dri`, with their minors.
fn drm(gpu: &Gpu<'_>) -> [(String, u32); 2] {
    let (card, render) = (gpu.index, FIRST_RENDER + gpu.index);
    [
        (format!("card{card}"), card),
        (format!("renderD{render}"), render),
    ]
}

fn topology(
    tree: &Tree,
    plan: &Plan<'_>,
    gpus: &[Gpu<'_>],
    majors: Nodes,
) -> Result<(), CreateError> {
    let sockets = plan.imported.spec().sockets;
    tree.link("sys/class/kfd/kfd", KFD)?;
    tree.attributes(KFD, &[("dev", format!("{}:0", majors.uvm))])?;
    let generation = [("generation_id", "1".to_owned())];
    tree.attributes(format!("{KFD}/topology"), &generation)?;
    tree.folder(format!("{KFD}/proc"))?;
    for socket in 0..sockets {
        processor(tree, plan, socket, gpus)?;
    }
    for gpu in gpus {
        node(tree, plan, gpu, gpus)?;
    }
    Ok(())
}

fn processor(
    tree: &Tree,
    plan: &Plan<'_>,
    socket: u32,
    gpus: &[Gpu<'_>],
) -> Result<(), CreateError> {
    let spec = plan.imported.spec();
    let folder = format!("{KFD}/topology/nodes/{socket}");
    let others = (0..spec.sockets).filter(|other| *other != socket);
    let others = others.map(|to| KfdLink {
        kind: HYPERTRANSPORT,
        to,
        weight: spec.remote_distance.into(),
        least_mbps: 0,
        most_mbps: 0,
    });
    let own = gpus.iter().filter(|gpu| gpu.placed.function.node == socket);
    let own = own.map(|gpu| pcie(spec.sockets + gpu.index));
    let count = links(tree, socket, others.chain(own))?;
    let cores = u64::from(spec.cpu_count() / spec.sockets);
    let facts = [
        ("cpu_cores_count", cores),
        ("simd_count", 0),
        ("mem_banks_count", 1),
        ("io_links_count", count),
        ("cpu_core_id_base", cores * u64::from(socket)),
        ("gfx_target_version", 0),
        ("drm_render_minor", 0),
    ];
    let files = [
        ("gpu_id", "0".to_owned()),
        ("name", "\n".to_owned()),
        ("properties", properties(&facts)),
    ];
    tree.attributes(&folder, &files)?;
    let memory = [
        ("heap_type", 0),
        ("size_in_bytes", spec.node_memory_kib << 10),
    ];
    let bank = [("properties", properties(&memory))];
    tree.attributes(format!("{folder}/mem_banks/0"), &bank)
}

fn node(tree: &Tree, plan: &Plan<'_>, gpu: &Gpu<'_>, gpus: &[Gpu<'_>]) -> Result<(), CreateError> {
    let sockets = plan.imported.spec().sockets;
    let number = sockets + gpu.index;
    let host = std::iter::once(pcie(gpu.placed.function.node));
    let peers = gpu.told.links.iter().filter_map(|links| {
        let peer = gpus.iter().find(|peer| peer.bdf() == links.target)?;
        Some(xgmi(sockets + peer.index, links))
    });
    let count = links(tree, number, host.chain(peers))?;
    let has_links = !gpu.told.links.is_empty();
    let hive = gpus.first().filter(|_| has_links);
    let target = gpu.told.target;
    let bdf = gpu.bdf();
    let location = u64::from(bdf.bus) << 8 | u64::from(bdf.device) << 3 | u64::from(bdf.function);
    let mut facts = vec![
        ("cpu_cores_count", 0),
        ("simd_count", u64::from(gpu.told.compute_units) * SIMDS),
        ("mem_banks_count", 0),
        ("io_links_count", count),
        ("simd_per_cu", SIMDS),
        ("gfx_target_version", target.into()),
        ("location_id", location),
        ("domain", bdf.domain.into()),
        ("drm_render_minor", (FIRST_RENDER + gpu.index).into()),
        ("hive_id", hive.map_or(0, |first| mix(first.unique_id))),
        ("unique_id", gpu.unique_id),
    ];
    if let (Some(vendor), Some(device)) = (gpu.function.vendor, gpu.function.device) {
        facts.extend([("vendor_id", vendor.into()), ("device_id", device.into())]);
    }
    // Never zero, which is a processor's.
    let gpu_id = mix(gpu.unique_id) & 0xffff | 1;
    let files = [
        ("gpu_id", gpu_id.to_string()),
        ("name", name(target)),
        ("properties", properties(&facts)),
    ];
    tree.attributes(format!("{KFD}/topology/nodes/{number}"), &files)
}

/// `gfx90a` of 90010: the stepping is hexadecimal.
fn name(target: u32) -> String {
    let (major, minor, stepping) = (target / 10_000, target / 100 % 100, target % 100);
    format!("gfx{major}{minor:x}{stepping:x}")
}

fn pcie(to: u32) -> KfdLink {
    KfdLink {
        kind: PCIE,
        to,
        weight: PCIE_WEIGHT,
        least_mbps: 0,
        most_mbps: 0,
    }
}

/// The driver tells how many links there are by what one carries and what all carry.
fn xgmi(to: u32, links: &Links) -> KfdLink {
    KfdLink {
        kind: XGMI,
        to,
        weight: XGMI_WEIGHT,
        least_mbps: XGMI_MBPS,
        most_mbps: XGMI_MBPS * u64::from(links.count),
    }
}

/// Writes the links of a node; says how many.
fn links(tree: &Tree, from: u32, links: impl Iterator<Item = KfdLink>) -> Result<u64, CreateError> {
    let mut count = 0;
    for link in links {
        let facts = [
            ("type", link.kind),
            ("version_major", 0),
            ("version_minor", 0),
            ("node_from", from.into()),
            ("node_to", link.to.into()),
            ("weight", link.weight),
            ("min_latency", 0),
            ("max_latency", 0),
            ("min_bandwidth", link.least_mbps),
            ("max_bandwidth", link.most_mbps),
            ("recommended_transfer_size", 0),
            ("flags", 1),
        ];
        let folder = format!("{KFD}/topology/nodes/{from}/io_links/{count}");
        tree.attributes(folder, &[("properties", properties(&facts))])?;
        count += 1;
    }
    Ok(count)
}

fn properties(facts: &[(&str, u64)]) -> String {
    let lines = facts
        .iter()
        .map(|(name, value)| format!("{name} {value}\n"));
    lines.collect()
}
