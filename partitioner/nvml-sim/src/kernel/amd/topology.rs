//! What KFD's topology says of a socket and of a link, in KFD's words. Pure text: who holds the state, and where the
//! files lie, is others' business.
//!
//! After `node_show`, `mem_show` and `iolink_show` of `kfd_topology.c`, and `kfd_crat.h` for types and weights.

use crate::model::mix;
use crate::model::spec::MachineSpec;

/// Where KFD's device lies; its topology is a folder of it.
pub const KFD: &str = "sys/devices/virtual/kfd/kfd";

/// First minor of render nodes.
pub const FIRST_RENDER: u32 = 128;

/// SIMDs of a compute unit, in every generation that has xGMI.
pub const SIMDS: u32 = 4;

/// Types of links.
const HYPERTRANSPORT: u32 = 1;
const PCIE: u32 = 2;
const XGMI: u32 = 11;

/// Weight of PCIe, and of one hop of xGMI.
const PCIE_WEIGHT: u32 = 20;
pub const XGMI_WEIGHT: u32 = 15;

/// A link, from the node in whose folder it lies.
pub struct Link {
    kind: u32,
    to: u32,
    weight: u32,
    least_mbps: u32,
    most_mbps: u32,
}

impl Link {
    /// PCIe between a GPU and its socket, with the least and the most that it moves in MB/s.
    pub fn pcie(to: u32, least_mbps: u32, most_mbps: u32) -> Self {
        Self {
            kind: PCIE,
            to,
            weight: PCIE_WEIGHT,
            least_mbps,
            most_mbps,
        }
    }

    /// Between GPUs, or parts of them. The driver tells how many links there are by what one moves and what all do.
    pub fn xgmi(to: u32, weight: u32, least_mbps: u32, most_mbps: u32) -> Self {
        Self {
            kind: XGMI,
            to,
            weight,
            least_mbps,
            most_mbps,
        }
    }

    /// What it says of itself.
    pub fn properties(&self, from: u32) -> String {
        properties(&[
            ("type", self.kind.into()),
            ("version_major", 0),
            ("version_minor", 0),
            ("node_from", from.into()),
            ("node_to", self.to.into()),
            ("weight", self.weight.into()),
            ("min_latency", 0),
            ("max_latency", 0),
            ("min_bandwidth", self.least_mbps.into()),
            ("max_bandwidth", self.most_mbps.into()),
            ("recommended_transfer_size", 0),
            ("recommended_sdma_engine_id_mask", 0),
            ("flags", 1),
        ])
    }
}

/// From a socket to the others; `distance` is that of its NUMA nodes.
pub fn to_sockets(socket: u32, sockets: u32, distance: u32) -> impl Iterator<Item = Link> {
    let others = (0..sockets).filter(move |other| *other != socket);
    others.map(move |to| Link {
        kind: HYPERTRANSPORT,
        to,
        weight: distance,
        least_mbps: 0,
        most_mbps: 0,
    })
}

/// A socket with that many links: the names of its files in its folder, and what they say.
pub fn socket(spec: &MachineSpec, socket: u32, links: u64) -> [(&'static str, String); 4] {
    let cores = spec.cpu_count() / spec.sockets;
    let facts = [
        ("cpu_cores_count", u64::from(cores)),
        ("simd_count", 0),
        ("mem_banks_count", 1),
        ("io_links_count", links),
        ("cpu_core_id_base", u64::from(cores * socket)),
        ("gfx_target_version", 0),
        ("drm_render_minor", 0),
        ("num_xcc", 0),
    ];
    let bank = [
        ("heap_type", 0),
        ("size_in_bytes", spec.node_memory_kib << 10),
    ];
    [
        ("gpu_id", "0".to_owned()),
        ("name", "\n".to_owned()),
        ("properties", properties(&facts)),
        ("mem_banks/0/properties", properties(&bank)),
    ]
}

/// An id of a GPU or of a part of one: never zero, which is a processor's.
pub fn gpu_id(seed: u64) -> u64 {
    mix(seed) & 0xffff | 1
}

/// The lines of a file `properties`.
pub fn properties(facts: &[(&str, u64)]) -> String {
    let lines = facts.iter();
    let lines = lines.map(|(name, value)| format!("{name} {value}\n"));
    lines.collect()
}
