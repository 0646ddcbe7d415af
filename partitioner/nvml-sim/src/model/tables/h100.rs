//! H100 SXM 80 GB. Figures from `nvidia-smi` captures of driver 590.48.01 (power, clocks, memory,
//! identity) and from `mig -lgip` dumps (profiles).

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::GiProfile;
use super::{Figures, engines, family};

const PROFILES: [GiProfile; 7] = family([
    Figures {
        name: "1g.10gb",
        multiprocessors: 16,
        engines: engines(1, 1, 1, 0),
        memory_mib: 9_984,
    },
    Figures {
        name: "1g.10gb+me",
        multiprocessors: 16,
        engines: engines(1, 1, 1, 1),
        memory_mib: 9_984,
    },
    Figures {
        name: "1g.20gb",
        multiprocessors: 26,
        engines: engines(1, 1, 1, 0),
        memory_mib: 20_096,
    },
    Figures {
        name: "2g.20gb",
        multiprocessors: 32,
        engines: engines(2, 2, 2, 0),
        memory_mib: 20_096,
    },
    Figures {
        name: "3g.40gb",
        multiprocessors: 60,
        engines: engines(3, 3, 3, 0),
        memory_mib: 40_448,
    },
    Figures {
        name: "4g.40gb",
        multiprocessors: 64,
        engines: engines(4, 4, 4, 0),
        memory_mib: 40_448,
    },
    Figures {
        name: "7g.80gb",
        multiprocessors: 132,
        engines: engines(8, 7, 7, 1),
        memory_mib: 81_152,
    },
]);

/// NVIDIA H100 80GB HBM3.
pub static H100_80GB_HBM3: Product = Product {
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
    gi_profiles: &PROFILES,
};
