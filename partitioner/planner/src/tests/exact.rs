//! Every pair of placed state and wanted multiset of a family, or every n-th where there are many.

use super::{Grid, Space, check_against, profiles};
use crate::families::{some_profiles, without_engines};
use kerf_types::{Engines, Profile};

/// What the grid thinks a GPU has.
fn engines(grid: &Grid) -> Engines {
    let count = |at: usize| u32::try_from(grid.capacity()[at]).expect("few engines");
    let [decoder, encoder, jpeg, ofa] = [0, 1, 2, 3].map(count);
    Engines {
        copy: 0,
        decoder,
        encoder,
        jpeg,
        ofa,
    }
}

fn space_of(profiles: &[Profile]) -> (Grid, Space) {
    let grid = Grid::from_profiles(profiles).expect("a grid");
    let space = Space::new(profiles, Some(engines(&grid)), 10_000).expect("a small space");
    (grid, space)
}

#[track_caller]
fn check_counts(profiles: &[Profile], states: usize, multisets: usize, maximal: usize) {
    let (_, space) = space_of(profiles);
    let found = (space.states.len(), space.by_multiset.len(), space.maximal());
    assert_eq!(found, (states, multisets, maximal));
}

/// Plans every `stride`-th pair.
fn check_pairs(profiles: &[Profile], stride: usize) {
    let (grid, space) = space_of(profiles);
    let pairs = space.states.iter().flat_map(|state| {
        space
            .by_multiset
            .keys()
            .map(move |multiset| (state, multiset))
    });
    for (state, multiset) in pairs.step_by(stride) {
        check_against(&space, &grid, state, &[], multiset);
    }
}

#[test]
fn state_spaces_have_the_known_sizes() {
    let base = [19, 14, 9, 5, 0];
    for family in ["a100-80gb", "h100-80gb"] {
        check_counts(&some_profiles(family, &base), 298, 38, 19);
        check_counts(&some_profiles(family, &[19, 14, 9, 5, 0, 15]), 723, 78, 78);
        check_counts(&profiles(family), 2319, 128, 239);
    }
    check_counts(&some_profiles("a30-24gb", &[14, 5, 0]), 26, 10, 5);
    check_counts(&without_engines(profiles("a30-24gb")), 84, 22, 21);
    check_counts(
        &without_engines(profiles("rtxpro6000-96gb")),
        1249,
        172,
        606,
    );
    let (_, space) = space_of(&profiles("rtxpro6000-96gb"));
    assert_eq!((space.states.len(), space.by_multiset.len()), (717, 115));
}

#[test]
fn every_pair_of_the_base_profiles_is_optimal() {
    check_pairs(&some_profiles("a100-80gb", &[19, 14, 9, 5, 0]), 1);
}

#[test]
fn every_pair_of_an_a30_is_optimal() {
    check_pairs(&profiles("a30-24gb"), 1);
}

/// All of them take a minute unoptimised and stand in the benchmark. These strides take some ten seconds
/// together, and are coprime to the number of multisets, so that every state and every multiset has its turn.
#[test]
fn pairs_of_all_profiles_are_optimal() {
    check_pairs(&profiles("h100-80gb"), 5);
    check_pairs(&profiles("rtxpro6000-96gb"), 3);
}
