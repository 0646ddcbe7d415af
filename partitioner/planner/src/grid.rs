//! Placement grids: what may lie where on one GPU.
//!
//! A grid is built from what the driver told about this very GPU (or from the same facts given as data).
//! It owns the units, the legal places, the most instances of each profile and the media engines as a
//! second resource. It never knows a product by name, and never what lies on the GPU now.

use kerf_types::{
    Bytes, ComputeProfile, Engines, Placement, Profile, ProfileId, ProfileName, UnitMask,
};

mod names;

pub use names::NameError;

/// Media engines in the order of [`Grid::capacity`]: decoder, encoder, JPEG, optical flow.
pub const ENGINE_NAMES: [&str; 4] = ["decoder", "encoder", "JPEG", "optical flow"];

/// Media engines as a vector; copy engines are left out, since the driver shares them as it likes.
pub(crate) type Media = [u64; 4];

/// What may lie where on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    units: u8,
    capacity: Media,
    profiles: Vec<GridProfile>,
}

/// One profile of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridProfile {
    /// The driver's id.
    pub id: ProfileId,
    /// The name that the driver gives it.
    pub name: ProfileName,
    /// Memory of an instance.
    pub memory: Bytes,
    /// Most instances at one time.
    pub max_count: u32,
    /// Engines that an instance owns.
    pub engines: Engines,
    /// The compute instance profile that fills an instance.
    pub compute_profile: Option<ProfileId>,
    /// Compute slices of an instance.
    pub slices: u8,
    /// The compute instance profiles that make a part of an instance, told or assumed.
    pub parts: Vec<ComputeProfile>,
    /// Every legal place, by last unit and then by start: the order in which first fit packs most.
    pub placements: Vec<Placement>,
    pub(crate) media: Media,
}

impl GridProfile {
    /// The compute instance profile of so many slices, where it is not the one that fills an instance.
    pub fn part(&self, slices: u8) -> Option<&ComputeProfile> {
        self.parts.iter().find(|part| part.slices == slices)
    }

    /// Units of the smallest place; every place of a real profile has the same size.
    pub fn units(&self) -> u8 {
        self.placements
            .iter()
            .map(|place| place.size)
            .min()
            .unwrap_or(0)
    }
}

/// Why profiles do not make a grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// Nothing can be placed.
    #[error("the driver names no MIG profile that has a legal place")]
    Empty,
    /// Two profiles share an id.
    #[error("profile id {id} names both {first} and {second}")]
    DuplicateId {
        /// The id.
        id: ProfileId,
        /// The first profile with it.
        first: ProfileName,
        /// The other.
        second: ProfileName,
    },
}

impl Grid {
    /// The grid of a GPU whose driver describes these profiles.
    ///
    /// No driver tells how many media engines a GPU has to give, but it promises that `max_count` instances
    /// of a profile can live together, so the GPU has at least `max_count` times the profile's engines. The
    /// largest of these is taken: for every known product it is what the whole-GPU profile has.
    pub fn from_profiles(profiles: &[Profile]) -> Result<Self, GridError> {
        let mut capacity = Media::default();
        for profile in profiles
            .iter()
            .filter(|profile| !profile.placements.is_empty())
        {
            let all = media(&profile.engines).map(|one| one * u64::from(profile.max_count));
            capacity = zip(capacity, all, u64::max);
        }
        Self::build(profiles, capacity)
    }

    /// A grid whose media engines are known, as a benchmark or a test gives them.
    pub fn with_capacity(profiles: &[Profile], capacity: Engines) -> Result<Self, GridError> {
        Self::build(profiles, media(&capacity))
    }

    fn build(profiles: &[Profile], capacity: Media) -> Result<Self, GridError> {
        let mut out: Vec<GridProfile> = Vec::with_capacity(profiles.len());
        for profile in profiles
            .iter()
            .filter(|profile| !profile.placements.is_empty())
        {
            if let Some(first) = out.iter().find(|known| known.id == profile.id) {
                return Err(GridError::DuplicateId {
                    id: profile.id,
                    first: first.name.clone(),
                    second: profile.name.clone(),
                });
            }
            let mut placements = profile.placements.clone();
            placements.sort_by_key(|place| (place.end(), place.start));
            placements.dedup();
            out.push(GridProfile {
                id: profile.id,
                name: profile.name.clone(),
                memory: profile.memory,
                max_count: profile.max_count,
                engines: profile.engines,
                compute_profile: profile.full_compute_profile,
                slices: u8::try_from(profile.slices).unwrap_or(u8::MAX),
                parts: profile.parts(),
                placements,
                media: media(&profile.engines),
            });
        }
        // By id: plans must not depend on the order in which a driver lists its profiles.
        out.sort_by_key(|profile| profile.id);
        let units = out
            .iter()
            .flat_map(|profile| &profile.placements)
            .map(|place| place.end())
            .max();
        units
            .map(|units| Self {
                units,
                capacity,
                profiles: out,
            })
            .ok_or(GridError::Empty)
    }

    /// Number of units: one more than the last unit of any legal place.
    pub fn units(&self) -> u8 {
        self.units
    }

    /// Media engines that instances can own together, in the order of [`ENGINE_NAMES`].
    pub fn capacity(&self) -> [u64; 4] {
        self.capacity
    }

    /// The profiles, by id.
    pub fn profiles(&self) -> &[GridProfile] {
        &self.profiles
    }

    /// The profile with this driver id.
    pub fn profile(&self, id: ProfileId) -> Option<&GridProfile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }

    /// The name of a part of a profile, or of the whole; the id where the grid does not have it.
    pub fn part_label(&self, id: ProfileId, slices: u8) -> String {
        self.profile(id).map_or_else(
            || format!("{slices} slices of profile {id}"),
            |profile| profile.name.part(Some(slices)).to_string(),
        )
    }

    /// The name of a profile, or its id where the grid does not have it.
    pub fn label(&self, id: ProfileId) -> String {
        self.profile(id).map_or_else(
            || format!("profile {id}"),
            |profile| profile.name.to_string(),
        )
    }

    /// Most instances of `profile` that fit beside what covers `occupied`, by place alone.
    pub(crate) fn packing(profile: &GridProfile, occupied: UnitMask) -> u32 {
        // First fit by last unit is optimal for intervals (activity selection).
        let mut taken = occupied;
        let mut count = 0;
        for place in &profile.placements {
            if !taken.overlaps(place.mask()) {
                taken = taken.union(place.mask());
                count += 1;
            }
        }
        count
    }
}

fn media(engines: &Engines) -> Media {
    [engines.decoder, engines.encoder, engines.jpeg, engines.ofa].map(u64::from)
}

/// Joins two vectors element by element.
pub(crate) fn zip(a: Media, b: Media, join: impl Fn(u64, u64) -> u64) -> Media {
    let mut out = a;
    for (slot, other) in out.iter_mut().zip(b) {
        *slot = join(*slot, other);
    }
    out
}
