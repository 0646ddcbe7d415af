//! GH200 96 GB and 144 GB, the GPU of a Grace Hopper board: an H100 with other memory. Names of the profiles from the
//! MIG User Guide and the configurations of mig-parted, 1g and 2g of the 144 GB from a `mig -lgip` dump; all other
//! memory is derived, that of the 96 GB from the 7g downwards, as for an H100 NVL.

use super::super::product::{Clocks, Power, Product};
use super::super::profile::GiProfile;
use super::h100::{MULTIPROCESSORS, RECORD_80GB};
use super::shape::{family, since_hopper};

const PROFILES_96GB: [GiProfile; 7] = family(
    since_hopper(1),
    MULTIPROCESSORS,
    [
        ("1g.12gb", 11_952),
        ("1g.12gb+me", 11_952),
        ("1g.24gb", 24_160),
        ("2g.24gb", 24_160),
        ("3g.48gb", 48_576),
        ("4g.48gb", 48_576),
        ("7g.96gb", 97_408),
    ],
);

const PROFILES_144GB: [GiProfile; 7] = family(
    since_hopper(1),
    MULTIPROCESSORS,
    [
        ("1g.18gb", 17_920),
        // Derived.
        ("1g.18gb+me", 17_920),
        ("1g.36gb", 36_096),
        ("2g.36gb", 36_096),
        // Derived, all three.
        ("3g.72gb", 72_448),
        ("4g.72gb", 72_448),
        ("7g.144gb", 145_152),
    ],
);

/// NVIDIA GH200 with 96 GB. The 480 GB of its name are the processor's.
pub static GH200_96GB: Product = RECORD_96GB;

const RECORD_96GB: Product = Product {
    name: "NVIDIA GH200 480GB",
    device_id: 0x2342_10DE,
    subsystem_id: 0x16EB_10DE,
    vbios: "96.00.A0.00.01",
    board_part_number: "692-2G530-0200-000",
    inforom_image: "G530.0200.00.05",
    memory_mib: 97_871,
    power: Power {
        idle_mw: 84_000,
        full_mw: 830_000,
        min_limit_mw: 100_000,
        max_limit_mw: 900_000,
    },
    clocks: Clocks {
        idle: 345,
        max: 1_980,
        memory: 2_619,
        video_idle: 765,
        video_max: 1_545,
    },
    memory_bus_bits: 6_144,
    gi_profiles: &PROFILES_96GB,
    ..RECORD_80GB
};

/// NVIDIA GH200 with 144 GB.
pub static GH200_144GB: Product = Product {
    name: "NVIDIA GH200 144G HBM3e",
    device_id: 0x2348_10DE,
    subsystem_id: 0x18D2_10DE,
    memory_mib: 146_331,
    reserved_kib: 600_064,
    bar1_mib: 262_144,
    bar1_slice_kib: 12_666_368,
    clocks: Clocks {
        memory: 3_201,
        ..RECORD_96GB.clocks
    },
    gi_profiles: &PROFILES_144GB,
    ..RECORD_96GB
};
