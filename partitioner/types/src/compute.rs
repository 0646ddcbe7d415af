//! Compute instance profiles: into which parts a GPU instance can be divided.
//!
//! Owns the one rule of ours about hardware: what a driver is expected to say of a GPU instance that does
//! not exist yet. Never more than an assumption: what a live instance told replaces it, and the executor
//! asks the driver again before it makes a part.

use crate::ids::ProfileId;
use crate::placement::Placement;
use crate::profile::{Engines, Profile, ProfileName};

/// One compute instance profile of a GPU instance profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeProfile {
    /// The driver's id (as `nvidia-smi mig -lcip` prints it).
    pub id: ProfileId,
    /// Compute slices.
    pub slices: u8,
    /// Most compute instances of this profile in one GPU instance.
    pub max_count: u32,
    /// Streaming multiprocessors; `None` where it is assumed.
    pub sm_count: Option<u32>,
    /// Engines of the GPU instance that it shares with its siblings.
    pub engines: Engines,
    /// Every legal place in the GPU instance, in compute slices, sorted.
    pub placements: Vec<Placement>,
}

/// Id, slices and legal starts of a compute profile.
type Row = (u32, u8, &'static [u8]);

/// The compute profiles by the compute slices of the GPU instance, without the profile that fills it.
///
/// Why a table: `nvmlGpuInstanceGetComputeInstanceProfileInfo` and `…PossiblePlacements` take the handle of a
/// live GPU instance, so before the first one lives nobody can ask. Source: `nvidia-smi mig -lcipp` on the
/// family of seven compute slices (A100, H100 and later; MIG user guide, "Compute Instances"), and the ids are
/// nvml.h's `NVML_COMPUTE_INSTANCE_PROFILE_*`. If it is wrong, the executor refuses the step by the driver's
/// own list and nothing is made.
const ASSUMED: [(u32, &[Row]); 4] = [
    (2, &[(0, 1, &[0, 1])]),
    (3, &[(0, 1, &[0, 1, 2]), (1, 2, &[0])]),
    (4, &[(0, 1, &[0, 1, 2, 3]), (1, 2, &[0, 2])]),
    (
        7,
        &[
            (0, 1, &[0, 1, 2, 3, 4, 5, 6]),
            (1, 2, &[0, 2, 4]),
            (2, 3, &[0, 4]),
            (3, 4, &[0]),
        ],
    ),
];

/// What is expected of a GPU instance of so many compute slices; nothing where it is not known.
pub fn assumed(slices: u32) -> Vec<ComputeProfile> {
    let known = ASSUMED.iter().find(|(whole, _)| *whole == slices);
    let rows = known.map_or(&[][..], |(_, rows)| rows);
    rows.iter().map(|row| row_profile(*row)).collect()
}

fn row_profile((id, slices, starts): Row) -> ComputeProfile {
    let place = |start: &u8| Placement {
        start: *start,
        size: slices,
    };
    ComputeProfile {
        id: ProfileId(id),
        slices,
        max_count: u32::try_from(starts.len()).unwrap_or(u32::MAX),
        sm_count: None,
        engines: Engines::default(),
        placements: starts.iter().map(place).collect(),
    }
}

impl Profile {
    /// The compute instance profiles that make a part of an instance of this profile: those that the driver
    /// told, else those that are assumed.
    pub fn parts(&self) -> Vec<ComputeProfile> {
        let mut parts = match self.compute.as_slice() {
            [] => assumed(self.slices),
            told => told.to_vec(),
        };
        parts.retain(|part| u32::from(part.slices) < self.slices && !part.placements.is_empty());
        parts
    }
}

impl ProfileName {
    /// The name of a part of so many compute slices: `1c.3g.40gb`; `None` is the whole.
    #[must_use]
    pub fn part(&self, compute: Option<u8>) -> Self {
        Self {
            compute_slices: compute.filter(|slices| *slices != self.slices),
            ..self.clone()
        }
    }
}
