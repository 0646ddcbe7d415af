//! H100 SXM 80 GB and H100 NVL 94 GB. Figures of the first from `nvidia-smi` captures of driver 590.48.01 (power,
//! clocks, memory, identity) and from `mig -lgip` dumps (profiles); the profiles of the second from a dump of
//! its 1g, 2g and 7g.

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{GiProfile, Media};
use super::shape::{family, since_hopper};

pub(super) const MULTIPROCESSORS: [u32; 7] = [16, 16, 26, 32, 60, 64, 132];

const PROFILES_94GB: [GiProfile; 7] = family(
    since_hopper(1),
    MULTIPROCESSORS,
    [
        ("1g.12gb", 11_008),
        ("1g.12gb+me", 11_008),
        ("1g.24gb", 22_144),
        ("2g.24gb", 22_144),
        // Memory of 3g and 4g derived, from the 7g downwards: its 1g is far below the rule.
        ("3g.47gb", 47_552),
        ("4g.47gb", 47_552),
        ("7g.94gb", 95_360),
    ],
);

const PROFILES_80GB: [GiProfile; 7] = family(
    since_hopper(1),
    MULTIPROCESSORS,
    [
        ("1g.10gb", 9_984),
        ("1g.10gb+me", 9_984),
        ("1g.20gb", 20_096),
        ("2g.20gb", 20_096),
        ("3g.40gb", 40_448),
        ("4g.40gb", 40_448),
        ("7g.80gb", 81_152),
    ],
);

/// NVIDIA H100 80GB HBM3.
pub static H100_80GB_HBM3: Product = RECORD_80GB;

/// Also what an H200 and a GH200, the same chip with other memory, have in common with it.
pub(super) const RECORD_80GB: Product = Product {
    name: "NVIDIA H100 80GB HBM3",
    architecture: Architecture::Hopper,
    compute_capability: (9, 0),
    device_id: 0x2330_10DE,
    subsystem_id: 0x16C1_10DE,
    vbios: "96.00.A5.00.01",
    board_part_number: "692-2G520-0200-000",
    inforom_image: "G520.0200.00.05",
    inforom_oem: "2.1",
    inforom_ecc: "7.16",
    memory_mib: 81_559,
    reserved_kib: 489_984,
    slice_overhead_kib: 8_576,
    bar1_mib: 131_072,
    bar1_slice_kib: 6_333_184,
    power: Power {
        idle_mw: 69_700,
        full_mw: 632_000,
        min_limit_mw: 200_000,
        max_limit_mw: 700_000,
    },
    thermal: Thermal {
        idle_c: 41,
        full_c: 66,
        memory_offset_c: 7,
        limit_c: 87,
        slowdown_c: 89,
        shutdown_c: 95,
    },
    clocks: Clocks {
        idle: 345,
        max: 1_980,
        memory: 2_619,
        video_idle: 765,
        video_max: 1_545,
    },
    nvlink: NvLink {
        links: 18,
        version: 6,
        speed_mbps: 26_562,
    },
    multiprocessors: 132,
    multiprocessors_per_slice: 16,
    cores: 16_896,
    memory_bus_bits: 5_120,
    remap_banks: 2_560,
    pcie_generation: 5,
    mig_query_without_mode: true,
    max_mig_devices: 7,
    memory_slices: 8,
    compute_slices: 7,
    media: Media {
        decoder: 7,
        encoder: 0,
        jpeg: 7,
        ofa: 1,
    },
    gi_profiles: &PROFILES_80GB,
    other_memory: &[],
    uneven_mib: 0,
};

/// NVIDIA H100 NVL. Its NVLink bridges pairs of cards; the pairs are not simulated, so its links
/// are down.
pub static H100_NVL: Product = Product {
    name: "NVIDIA H100 NVL",
    device_id: 0x2321_10DE,
    subsystem_id: 0x1839_10DE,
    vbios: "96.00.99.00.01",
    board_part_number: "900-21010-0320-000",
    inforom_image: "1010.0210.00.05",
    memory_mib: 95_830,
    power: Power {
        idle_mw: 61_000,
        full_mw: 372_000,
        min_limit_mw: 200_000,
        max_limit_mw: 400_000,
    },
    clocks: Clocks {
        idle: 345,
        max: 1_785,
        memory: 2_619,
        video_idle: 765,
        video_max: 1_545,
    },
    nvlink: NvLink {
        links: 12,
        version: 6,
        speed_mbps: 26_562,
    },
    memory_bus_bits: 6_016,
    gi_profiles: &PROFILES_94GB,
    ..RECORD_80GB
};
