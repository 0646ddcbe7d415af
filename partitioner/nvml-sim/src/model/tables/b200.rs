//! B200 SXM 180 GB. 1g and 2g from `mig -lgip` dumps, the rest of the profiles derived; the dumps
//! disagree with the MIG User Guide, which gives the 2g one decoder.

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{GiProfile, Media};
use super::shape::{family, since_hopper};

pub(super) const MULTIPROCESSORS: [u32; 7] = [18, 18, 30, 36, 68, 72, 148];

const PROFILES: [GiProfile; 7] = family(
    since_hopper(2),
    MULTIPROCESSORS,
    [
        ("1g.23gb", 22_528),
        // Derived.
        ("1g.23gb+me", 22_528),
        ("1g.45gb", 45_312),
        ("2g.45gb", 45_312),
        // Derived, all three.
        ("3g.90gb", 90_880),
        ("4g.90gb", 90_880),
        ("7g.180gb", 182_016),
    ],
);

/// NVIDIA B200.
pub static B200: Product = RECORD;

/// Also what the GPU of a Grace Blackwell board, the same chip, and a B300 have in common with it.
pub(super) const RECORD: Product = Product {
    name: "NVIDIA B200",
    architecture: Architecture::Blackwell,
    compute_capability: (10, 0),
    device_id: 0x2901_10DE,
    subsystem_id: 0x1999_10DE,
    vbios: "97.00.9A.00.16",
    board_part_number: "692-2G525-0225-000",
    inforom_image: "G525.0225.00.03",
    inforom_oem: "2.1",
    inforom_ecc: "7.16",
    memory_mib: 183_359,
    reserved_kib: 620_544,
    slice_overhead_kib: 8_576,
    bar1_mib: 262_144,
    bar1_slice_kib: 12_666_368,
    power: Power {
        idle_mw: 145_000,
        full_mw: 940_000,
        min_limit_mw: 200_000,
        max_limit_mw: 1_000_000,
    },
    thermal: Thermal {
        idle_c: 30,
        full_c: 64,
        memory_offset_c: 5,
        limit_c: 87,
        slowdown_c: 89,
        shutdown_c: 95,
    },
    clocks: Clocks {
        idle: 120,
        max: 1_965,
        memory: 3_996,
        video_idle: 600,
        video_max: 1_830,
    },
    nvlink: NvLink {
        links: 18,
        version: 7,
        speed_mbps: 53_125,
    },
    multiprocessors: 148,
    multiprocessors_per_slice: 18,
    cores: 18_944,
    memory_bus_bits: 8_192,
    remap_banks: 4_096,
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
    gi_profiles: &PROFILES,
    other_memory: &[(19, 20_992), (20, 20_992)],
    uneven_mib: 0,
};
