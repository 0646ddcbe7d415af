//! RTX PRO 6000 Blackwell Server Edition 96 GB: four compute slices on a grid of twelve units, and
//! the only product here with video encoders. Profiles from two dumps that agree.

use super::super::product::{Architecture, Clocks, NvLink, Power, Product, Thermal};
use super::super::profile::{Engines, GiProfile, Media};
use super::shape::{FourSlices, Share, WHOLE};

/// The driver's order is derived: as the 7+8 family, from the upper half down.
const GRID: FourSlices = FourSlices {
    quarter: Share {
        size: 3,
        starts: &[0, 3, 6, 9],
        order: &[6, 9, 0, 3],
        multiprocessors: 46,
        memory_mib: 24_192,
    },
    half: Share {
        size: 6,
        starts: &[0, 6],
        order: &[6, 0],
        multiprocessors: 94,
        memory_mib: 48_512,
    },
    whole: Share {
        size: 12,
        starts: WHOLE,
        order: WHOLE,
        multiprocessors: 188,
        memory_mib: 97_280,
    },
};

/// As many decoders as encoders and JPEG decoders.
const fn engines(copy: u32, video: u32, ofa: u32) -> Engines {
    Engines {
        copy,
        decoder: video,
        encoder: video,
        jpeg: video,
        ofa,
    }
}

const PROFILES: [GiProfile; 11] = [
    GRID.quarter((0, 14), "1g.24gb", 4, engines(1, 1, 0)),
    GRID.quarter((7, 21), "1g.24gb+me", 1, engines(1, 1, 1)),
    GRID.quarter((10, 47), "1g.24gb+gfx", 4, engines(1, 1, 0)),
    GRID.quarter((15, 65), "1g.24gb+me.all", 1, engines(1, 4, 1)),
    GRID.quarter((13, 67), "1g.24gb-me", 4, engines(1, 0, 0)),
    GRID.half((1, 5), "2g.48gb", 2, engines(2, 2, 0)),
    GRID.half((11, 35), "2g.48gb+gfx", 2, engines(2, 2, 0)),
    GRID.half((16, 64), "2g.48gb+me.all", 1, engines(2, 4, 1)),
    GRID.half((14, 66), "2g.48gb-me", 2, engines(2, 0, 0)),
    GRID.whole((3, 0), "4g.96gb", engines(4, 4, 1)),
    GRID.whole((12, 32), "4g.96gb+gfx", engines(4, 4, 1)),
];

/// NVIDIA RTX PRO 6000 Blackwell Server Edition.
pub static RTX_PRO_6000_SERVER: Product = Product {
    name: "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    architecture: Architecture::Blackwell,
    compute_capability: (12, 0),
    device_id: 0x2BB5_10DE,
    subsystem_id: 0x204E_10DE,
    vbios: "98.02.5F.00.01",
    board_part_number: "900-2G153-0000-000",
    inforom_image: "G153.0210.00.04",
    inforom_oem: "2.1",
    inforom_ecc: "7.16",
    memory_mib: 97_887,
    reserved_kib: 655_360,
    slice_overhead_kib: 8_576,
    bar1_mib: 131_072,
    bar1_slice_kib: 4_222_976,
    power: Power {
        idle_mw: 32_000,
        full_mw: 570_000,
        min_limit_mw: 300_000,
        max_limit_mw: 600_000,
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
        idle: 180,
        max: 2_430,
        memory: 12_481,
        video_idle: 600,
        video_max: 2_145,
    },
    nvlink: NvLink {
        links: 0,
        version: 0,
        speed_mbps: 0,
    },
    multiprocessors: 188,
    multiprocessors_per_slice: 46,
    cores: 24_064,
    memory_bus_bits: 512,
    remap_banks: 256,
    pcie_generation: 5,
    mig_query_without_mode: true,
    max_mig_devices: 4,
    memory_slices: 12,
    compute_slices: 4,
    media: Media {
        decoder: 4,
        encoder: 4,
        jpeg: 4,
        ofa: 1,
    },
    gi_profiles: &PROFILES,
    other_memory: &[
        (14, 23_680),
        (21, 23_680),
        (47, 23_680),
        (65, 23_680),
        (67, 23_680),
        (0, 97_408),
        (32, 97_408),
    ],
    uneven_mib: 0,
};
