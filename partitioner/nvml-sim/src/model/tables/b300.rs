//! B300 SXM and GB300, the GPU of a Grace Blackwell Ultra board. Names of the profiles from the configurations of
//! mig-parted; all memory is derived from the 7g downwards, and the rest from a B200 and a GB200.

use super::super::product::{Power, Product};
use super::super::profile::GiProfile;
use super::shape::{family, since_hopper};
use super::{b200, gb200};

const PROFILES_B300: [GiProfile; 7] = family(
    since_hopper(2),
    b200::MULTIPROCESSORS,
    [
        ("1g.34gb", 34_076),
        ("1g.34gb+me", 34_076),
        ("1g.67gb", 68_408),
        ("2g.67gb", 68_408),
        ("3g.135gb", 137_072),
        ("4g.135gb", 137_072),
        ("7g.269gb", 274_400),
    ],
);

const PROFILES_GB300: [GiProfile; 7] = family(
    since_hopper(2),
    gb200::MULTIPROCESSORS,
    [
        ("1g.35gb", 35_216),
        ("1g.35gb+me", 35_216),
        ("1g.70gb", 70_688),
        ("2g.70gb", 70_688),
        ("3g.139gb", 141_632),
        ("4g.139gb", 141_632),
        ("7g.278gb", 283_520),
    ],
);

/// NVIDIA B300.
pub static B300: Product = Product {
    name: "NVIDIA B300 SXM6 AC",
    compute_capability: (10, 3),
    device_id: 0x3182_10DE,
    subsystem_id: 0x20E6_10DE,
    vbios: "97.10.4A.00.06",
    board_part_number: "692-2G537-0240-000",
    inforom_image: "G537.0240.00.03",
    memory_mib: 275_040,
    power: Power {
        idle_mw: 170_000,
        full_mw: 1_030_000,
        min_limit_mw: 200_000,
        max_limit_mw: 1_100_000,
    },
    gi_profiles: &PROFILES_B300,
    other_memory: &[],
    ..b200::RECORD
};

/// NVIDIA GB300.
pub static GB300: Product = Product {
    name: "NVIDIA GB300",
    compute_capability: (10, 3),
    device_id: 0x31C2_10DE,
    subsystem_id: 0x21F1_10DE,
    vbios: "97.10.4B.00.04",
    board_part_number: "692-2G548-0321-000",
    inforom_image: "G548.0301.00.06",
    memory_mib: 284_208,
    power: Power {
        idle_mw: 180_000,
        full_mw: 1_320_000,
        min_limit_mw: 200_000,
        max_limit_mw: 1_400_000,
    },
    gi_profiles: &PROFILES_GB300,
    ..gb200::RECORD
};
