//! Grids by name and as data, and what the names of profiles mean in them.
//!
//! An inline grid may call its profiles what it likes, so names are matched here; the planner is given ids.

use std::collections::BTreeSet;
use std::rc::Rc;

use kerf_planner::GridError;
use kerf_types::{Bytes, Engines, Placement, Profile, ProfileId, ProfileName};

use super::wire;

/// Grids that are kept for later lines. Each is looked for among all, so there are not many.
const KEPT: usize = 64;

/// A grid with the names of its profiles.
#[derive(Debug)]
pub(super) struct Known {
    /// The planner's view.
    pub grid: kerf_planner::Grid,
    /// The profiles, as the checker takes them.
    pub profiles: Vec<Profile>,
    /// The media engines; `None` where nobody tells.
    pub engines: Option<Engines>,
    /// The profiles' names as they stand in the answer.
    names: Vec<(String, ProfileId)>,
    /// Whether these are the names that the planner's messages use.
    pub has_own_names: bool,
}

/// Why a grid makes no sense.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadGrid {
    /// No product is called so.
    #[error("no grid is called {name:?}; known: {known}")]
    Unknown { name: String, known: String },
    /// Too many units, or none.
    #[error("a grid has 1 to {} units, not {units}", Placement::GRID_LIMIT)]
    Units { units: u32 },
    /// A profile without a name.
    #[error("a profile has no name")]
    NoName,
    /// Two profiles of one name.
    #[error("two profiles are called {0:?}")]
    TwoProfiles(String),
    /// A place outside the grid.
    #[error("profile {name:?} cannot lie at {start} with size {size} in a grid of {units} units")]
    Place {
        name: String,
        start: u32,
        size: u32,
        units: u32,
    },
    /// Nothing can be placed.
    #[error("profile {0:?} has no start")]
    NoStart(String),
    /// The planner refuses it.
    #[error(transparent)]
    Grid(#[from] GridError),
}

/// Grids that have been asked for.
#[derive(Debug, Default)]
pub(super) struct Grids {
    kept: Vec<(wire::Grid, Rc<Known>)>,
}

impl Grids {
    /// The grid that a line means.
    pub fn get(&mut self, wanted: wire::Grid) -> Result<Rc<Known>, BadGrid> {
        if let Some((_, known)) = self.kept.iter().find(|(key, _)| *key == wanted) {
            return Ok(known.clone());
        }
        let known = match &wanted {
            wire::Grid::Named(name) => named(name)?,
            wire::Grid::Inline(inline) => self::inline(inline)?,
        };
        let known = Rc::new(known);
        if self.kept.len() >= KEPT {
            self.kept.remove(0);
        }
        self.kept.push((wanted, known.clone()));
        Ok(known)
    }
}

impl Known {
    /// The profile of a name: spelled so, or in another spelling of the same MIG name.
    pub fn id(&self, name: &str) -> Option<ProfileId> {
        let exact = self.names.iter().find(|(known, _)| known == name);
        let spelled = || {
            let name: ProfileName = name.parse().ok()?;
            let mut names = self.names.iter();
            names.find(|(known, _)| {
                known
                    .parse::<ProfileName>()
                    .is_ok_and(|known| known == name)
            })
        };
        exact.or_else(spelled).map(|(_, id)| *id)
    }

    /// The profile that a MIG name means where no GPU has one of that name: its memory figure differs
    /// between drivers. `Err` has what it could mean.
    pub fn like(&self, name: &str) -> Result<Option<ProfileId>, Vec<String>> {
        let Ok(name) = name.parse::<ProfileName>() else {
            return Ok(None);
        };
        let is_like = |known: &ProfileName| {
            let whole = name.compute_slices.is_none_or(|part| part == name.slices);
            whole && known.slices == name.slices && known.attribute == name.attribute
        };
        let alike = self
            .names
            .iter()
            .filter(|(known, _)| known.parse().is_ok_and(|known| is_like(&known)));
        match alike.collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [(_, id)] => Ok(Some(*id)),
            several => Err(several.iter().map(|(known, _)| known.clone()).collect()),
        }
    }

    /// What an answer calls a profile.
    pub fn name(&self, id: ProfileId) -> &str {
        let found = self.names.iter().find(|(_, known)| *known == id);
        found.map_or("", |(name, _)| name)
    }

    /// The profile of an id.
    pub fn profile(&self, id: ProfileId) -> Option<&Profile> {
        self.profiles.iter().find(|known| known.id == id)
    }

    fn new(
        profiles: Vec<Profile>,
        names: Vec<String>,
        engines: Option<Engines>,
    ) -> Result<Self, BadGrid> {
        let grid = match engines {
            Some(engines) => kerf_planner::Grid::with_capacity(&profiles, engines)?,
            None => kerf_planner::Grid::from_profiles(&profiles)?,
        };
        let spelled = names.iter().zip(&profiles);
        let has_own_names = spelled
            .into_iter()
            .all(|(name, one)| *name == one.name.to_string());
        Ok(Self {
            names: names
                .into_iter()
                .zip(profiles.iter().map(|one| one.id))
                .collect(),
            grid,
            profiles,
            engines,
            has_own_names,
        })
    }
}

fn named(name: &str) -> Result<Known, BadGrid> {
    let Some(spec) = nvidia_ml::grid(name) else {
        let known: Vec<&str> = nvidia_ml::grids().collect();
        let (name, known) = (name.to_owned(), known.join(", "));
        return Err(BadGrid::Unknown { name, known });
    };
    let mut profiles = Vec::with_capacity(spec.profiles.len());
    for one in spec.profiles {
        let engines = Engines {
            copy: one.engines.copy,
            decoder: one.engines.decoder,
            encoder: one.engines.encoder,
            jpeg: one.engines.jpeg,
            ofa: one.engines.ofa,
        };
        let memory = Bytes(one.memory_mib << 20);
        let shape = (one.name, one.size, one.starts);
        profiles.push(profile(
            one.id,
            shape,
            spec.units,
            one.max_count,
            engines,
            memory,
        )?);
    }
    let names = spec
        .profiles
        .iter()
        .map(|one| one.name.to_owned())
        .collect();
    let engines = Engines {
        copy: 0,
        decoder: spec.engines.decoder,
        encoder: spec.engines.encoder,
        jpeg: spec.engines.jpeg,
        ofa: spec.engines.ofa,
    };
    Known::new(profiles, names, Some(engines))
}

fn inline(inline: &wire::Inline) -> Result<Known, BadGrid> {
    if !(1..=Placement::GRID_LIMIT).contains(&inline.units) {
        let units = inline.units;
        return Err(BadGrid::Units { units });
    }
    let mut seen = BTreeSet::new();
    let mut profiles = Vec::with_capacity(inline.profiles.len());
    for (one, id) in inline.profiles.iter().zip(0..) {
        if one.name.is_empty() {
            return Err(BadGrid::NoName);
        }
        if !seen.insert(&one.name) {
            return Err(BadGrid::TwoProfiles(one.name.clone()));
        }
        let (engines, shape) = (
            owned(one.engines),
            (one.name.as_str(), one.size, &*one.starts),
        );
        profiles.push(profile(
            id,
            shape,
            inline.units,
            one.max,
            engines,
            Bytes(0),
        )?);
    }
    let names = inline.profiles.iter().map(|one| one.name.clone()).collect();
    Known::new(profiles, names, inline.engines.map(owned))
}

fn profile(
    id: u32,
    (name, size, starts): (&str, u32, &[u32]),
    units: u32,
    max_count: u32,
    engines: Engines,
    memory: Bytes,
) -> Result<Profile, BadGrid> {
    let place = |start: &u32| {
        let inside = start.checked_add(size).is_some_and(|end| end <= units);
        let place = Placement::try_new(*start, size).ok().filter(|_| inside);
        place.ok_or_else(|| BadGrid::Place {
            name: name.to_owned(),
            start: *start,
            size,
            units,
        })
    };
    let mut placements = starts
        .iter()
        .map(place)
        .collect::<Result<Vec<Placement>, _>>()?;
    if placements.is_empty() {
        return Err(BadGrid::NoStart(name.to_owned()));
    }
    placements.sort();
    placements.dedup();
    // A name that is none of MIG's stays outside: the planner's name is a stand-in.
    let known = name.parse().unwrap_or_else(|_| ProfileName {
        compute_slices: None,
        slices: 0,
        memory_gb: id,
        attribute: String::new(),
    });
    Ok(Profile {
        id: ProfileId(id),
        slices: u32::from(known.slices),
        name: known,
        memory,
        sm_count: 0,
        engines,
        max_count,
        placements,
        // Batches speak of whole GPU instances; what fills one is told by its own id.
        full_compute_profile: Some(ProfileId(id)),
        compute: Vec::new(),
    })
}

fn owned(engines: wire::Engines) -> Engines {
    Engines {
        copy: 0,
        decoder: engines.dec,
        encoder: engines.enc,
        jpeg: engines.jpeg,
        ofa: engines.ofa,
    }
}

#[cfg(test)]
mod tests;
