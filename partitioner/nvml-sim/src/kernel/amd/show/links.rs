//! The links of KFD's topology: between sockets, from GPUs to their sockets and back, and from GPU to GPU by xGMI.
//!
//! Types, weights and bandwidths after `kfd_crat.c` (`kfd_fill_gpu_xgmi_link_to_gpu`, `kfd_parse_subtype_iolink`) and
//! `amdgpu_xgmi.c`: a weight of xGMI counts hops, and its largest bandwidth counts links.

#[cfg(test)]
mod tests;

use super::super::Amd;
use super::super::topology::{KFD, Link, XGMI_WEIGHT, to_sockets};
use super::kfd::Node;
use crate::kernel::tree::View;

/// Weight between the partitions of one GPU.
const WITHIN_WEIGHT: u32 = 13;

/// What one lane of the first generation moves, in MB/s: the least that a PCIe link can be trained to.
const PCIE_LEAST_MBPS: u32 = 312;
/// Between the partitions of one GPU, in MB/s.
const WITHIN_MBPS: u32 = 819_200;

/// Puts the links of a socket into a view; says how many. `distance` is that of its NUMA nodes.
pub fn of_socket(
    amd: &Amd,
    view: &mut View,
    socket: u32,
    distance: u32,
    nodes: &[Node<'_>],
) -> u64 {
    let others = to_sockets(socket, amd.sockets, distance);
    // The way back of what each GPU whose memory is all in its window has to its socket.
    let own = nodes.iter().filter(|node| node.gpu.node == socket);
    let own = own.map(|node| to_host(amd, node.number));
    show(view, socket, others.chain(own))
}

/// Puts the links of a GPU, or of a partition of one, into a view; says how many.
pub fn of_gpu(amd: &Amd, view: &mut View, node: &Node<'_>, nodes: &[Node<'_>]) -> u64 {
    let peers = nodes.iter().filter(|peer| peer.number != node.number);
    let peers = peers.map(|peer| to_peer(amd, node, peer));
    let host = std::iter::once(to_host(amd, node.gpu.node));
    show(view, node.number, host.chain(peers))
}

fn to_host(amd: &Amd, to: u32) -> Link {
    // Sixteen lanes, less what the encoding costs.
    let most_mbps = match amd.product().pcie_generation {
        4 => 31_504,
        _ => 63_008,
    };
    Link::pcie(to, PCIE_LEAST_MBPS, most_mbps)
}

fn to_peer(amd: &Amd, node: &Node<'_>, peer: &Node<'_>) -> Link {
    let (weight, least_mbps, most_mbps) = match (node.of, node.place == peer.place) {
        // Firmware tells of whole GPUs alone; of partitions the driver makes it up.
        (1, _) => {
            let hive = &amd.product().hive;
            let count = u32::try_from(amd.gpus.len()).unwrap_or(u32::MAX);
            let links = hive.links(node.place, peer.place);
            let least = if links > 0 { hive.link_mbps } else { 0 };
            let hops = hive.hops(node.place, peer.place, count);
            (XGMI_WEIGHT * hops, least, hive.link_mbps * links)
        }
        (_, true) => (WITHIN_WEIGHT, WITHIN_MBPS, WITHIN_MBPS),
        (_, false) => (2 * WITHIN_WEIGHT + XGMI_WEIGHT, 0, 0),
    };
    Link::xgmi(peer.number, weight, least_mbps, most_mbps)
}

fn show(view: &mut View, from: u32, links: impl Iterator<Item = Link>) -> u64 {
    let mut count = 0;
    for link in links {
        let path = format!("{KFD}/topology/nodes/{from}/io_links/{count}/properties");
        view.line(path, link.properties(from));
        count += 1;
    }
    count
}
