//! vGPU types of the products that have some, as data with its source.
//!
//! From the reference: names of MIG-backed types are `H200X-1-18C` (board, compute slices, memory), all names begin
//! with the vendor's, one GPU instance carries one MIG-backed vGPU. Derived, since no table was found: a time-sliced
//! type is a GPU's memory divided by 1, 2, 4, 8 or 16, rounded down; a MIG-backed type exists for each profile without
//! attributes; numbers run from [`FIRST_ID`] in that order; the A100's board is called as the H200's.

use crate::model::product::{Architecture, Product};
use crate::model::spec::MachineSpec;

/// Number of the first type.
const FIRST_ID: u32 = 1_200;
/// Parts into which a GPU's time and memory are divided, and units in which placements are counted: the most parts.
pub const UNITS: u32 = 16;
const PARTS: [u32; 5] = [1, 2, 4, 8, UNITS];

/// Machines on which the driver for vGPU hosts runs, with what the types of their boards are called.
const HOSTS: [(&str, &str); 2] = [("a100-40x8", "A100X"), ("h200x8", "H200X")];

/// How the driver offers vGPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Framework {
    /// Mediated devices of the GPU itself: before Ampere.
    MdevOnGpu,
    /// Mediated devices, one of each virtual function: Ampere.
    MdevOnFunction,
    /// The vendor-specific VFIO framework: after Ampere, with vGPU 17 and Linux 6.8.
    Vfio,
}

/// A vGPU type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VgpuType {
    /// Its number.
    pub id: u32,
    /// Its name, with spaces.
    pub name: String,
    /// Memory that a guest sees.
    pub memory_mib: u64,
    /// How many a GPU can have at once.
    pub most: u32,
    /// Units of the GPU's memory that it takes; 0 for one that lies in a GPU instance.
    pub units: u32,
    /// The profile of the GPU instance that carries it.
    pub gi_profile: Option<u32>,
}

/// The framework of a machine, if its driver offers vGPUs.
#[must_use]
pub fn framework(spec: &MachineSpec) -> Option<Framework> {
    board(spec)?;
    Some(match spec.nvidia()?.architecture {
        Architecture::Ampere => Framework::MdevOnFunction,
        Architecture::Hopper | Architecture::Blackwell => Framework::Vfio,
    })
}

/// The types of a machine's GPUs, by number.
#[must_use]
pub fn types(spec: &MachineSpec) -> Vec<VgpuType> {
    let (Some(board), Some(product)) = (board(spec), spec.nvidia()) else {
        return Vec::new();
    };
    let gib = product.memory_mib.div_ceil(1_024);
    let shared = PARTS.map(|parts| VgpuType {
        id: 0,
        name: format!("NVIDIA {board}-{}C", gib / u64::from(parts)),
        memory_mib: gib / u64::from(parts) * 1_024,
        most: parts,
        units: UNITS / parts,
        gi_profile: None,
    });
    let all = shared.into_iter().chain(backed(board, product));
    (FIRST_ID..)
        .zip(all)
        .map(|(id, one)| VgpuType { id, ..one })
        .collect()
}

/// MIG-backed types.
fn backed(board: &str, product: &'static Product) -> impl Iterator<Item = VgpuType> {
    let plain = product.gi_profiles.iter();
    let plain = plain.filter(|profile| !profile.name.contains(['+', '-']));
    plain.map(move |profile| {
        let gib = profile.name.split('.').next_back().unwrap_or_default();
        let gib = gib.trim_end_matches("gb");
        VgpuType {
            id: 0,
            name: format!("NVIDIA {board}-{}-{gib}C", profile.slices),
            memory_mib: profile.memory_mib,
            most: profile.max_count,
            units: 0,
            gi_profile: Some(profile.id),
        }
    })
}

fn board(spec: &MachineSpec) -> Option<&'static str> {
    let mut hosts = HOSTS.iter();
    hosts
        .find(|(name, _)| *name == spec.name)
        .map(|(_, board)| *board)
}
