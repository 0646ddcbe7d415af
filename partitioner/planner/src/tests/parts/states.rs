//! Every state of whole and divided instances, and the best of them by looking at all: plain loops that share
//! no code with the planner.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{CiId, ComputeInstance, GiId, Gpu, GpuInstance, Placement, Profile, ProfileId};

use super::super::{Grid, Space};
use crate::families::{some_profiles, without_engines};
use crate::machine;
use crate::space::State;

/// A slice: a whole instance, or a part of one.
pub type Slice = (Placement, ProfileId, Option<Placement>);
/// Everything on a GPU.
pub type Slices = BTreeSet<Slice>;

/// Every state of whole and divided instances.
pub struct DividedSpace {
    pub profiles: Vec<Profile>,
    pub grid: Grid,
    pub states: Vec<Slices>,
    pub by_target: BTreeMap<Key, Vec<usize>>,
    pub room: BTreeMap<State, (u32, u32)>,
}

pub type Key = BTreeMap<(ProfileId, Option<u8>), u32>;

pub fn key(slices: &Slices) -> Key {
    let mut key = Key::new();
    for (_, profile, part) in slices {
        let size = part.map(|part| part.size);
        *key.entry((*profile, size)).or_default() += 1;
    }
    key
}

/// The GPU instances alone.
pub fn shape(slices: &Slices) -> State {
    let shape: BTreeSet<_> = slices
        .iter()
        .map(|(at, profile, _)| (*at, *profile))
        .collect();
    shape.into_iter().collect()
}

/// Every way to fill an instance: whole, or with some parts.
fn fillings(profile: &Profile) -> Vec<Vec<Option<Placement>>> {
    let parts = profile.parts();
    let places: Vec<Placement> = parts
        .iter()
        .flat_map(|part| part.placements.clone())
        .collect();
    let mut out = vec![vec![None]];
    for set in 1_u32..1 << places.len() {
        let chosen: Vec<Placement> = (0..places.len())
            .filter(|at| set & (1 << at) != 0)
            .map(|at| places[at])
            .collect();
        let slices: Vec<u8> = chosen.iter().flat_map(|one| one.start..one.end()).collect();
        let distinct: BTreeSet<&u8> = slices.iter().collect();
        if distinct.len() == slices.len() {
            out.push(chosen.into_iter().map(Some).collect());
        }
    }
    out
}

impl DividedSpace {
    pub fn new(family: &str, ids: &[u32]) -> Self {
        let profiles = without_engines(some_profiles(family, ids));
        let grid = Grid::from_profiles(&profiles).expect("a grid");
        let space = Space::new(&profiles, None, 10_000).expect("a small space");
        let mut states = Vec::new();
        for shape in &space.states {
            let mut some = vec![Slices::new()];
            for (at, id) in shape {
                let profile = profiles.iter().find(|one| one.id == *id).expect("known");
                let mut next = Vec::new();
                for filling in fillings(profile) {
                    for state in &some {
                        let own = filling.iter().map(|part| (*at, *id, *part));
                        next.push(state.iter().copied().chain(own).collect());
                    }
                }
                some = next;
            }
            states.extend(some);
        }
        let mut by_target: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, state) in states.iter().enumerate() {
            by_target.entry(key(state)).or_default().push(at);
        }
        let room = space.states.into_iter().zip(space.room).collect();
        Self {
            profiles,
            grid,
            states,
            by_target,
            room,
        }
    }

    /// The least weight that goes on the way to `want`, and the most room that such a state leaves; among the
    /// states that keep what is pinned and divide the fewest instances.
    pub fn best(&self, from: &[(Slice, u64, bool)], want: &Key) -> Option<(u64, (u32, u32))> {
        let all = self.by_target.get(want)?.iter().map(|at| &self.states[*at]);
        let all: Vec<&Slices> = all
            .filter(|state| {
                from.iter()
                    .all(|(one, _, pinned)| !pinned || state.contains(one))
            })
            .collect();
        let fewest = all.iter().map(|state| shape(state).len()).min()?;
        let rank = |state: &&&Slices| {
            let gone = from.iter().filter(|(one, _, _)| !state.contains(one));
            let cost: u64 = gone.map(|(_, weight, _)| weight).sum();
            (cost, Reverse(self.room[&shape(state)]))
        };
        let few = all.iter().filter(|state| shape(state).len() == fewest);
        few.map(|state| rank(&state))
            .min()
            .map(|(cost, room)| (cost, room.0))
    }
}

/// A GPU that holds these slices.
pub fn holding(profiles: &[Profile], slices: &Slices) -> Gpu {
    let mut gpu = machine::gpu(0, profiles);
    for (at, profile) in shape(slices) {
        let gi = GiId(u32::try_from(gpu.instances.len()).expect("few"));
        let full = gpu
            .profile(profile)
            .and_then(|one| one.full_compute_profile);
        let table = gpu.profile(profile).expect("known").parts();
        let parts = slices.iter().filter(|one| (one.0, one.1) == (at, profile));
        let compute = (0..).zip(parts).map(|(ci, (_, _, part))| ComputeInstance {
            id: CiId(ci),
            profile: match part {
                None => full.expect("a filling profile"),
                Some(part) => {
                    let row = table.iter().find(|row| row.slices == part.size);
                    row.expect("known").id
                }
            },
            placement: *part,
            uuid: format!("MIG-{gi}-{ci}").parse().expect("a UUID"),
            capability_minor: None,
        });
        let compute = compute.collect();
        gpu.instances.push(GpuInstance {
            id: gi,
            profile,
            placement: at,
            capability_minor: None,
            compute,
        });
    }
    gpu
}

impl DividedSpace {
    pub fn wants(&self) -> impl Iterator<Item = &Key> {
        self.by_target.keys()
    }
}
