//! H200 SXM 141 GB. Profiles from a `mig -lgip` dump, but for the memory of the 7g; the board's own
//! figures in the manner of an H100.

use super::super::product::{Clocks, Power, Product, Thermal};
use super::super::profile::GiProfile;
use super::h100::{MULTIPROCESSORS, RECORD_80GB};
use super::shape::{family, since_hopper};

const PROFILES: [GiProfile; 7] = family(
    since_hopper(1),
    MULTIPROCESSORS,
    [
        ("1g.18gb", 16_384),
        ("1g.18gb+me", 16_384),
        ("1g.35gb", 33_024),
        ("2g.35gb", 33_024),
        ("3g.71gb", 71_168),
        ("4g.71gb", 71_168),
        // Memory derived.
        ("7g.141gb", 142_592),
    ],
);

/// NVIDIA H200.
pub static H200: Product = Product {
    name: "NVIDIA H200",
    device_id: 0x2335_10DE,
    subsystem_id: 0x18BE_10DE,
    vbios: "96.00.BC.00.01",
    board_part_number: "692-2G520-0280-000",
    inforom_image: "G520.0280.00.05",
    memory_mib: 143_771,
    reserved_kib: 600_064,
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
    memory_bus_bits: 6_144,
    gi_profiles: &PROFILES,
    ..RECORD_80GB
};
