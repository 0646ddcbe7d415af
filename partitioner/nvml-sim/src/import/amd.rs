//! What amdgpu and KFD show of an imported machine's GPUs. Owns the nodes of KFD's topology, after `node_show` and
//! `iolink_show` of `kfd_topology.c`.
//!
//! They are plain files: no partition can be chosen, for nothing tells which there are. A GPU's memory is not told
//! either, so its node has no bank.

use super::describe::{AmdGpu, Function, Holds, Links};
use super::place::{self, Placed};
use super::plan::Plan;
use crate::kernel::amd::topology::{
    self, FIRST_RENDER, KFD, Link, SIMDS, XGMI_WEIGHT, properties, to_sockets,
};
use crate::machine::class::Device;
use crate::machine::nodes::{self, Node};
use crate::machine::{CreateError, Tree, amdgpu};
use crate::model::machine::Nodes;
use crate::model::mix;
use crate::model::spec::Bdf;

/// What one xGMI link carries, in MB/s (AMD CDNA 2 and 3 white papers).
const XGMI_MBPS: u32 = 50_000;
/// Where amdgpu registers its memory with the peer memory interface of MLNX_OFED.
const PEERS: &str = "sys/kernel/mm/memory_peers/amdkfd";

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
    let others = to_sockets(socket, spec.sockets, spec.remote_distance);
    let own = gpus.iter().filter(|gpu| gpu.placed.function.node == socket);
    let own = own.map(|gpu| Link::pcie(spec.sockets + gpu.index, 0, 0));
    let count = links(tree, socket, others.chain(own))?;
    let folder = format!("{KFD}/topology/nodes/{socket}");
    tree.folder(format!("{folder}/mem_banks/0"))?;
    tree.attributes(folder, &topology::socket(spec, socket, count))
}

fn node(tree: &Tree, plan: &Plan<'_>, gpu: &Gpu<'_>, gpus: &[Gpu<'_>]) -> Result<(), CreateError> {
    let sockets = plan.imported.spec().sockets;
    let number = sockets + gpu.index;
    let host = std::iter::once(Link::pcie(gpu.placed.function.node, 0, 0));
    let peers = gpu.told.links.iter().filter_map(|links| {
        let peer = gpus.iter().find(|peer| Some(peer.bdf()) == links.target)?;
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
        (
            "simd_count",
            u64::from(gpu.told.compute_units) * u64::from(SIMDS),
        ),
        ("mem_banks_count", 0),
        ("io_links_count", count),
        ("simd_per_cu", SIMDS.into()),
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
    let gpu_id = topology::gpu_id(gpu.unique_id);
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

fn xgmi(to: u32, links: &Links) -> Link {
    Link::xgmi(
        to,
        XGMI_WEIGHT,
        XGMI_MBPS,
        XGMI_MBPS * u32::from(links.count),
    )
}

/// Writes the links of a node; says how many.
fn links(tree: &Tree, from: u32, links: impl Iterator<Item = Link>) -> Result<u64, CreateError> {
    let mut count = 0;
    for link in links {
        let folder = format!("{KFD}/topology/nodes/{from}/io_links/{count}");
        tree.attributes(folder, &[("properties", link.properties(from))])?;
        count += 1;
    }
    Ok(count)
}
