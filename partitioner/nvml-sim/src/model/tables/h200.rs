//! H200 SXM 141 GB. Profiles from a `mig -lgip` dump, but for the memory of the 7g; the board's own
//! figures in the manner of an H100.

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{GiProfile, Media};
use super::shape::{engines, family, figures};

const PROFILES: [GiProfile; 7] = family([
    figures("1g.18gb", 16_384, 16, engines(1, 1, 1, 0)),
    figures("1g.18gb+me", 16_384, 16, engines(1, 1, 1, 1)),
    figures("1g.35gb", 33_024, 26, engines(1, 1, 1, 0)),
    figures("2g.35gb", 33_024, 32, engines(2, 2, 2, 0)),
    figures("3g.71gb", 71_168, 60, engines(3, 3, 3, 0)),
    figures("4g.71gb", 71_168, 64, engines(4, 4, 4, 0)),
    // Memory derived.
    figures("7g.141gb", 142_592, 132, engines(8, 7, 7, 1)),
]);

/// NVIDIA H200.
pub static H200: Product = Product {
    name: "NVIDIA H200",
    architecture: Architecture::Hopper,
    compute_capability: (9, 0),
    device_id: 0x2335_10DE,
    subsystem_id: 0x18BE_10DE,
    vbios: "96.00.BC.00.01",
    board_part_number: "692-2G520-0280-000",
    inforom_image: "G520.0280.00.05",
    inforom_oem: "2.1",
    inforom_ecc: "7.16",
    memory_mib: 143_771,
    reserved_kib: 600_064,
    slice_overhead_kib: 8_576,
    bar1_mib: 262_144,
    bar1_slice_kib: 12_666_368,
    power: Power {
        idle_mw: 76_000,
        full_mw: 660_000,
        min_limit_mw: 200_000,
        max_limit_mw: 700_000,
    },
    thermal: Thermal {
        idle_c: 30,
        full_c: 62,
        memory_offset_c: 5,
        limit_c: 87,
        slowdown_c: 89,
        shutdown_c: 95,
    },
    clocks: Clocks {
        idle: 345,
        max: 1_980,
        memory: 3_201,
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
    memory_bus_bits: 6_144,
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
    gi_profiles: &PROFILES,
    other_memory: &[],
    uneven_mib: 0,
};
