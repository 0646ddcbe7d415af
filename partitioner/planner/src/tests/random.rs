//! Random synthetic grids, weights, pins and wishes against exhaustive search.

use kerf_types::{Bytes, Engines, Placement, Profile, ProfileId};
use proptest::prelude::*;

use super::check_against;
use crate::grid::Grid;
use crate::machine::Random;
use crate::space::{Multiset, Space};

const MOST_STATES: usize = 600;

/// A grid of up to 64 units whose profiles have any size, any starts and any engines.
fn synthetic(random: &mut Random) -> (Vec<Profile>, Engines) {
    let units = [5, 8, 12, 64][random.below(4)];
    let number =
        |random: &mut Random, most: usize| u32::try_from(random.below(most)).expect("small");
    let count = 1 + random.below(4);
    let profiles = (0..count).map(|at| {
        let size = 1 + random.below(units.min(16));
        let starts = 1 + random.below(5);
        let mut placements: Vec<Placement> = (0..starts)
            .map(|_| {
                let start = number(random, units - size + 1);
                Placement::try_new(start, u32::try_from(size).expect("small")).expect("in the grid")
            })
            .collect();
        placements.sort();
        placements.dedup();
        let id = u32::try_from(count - at).expect("small");
        Profile {
            id: ProfileId(id),
            name: format!("{id}g.{size}gb").parse().expect("a name"),
            slices: id,
            memory: Bytes(0),
            sm_count: 0,
            engines: Engines {
                decoder: number(random, 3),
                ofa: number(random, 2),
                ..Engines::default()
            },
            max_count: 1 + number(random, 4),
            placements,
            full_compute_profile: Some(ProfileId(0)),
            compute: Vec::new(),
        }
    });
    let profiles: Vec<Profile> = profiles.collect();
    // Every profile fits at its maximum count, which is what the checker takes for granted.
    let most = |kind: fn(&Engines) -> u32| {
        profiles
            .iter()
            .map(|one| kind(&one.engines) * one.max_count)
            .max()
            .unwrap_or(0)
    };
    let (decoder, ofa) = (most(|engines| engines.decoder), most(|engines| engines.ofa));
    (
        profiles,
        Engines {
            decoder,
            ofa,
            ..Engines::default()
        },
    )
}

/// A multiset that exists, or one that is near to it.
fn wish(random: &mut Random, space: &Space) -> Multiset {
    let all: Vec<&Multiset> = space.by_multiset.keys().collect();
    let mut wish = all[random.below(all.len())].clone();
    if random.below(3) == 0 {
        let profile = &space.profiles[random.below(space.profiles.len())];
        *wish.entry(profile.id).or_default() += 1;
    }
    wish
}

fn check_seed(seed: u64) {
    let mut random = Random(seed);
    let (profiles, capacity) = synthetic(&mut random);
    let Some(space) = Space::new(&profiles, Some(capacity), MOST_STATES) else {
        return;
    };
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    assert_eq!(Grid::with_capacity(&profiles, capacity).as_ref(), Ok(&grid));
    for _ in 0..8 {
        let state = &space.states[random.below(space.states.len())];
        let weigh = |_: &_| {
            let weight = [0, 1, 1, 2, 5][random.below(5)];
            (weight, random.below(6) == 0)
        };
        let weights: Vec<(u64, bool)> = state.iter().map(weigh).collect();
        let want = wish(&mut random, &space);
        check_against(&space, &grid, state, &weights, &want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_grids_are_planned_optimally(seed in any::<u64>()) {
        check_seed(seed);
    }
}

/// Weights and pins on a real grid: seeds that are the same in every run.
#[test]
fn weights_and_pins_of_an_a100_are_planned_optimally() {
    let profiles = super::profiles("a100-80gb");
    let space = Space::new(&profiles, None, 10_000).expect("a small space");
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let mut random = Random(11);
    for _ in 0..1_000 {
        let state = &space.states[random.below(space.states.len())];
        let weigh = |_: &_| {
            (
                u64::try_from(random.below(4)).expect("small"),
                random.below(4) == 0,
            )
        };
        let weights: Vec<(u64, bool)> = state.iter().map(weigh).collect();
        let want = wish(&mut random, &space);
        check_against(&space, &grid, state, &weights, &want);
    }
}
