//! `/sys/class/kfd`: the topology that ROCm enumerates, and the processes that have opened KFD.

use super::super::topology::{self, KFD, SIMDS, properties};
use super::super::{Amd, Gpu};
use super::{links, render_minor};
use crate::kernel::tree::View;

/// A node of the topology that is a partition of a GPU.
pub struct Node<'a> {
    /// Its number in the topology.
    pub number: u32,
    /// Place of the GPU.
    pub place: u32,
    /// Which of the GPU's partitions it is.
    pub partition: u32,
    /// How many the GPU has.
    pub of: u32,
    /// The GPU.
    pub gpu: &'a Gpu,
}

/// Puts topology and processes into a view.
pub fn show(amd: &Amd, view: &mut View) {
    view.link("sys/class/kfd/kfd", KFD);
    view.line(format!("{KFD}/dev"), format!("{}:0", amd.kfd_major));
    view.line(
        format!("{KFD}/topology/generation_id"),
        amd.generation.to_string(),
    );
    let nodes = nodes(amd);
    for socket in 0..amd.sockets {
        show_socket(amd, view, socket, &nodes);
    }
    for node in &nodes {
        show_node(amd, view, node, &nodes);
    }
    view.folder(format!("{KFD}/proc"));
    for client in &amd.clients {
        for node in &nodes {
            let holds = node.place == client.gpu && node.partition == 0;
            let bytes = if holds { client.memory_bytes } else { 0 };
            let id = gpu_id(node.gpu, node.partition);
            view.line(
                format!("{KFD}/proc/{}/vram_{id}", client.pid),
                bytes.to_string(),
            );
        }
        let pasid = (32_768 + client.pid % 32_768).to_string();
        view.line(format!("{KFD}/proc/{}/pasid", client.pid), pasid);
    }
}

/// Nodes are numbered anew whenever one comes or goes: a number is no identity.
fn nodes(amd: &Amd) -> Vec<Node<'_>> {
    let xccs = amd.product().xccs;
    let places = amd.order.iter().filter_map(|place| {
        let gpu = amd.gpus.get(crate::model::machine::place(*place))?;
        Some((*place, gpu))
    });
    let partitions = places.flat_map(|(place, gpu)| {
        let of = gpu.listed.partitions(xccs);
        (0..of).map(move |partition| (place, gpu, partition, of))
    });
    (amd.sockets..)
        .zip(partitions)
        .map(|(number, (place, gpu, partition, of))| Node {
            number,
            place,
            partition,
            of,
            gpu,
        })
        .collect()
}

/// KFD's id of a partition, which is never zero.
fn gpu_id(gpu: &Gpu, partition: u32) -> u64 {
    topology::gpu_id(gpu.unique_id ^ u64::from(partition))
}

fn show_socket(amd: &Amd, view: &mut View, socket: u32, nodes: &[Node<'_>]) {
    let folder = format!("{KFD}/topology/nodes/{socket}");
    let Some(spec) = crate::model::tables::machine(&amd.machine) else {
        return;
    };
    let links = links::of_socket(amd, view, socket, spec.remote_distance, nodes);
    for (name, text) in topology::socket(spec, socket, links) {
        view.line(format!("{folder}/{name}"), text);
    }
}

fn show_node(amd: &Amd, view: &mut View, node: &Node<'_>, all: &[Node<'_>]) {
    let (product, gpu) = (amd.product(), node.gpu);
    let folder = format!("{KFD}/topology/nodes/{}", node.number);
    view.line(
        format!("{folder}/gpu_id"),
        gpu_id(gpu, node.partition).to_string(),
    );
    view.line(format!("{folder}/name"), product.target);
    let xccs = product.xccs / node.of;
    let links = links::of_gpu(amd, view, node, all);
    // The partition stands in the four highest bits (`kfd_topology_add_device`).
    let location = u64::from(gpu.bus) << 8 | u64::from(node.partition) << 28;
    let facts = [
        ("cpu_cores_count", 0),
        (
            "simd_count",
            u64::from(xccs * product.units_per_xcc * SIMDS),
        ),
        ("mem_banks_count", 1),
        ("io_links_count", links),
        ("p2p_links_count", 0),
        ("max_waves_per_simd", 8),
        ("lds_size_in_kb", 64),
        ("wave_front_size", 64),
        ("simd_per_cu", SIMDS.into()),
        ("gfx_target_version", u64::from(product.target_version)),
        ("vendor_id", 0x1002),
        ("device_id", u64::from(product.device_id)),
        ("location_id", location),
        ("domain", 0),
        (
            "drm_render_minor",
            u64::from(render_minor(amd, node.place, node.partition)),
        ),
        ("hive_id", amd.hive()),
        (
            "num_sdma_engines",
            u64::from((product.dma_engines / node.of).max(1)),
        ),
        ("num_xcc", u64::from(xccs)),
        ("unique_id", gpu.unique_id),
        // Zero for GPUs with banks: whoever wants the size reads the bank.
        ("local_mem_size", 0),
    ];
    view.line(format!("{folder}/properties"), properties(&facts));
    // Partitions of one NUMA domain share its memory evenly.
    let size = product.memory_bytes / u64::from(node.of);
    let bank = format!("{folder}/mem_banks/0/properties");
    view.line(
        bank,
        properties(&[("heap_type", 1), ("size_in_bytes", size), ("width", 8_192)]),
    );
}
