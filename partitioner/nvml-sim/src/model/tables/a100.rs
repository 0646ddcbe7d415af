//! A100 SXM4, 40 and 80 GB. Profiles from the MIG User Guide and go-nvml's A100 table (whose A100
//! placements agree with hardware dumps); the rest from public `nvidia-smi -q` output of DGX A100.

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{Engines, GiProfile, Media};
use super::shape::{engines, family};

const ENGINES: [Engines; 7] = [
    engines(1, 0, 0, 0),
    engines(1, 1, 1, 1),
    engines(1, 1, 0, 0),
    engines(2, 1, 0, 0),
    engines(3, 2, 0, 0),
    engines(4, 2, 0, 0),
    engines(7, 5, 1, 1),
];
const MULTIPROCESSORS: [u32; 7] = [14, 14, 14, 28, 42, 56, 98];

const PROFILES_40GB: [GiProfile; 7] = family(
    ENGINES,
    MULTIPROCESSORS,
    [
        ("1g.5gb", 4_864),
        ("1g.5gb+me", 4_864),
        ("1g.10gb", 9_856),
        ("2g.10gb", 9_856),
        ("3g.20gb", 19_968),
        ("4g.20gb", 19_968),
        ("7g.40gb", 40_192),
    ],
);

const PROFILES_80GB: [GiProfile; 7] = family(
    ENGINES,
    MULTIPROCESSORS,
    [
        ("1g.10gb", 9_856),
        ("1g.10gb+me", 9_856),
        ("1g.20gb", 19_968),
        ("2g.20gb", 19_968),
        ("3g.40gb", 40_192),
        ("4g.40gb", 40_192),
        ("7g.80gb", 80_384),
    ],
);

/// NVIDIA A100-SXM4-80GB.
pub static A100_SXM4_80GB: Product = RECORD_80GB;

const RECORD_80GB: Product = Product {
    name: "NVIDIA A100-SXM4-80GB",
    architecture: Architecture::Ampere,
    compute_capability: (8, 0),
    device_id: 0x20B2_10DE,
    subsystem_id: 0x1463_10DE,
    vbios: "92.00.45.00.06",
    board_part_number: "692-2G506-0212-002",
    inforom_image: "G506.0212.00.02",
    inforom_oem: "2.0",
    inforom_ecc: "6.16",
    memory_mib: 81_920,
    reserved_kib: 889_856,
    slice_overhead_kib: 6_400,
    bar1_mib: 131_072,
    bar1_slice_kib: 6_291_456,
    power: Power {
        idle_mw: 61_300,
        full_mw: 388_000,
        min_limit_mw: 100_000,
        max_limit_mw: 400_000,
    },
    thermal: Thermal {
        idle_c: 32,
        full_c: 62,
        memory_offset_c: 2,
        limit_c: 85,
        slowdown_c: 89,
        shutdown_c: 92,
    },
    clocks: Clocks {
        idle: 210,
        max: 1_410,
        memory: 1_593,
        video_idle: 585,
        video_max: 1_290,
    },
    nvlink: NvLink {
        links: 12,
        version: 4,
        speed_mbps: 25_781,
    },
    multiprocessors: 108,
    multiprocessors_per_slice: 14,
    cores: 6_912,
    memory_bus_bits: 5_120,
    remap_banks: 640,
    pcie_generation: 4,
    mig_query_without_mode: false,
    max_mig_devices: 7,
    memory_slices: 8,
    compute_slices: 7,
    media: Media {
        decoder: 5,
        encoder: 0,
        jpeg: 1,
        ofa: 1,
    },
    gi_profiles: &PROFILES_80GB,
    other_memory: &[(19, 9_728), (20, 9_728), (0, 80_640)],
    uneven_mib: 0,
};

/// NVIDIA A100-SXM4-40GB.
pub static A100_SXM4_40GB: Product = Product {
    name: "NVIDIA A100-SXM4-40GB",
    device_id: 0x20B0_10DE,
    subsystem_id: 0x134F_10DE,
    board_part_number: "692-2G506-0200-002",
    inforom_image: "G506.0200.00.04",
    memory_mib: 40_960,
    reserved_kib: 570_368,
    bar1_mib: 65_536,
    bar1_slice_kib: 3_145_728,
    clocks: Clocks {
        idle: 210,
        max: 1_410,
        memory: 1_215,
        video_idle: 585,
        video_max: 1_290,
    },
    gi_profiles: &PROFILES_40GB,
    other_memory: &[
        (15, 9_984),
        (14, 9_984),
        (9, 20_096),
        (5, 20_096),
        (0, 40_448),
    ],
    uneven_mib: 128,
    ..RECORD_80GB
};
