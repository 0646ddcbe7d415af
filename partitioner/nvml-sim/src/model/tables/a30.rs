//! A30 24 GB: four compute slices on a grid of four units. Profiles from `mig -lgip` and the MIG User
//! Guide; the guide prints the 5,836 MiB of a 1g as 5.69 GiB.

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{GiProfile, Media};
use super::shape::{FourSlices, Share, WHOLE, engines};

/// The driver's order is derived: as the 7+8 family, from the upper half down. So is the memory of the halves.
const GRID: FourSlices = FourSlices {
    quarter: Share {
        size: 1,
        starts: &[0, 1, 2, 3],
        order: &[2, 3, 0, 1],
        multiprocessors: 14,
        memory_mib: 5_836,
    },
    half: Share {
        size: 2,
        starts: &[0, 2],
        order: &[2, 0],
        multiprocessors: 28,
        memory_mib: 11_928,
    },
    whole: Share {
        size: 4,
        starts: WHOLE,
        order: WHOLE,
        multiprocessors: 56,
        memory_mib: 24_064,
    },
};

const PROFILES: [GiProfile; 5] = [
    GRID.quarter((0, 14), "1g.6gb", 4, engines(1, 0, 0, 0)),
    GRID.quarter((7, 21), "1g.6gb+me", 1, engines(1, 1, 1, 1)),
    GRID.half((1, 5), "2g.12gb", 2, engines(2, 2, 0, 0)),
    GRID.half((8, 6), "2g.12gb+me", 1, engines(2, 2, 1, 1)),
    GRID.whole((3, 0), "4g.24gb", engines(4, 4, 1, 1)),
];

/// NVIDIA A30.
pub static A30: Product = Product {
    name: "NVIDIA A30",
    architecture: Architecture::Ampere,
    compute_capability: (8, 0),
    device_id: 0x20B7_10DE,
    subsystem_id: 0x1532_10DE,
    vbios: "92.00.66.00.04",
    board_part_number: "900-21001-0040-000",
    inforom_image: "1001.0205.00.03",
    inforom_oem: "2.1",
    inforom_ecc: "6.16",
    memory_mib: 24_576,
    reserved_kib: 512_000,
    slice_overhead_kib: 6_400,
    bar1_mib: 32_768,
    bar1_slice_kib: 3_145_728,
    power: Power {
        idle_mw: 27_000,
        full_mw: 160_000,
        min_limit_mw: 100_000,
        max_limit_mw: 165_000,
    },
    thermal: Thermal {
        idle_c: 30,
        full_c: 62,
        memory_offset_c: 5,
        limit_c: 82,
        slowdown_c: 87,
        shutdown_c: 92,
    },
    clocks: Clocks {
        idle: 210,
        max: 1_440,
        memory: 1_215,
        video_idle: 585,
        video_max: 1_305,
    },
    nvlink: NvLink {
        links: 4,
        version: 4,
        speed_mbps: 25_781,
    },
    multiprocessors: 56,
    multiprocessors_per_slice: 14,
    cores: 3_584,
    memory_bus_bits: 3_072,
    remap_banks: 384,
    pcie_generation: 4,
    mig_query_without_mode: false,
    max_mig_devices: 4,
    memory_slices: 4,
    compute_slices: 4,
    media: Media {
        decoder: 4,
        encoder: 0,
        jpeg: 1,
        ofa: 1,
    },
    gi_profiles: &PROFILES,
    other_memory: &[],
    uneven_mib: 0,
};
