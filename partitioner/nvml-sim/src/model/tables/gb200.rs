//! GB200 186 GB, the GPU of a Grace Blackwell board. 1g and 2g from a `mig -lgip` dump, the rest of
//! the profiles derived; sources do not agree on the names of 1g (23 or 24 GB) and 7g (186 or 189).

use super::super::product::{Clocks, Power, Product};
use super::super::profile::GiProfile;
use super::b200;
use super::shape::{family, since_hopper};

pub(super) const MULTIPROCESSORS: [u32; 7] = [18, 18, 32, 38, 72, 76, 152];

const PROFILES: [GiProfile; 7] = family(
    since_hopper(2),
    MULTIPROCESSORS,
    [
        ("1g.24gb", 20_480),
        // Derived.
        ("1g.24gb+me", 20_480),
        ("1g.47gb", 46_592),
        ("2g.47gb", 46_592),
        // Derived, all three.
        ("3g.93gb", 93_440),
        ("4g.93gb", 93_440),
        ("7g.186gb", 187_136),
    ],
);

/// NVIDIA GB200.
pub static GB200: Product = RECORD;

/// Also what a GB300 has in common with it.
pub(super) const RECORD: Product = Product {
    name: "NVIDIA GB200",
    device_id: 0x2941_10DE,
    subsystem_id: 0x2046_10DE,
    vbios: "97.00.B9.00.69",
    board_part_number: "692-2G548-0221-000",
    inforom_image: "G548.0201.00.06",
    memory_mib: 189_471,
    reserved_kib: 640_000,
    power: Power {
        idle_mw: 160_000,
        full_mw: 1_130_000,
        min_limit_mw: 200_000,
        max_limit_mw: 1_200_000,
    },
    clocks: Clocks {
        idle: 120,
        max: 2_062,
        memory: 3_996,
        video_idle: 600,
        video_max: 1_830,
    },
    multiprocessors: 152,
    cores: 19_456,
    gi_profiles: &PROFILES,
    other_memory: &[],
    ..b200::RECORD
};
