//! GB200 186 GB, the GPU of a Grace Blackwell board. 1g and 2g from a `mig -lgip` dump, the rest of
//! the profiles derived; sources do not agree on the names of 1g (23 or 24 GB) and 7g (186 or 189).

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{GiProfile, Media};
use super::shape::{engines, family, figures};

const PROFILES: [GiProfile; 7] = family([
    figures("1g.24gb", 20_480, 18, engines(2, 1, 1, 0)),
    // Derived.
    figures("1g.24gb+me", 20_480, 18, engines(2, 1, 1, 1)),
    figures("1g.47gb", 46_592, 32, engines(2, 1, 1, 0)),
    figures("2g.47gb", 46_592, 38, engines(4, 2, 2, 0)),
    // Derived, all three.
    figures("3g.93gb", 93_440, 72, engines(6, 3, 3, 0)),
    figures("4g.93gb", 93_440, 76, engines(8, 4, 4, 0)),
    figures("7g.186gb", 187_136, 152, engines(16, 7, 7, 1)),
]);

/// NVIDIA GB200.
pub static GB200: Product = Product {
    name: "NVIDIA GB200",
    architecture: Architecture::Blackwell,
    compute_capability: (10, 0),
    device_id: 0x2941_10DE,
    subsystem_id: 0x2046_10DE,
    vbios: "97.00.B9.00.69",
    board_part_number: "692-2G548-0221-000",
    inforom_image: "G548.0201.00.06",
    inforom_oem: "2.1",
    inforom_ecc: "7.16",
    memory_mib: 189_471,
    reserved_kib: 640_000,
    slice_overhead_kib: 8_576,
    bar1_mib: 262_144,
    bar1_slice_kib: 12_666_368,
    power: Power {
        idle_mw: 160_000,
        full_mw: 1_130_000,
        min_limit_mw: 200_000,
        max_limit_mw: 1_200_000,
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
        max: 2_062,
        memory: 3_996,
        video_idle: 600,
        video_max: 1_830,
    },
    nvlink: NvLink {
        links: 18,
        version: 7,
        speed_mbps: 53_125,
    },
    multiprocessors: 152,
    multiprocessors_per_slice: 18,
    cores: 19_456,
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
    other_memory: &[],
    uneven_mib: 0,
};
