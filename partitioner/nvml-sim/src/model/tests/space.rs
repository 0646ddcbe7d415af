//! The state space of every grid, enumerated through the model's own rules.

use std::collections::BTreeSet;

use super::*;

/// Every profile of the product.
fn all(name: &str) -> Vec<u32> {
    let product = machine(name).product().expect("a product");
    product
        .gi_profiles
        .iter()
        .map(|profile| profile.id)
        .collect()
}

#[test]
fn the_state_space_has_the_size_that_others_count() {
    // 298 with the five base profiles, 723 with double memory, 2319 with all seven.
    let base = [19, 14, 9, 5, 0];
    let double = [19, 15, 14, 9, 5, 0];
    for name in ["a100x1", "h100x1"] {
        assert_eq!(reachable(name, &base), (298, 38), "{name}");
        assert_eq!(reachable(name, &double), (723, 78), "{name}");
    }
    // Media engines take nothing away from the 7+8 family.
    for name in [
        "a100-40x8",
        "a100x1",
        "h100x1",
        "h100nvl-94x4",
        "h200x8",
        "b200x8",
        "gb200x4",
        "gh200x1",
        "gh200-144x1",
        "b300x8",
        "gb300x4",
    ] {
        assert_eq!(reachable(name, &all(name)), (2_319, 128), "{name}");
    }
}

#[test]
fn media_engines_bound_the_grids_of_four_slices() {
    // 84 and 1,249 states if the engines were without end.
    assert_eq!(reachable("a30x4", &all("a30x4")), (76, 20));
    assert_eq!(reachable("a30x4", &[14, 5, 0]), (26, 10));
    let blackwell = "rtxpro6000x4";
    assert_eq!(reachable(blackwell, &all(blackwell)), (717, 115));
}

/// Placed states that explicit creation reaches, the empty one included, and their multisets of
/// profiles.
fn reachable(name: &str, profiles: &[u32]) -> (usize, usize) {
    let product = machine(name).product().expect("a product");
    let mut start = mig_machine(name);
    start.gpus.truncate(1);
    let mut seen = BTreeSet::from([Vec::new()]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        for &id in profiles {
            for &start in product.gi_profile(id).expect("a profile").starts {
                let mut next = state.clone();
                if create(&mut next, id, Some(start)).is_err() {
                    continue;
                }
                next.events.clear();
                let instances = next.gpus[0].instances.iter();
                let mut key: Vec<(u32, u32)> = instances.map(|gi| (gi.start, gi.profile)).collect();
                key.sort_unstable();
                if seen.insert(key) {
                    open.push(next);
                }
            }
        }
    }
    let multisets: BTreeSet<Vec<u32>> = seen
        .iter()
        .map(|state| {
            let mut profiles: Vec<u32> = state.iter().map(|(_, profile)| *profile).collect();
            profiles.sort_unstable();
            profiles
        })
        .collect();
    (seen.len(), multisets.len())
}
