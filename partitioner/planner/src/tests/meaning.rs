//! Rules that say at least, fill, where, and by force: what they come to, and that it is checked.

use std::collections::BTreeMap;

use kerf_types::ProfileName;
use kerf_types::layout::{GpuSelector, LayoutRule};

use super::host::{World, rule};
use super::wishes::{at_least, check, first, holds, name, places, shown};
use super::{holding, id, multiset_of, profiles};
use crate::check::Violation;
use crate::grid::Grid;
use crate::host::{HostPlan, Use};
use crate::machine::{self, Random};
use crate::space::Space;

#[test]
fn at_least_keeps_what_else_lives_there_as_far_as_it_can() {
    check(
        &holds(at_least(&[("1g.10gb", 1)], &[]), &[(9, "0:4")]),
        "=0:4 3g.40gb, +6:1 1g.10gb",
    );
    // There are more than it wants: all stay.
    check(
        &holds(
            at_least(&[("1g.10gb", 1)], &[]),
            &[(19, "0:1"), (19, "6:1")],
        ),
        "=0:1 1g.10gb, =6:1 1g.10gb",
    );
    // What has to go is made again where there is room.
    check(
        &holds(
            at_least(&[("3g.40gb", 1)], &[]),
            &[(19, "0:1"), (19, "1:1"), (14, "4:2")],
        ),
        "=0:1 1g.10gb, =1:1 1g.10gb, +2:2 2g.20gb, -4:2 2g.20gb, +4:4 3g.40gb",
    );
    // To give one up costs less than to give three up.
    check(
        &holds(
            at_least(&[("3g.40gb", 1)], &[]),
            &[(19, "0:1"), (19, "1:1"), (14, "2:2"), (14, "4:2")],
        ),
        "=0:1 1g.10gb, =1:1 1g.10gb, =2:2 2g.20gb, -4:2 2g.20gb, +4:4 3g.40gb",
    );
    // What somebody has stays, so that the other half is cleared; what went from there comes back beside it.
    let mut leased = holds(
        at_least(&[("3g.40gb", 1)], &[]),
        &[(19, "0:1"), (19, "1:1"), (14, "4:2")],
    );
    leased.lease("4:2", Use::Leased("job 7".to_owned()));
    check(
        &leased,
        "-0:1 1g.10gb, +0:4 3g.40gb, -1:1 1g.10gb, =4:2 2g.20gb, +6:1 1g.10gb",
    );
    leased.lease("0:1", Use::Unknown);
    leased.plan().expect_err("no half is left");
}

#[test]
fn what_is_left_is_filled_in_order() {
    let exactly = |fill: &[&str]| LayoutRule {
        slices: [(name("3g.40gb"), 1)].into(),
        ..at_least(&[], fill)
    };
    // A 3g lies at 4:4 so that four of one unit fit beside it.
    check(
        &holds(exactly(&["1g.10gb"]), &[]),
        "+0:1 1g.10gb, +1:1 1g.10gb, +2:1 1g.10gb, +3:1 1g.10gb, +4:4 3g.40gb",
    );
    check(
        &holds(exactly(&["2g.20gb", "1g.10gb"]), &[]),
        "+0:2 2g.20gb, +2:2 2g.20gb, +4:4 3g.40gb",
    );
    let mut pinned = holds(exactly(&["1g.10gb"]), &[(9, "0:4")]);
    pinned.lease("0:4", Use::Leased("job 7".to_owned()));
    check(
        &pinned,
        "=0:4 3g.40gb, +4:1 1g.10gb, +5:1 1g.10gb, +6:1 1g.10gb",
    );
    check(
        &holds(
            at_least(&[("2g.20gb", 1)], &["3g.40gb"]),
            &[(14, "0:2"), (19, "2:1")],
        ),
        "=0:2 2g.20gb, =2:1 1g.10gb, +4:4 3g.40gb",
    );
}

#[test]
fn exact_places_are_brought_back_and_nothing_else_moves() {
    let wanted = places(&[("0:1", "1g.10gb"), ("2:2", "2g.20gb"), ("4:4", "3g.40gb")]);
    check(
        &holds(wanted.clone(), &[(19, "0:1"), (19, "2:1"), (9, "4:4")]),
        "=0:1 1g.10gb, -2:1 1g.10gb, +2:2 2g.20gb, =4:4 3g.40gb",
    );
    // The same multiset in other places is another thing.
    check(
        &holds(places(&[("0:1", "1g.10gb")]), &[(19, "6:1")]),
        "+0:1 1g.10gb, -6:1 1g.10gb",
    );
    let mut pinned = holds(wanted, &[(19, "2:1")]);
    pinned.lease("2:1", Use::Leased("job 7".to_owned()));
    let refusal = pinned.plan().expect_err("it is in the way");
    assert_eq!(
        refusal,
        "the layout would destroy slice 0000:10:00.0-2-1 (1g.10gb), which is leased by job 7"
    );
    let refused = |rule, expected: &str| {
        assert_eq!(holds(rule, &[]).plan().expect_err("no plan"), expected);
    };
    refused(
        places(&[("1:2", "2g.20gb")]),
        "2g.20gb cannot lie at 1:2 on GPU 0 (0000:10:00.0)",
    );
    refused(
        places(&[("0:4", "3g.40gb"), ("2:2", "2g.20gb")]),
        "the places 0:4 and 2:2 on GPU 0 (0000:10:00.0) share units",
    );
    refused(
        places(&[("0:1", "1g.10gb+me"), ("1:1", "1g.10gb+me")]),
        "the layout does not fit on GPU 0 (0000:10:00.0): 1g.10gb+me x2: at most 1 fit",
    );
}

#[test]
fn what_is_in_use_goes_only_by_its_name_and_only_where_it_must() {
    let one = rule(&[GpuSelector::Index(0)], true, &[("3g.40gb", 1)]);
    let mut world = World::new(vec![one]);
    world.lease("0:4", Use::Leased("job 7".to_owned()));
    world.lease("4:4", Use::Leased("job 8".to_owned()));
    world.plan().expect_err("both are in use");
    world.usage.forced.insert(machine::uuid(0, super::gi(0)));
    check(&world, "-0:4 3g.40gb, =4:4 3g.40gb");
    // The free one goes, though the other was given up.
    world.lease("4:4", Use::Free);
    check(&world, "=0:4 3g.40gb, -4:4 3g.40gb");
    world
        .usage
        .forced
        .insert("MIG-none".parse().expect("a MIG UUID"));
    assert_eq!(
        world.plan().expect_err("it is not here"),
        "no slice of this host has the MIG device MIG-none, which was named to be destroyed"
    );
}

#[test]
fn gpus_are_meant_by_their_model() {
    let all = |pattern: &str| {
        let model = GpuSelector::Model(pattern.to_owned());
        World::new(vec![rule(&[model], true, &[("7g.80gb", 1)])])
    };
    assert_eq!(all("Test*").plan().expect("a plan").gpus.len(), 2);
    let refusal = all("NVIDIA*").plan().expect_err("none is called so");
    assert!(refusal.starts_with("rule 1 names model \"NVIDIA*\", which is not on this host"));
    let mut sick = all("Test GPU");
    sick.gpu(1).health = kerf_types::Health::Lost {
        since: kerf_types::Timestamp(0),
    };
    let plan = sick.plan().expect("a plan for the other");
    assert_eq!((plan.gpus.len(), plan.skipped.len()), (1, 1));
}

/// Random states and rules: each plan passes the checker, what a rule came to it comes to again, and a plan with one
/// slice more or less in its target does not pass.
#[test]
fn a_rule_comes_to_the_same_again_and_a_false_reading_is_found() {
    let profiles = profiles("a100-80gb");
    let space = Space::new(&profiles, None, 10_000).expect("a small space");
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let label = |id| grid.label(id);
    let mut random = Random(3);
    let (mut planned, mut found) = (0, 0);
    for _ in 0..400 {
        let state = &space.states[random.below(space.states.len())];
        let mut numbers = BTreeMap::new();
        for _ in 0..random.below(3) {
            let profile = &profiles[random.below(profiles.len())];
            *numbers.entry(profile.name.clone()).or_insert(0) += 1;
        }
        let fill =
            (0..random.below(3)).map(|_| profiles[random.below(profiles.len())].name.clone());
        let mut fill: Vec<ProfileName> = fill.collect();
        fill.dedup();
        let mut wish = LayoutRule { fill, ..first() };
        match random.below(2) {
            0 => wish.slices = numbers,
            _ => wish.at_least = numbers,
        }
        let mut world = World::new(vec![wish.clone()]);
        *world.gpu(0) = holding(&profiles, state);
        let in_use: Vec<_> = state.iter().filter(|_| random.below(5) == 0).collect();
        for (at, _) in in_use {
            world.lease(&at.to_string(), Use::Unknown);
        }
        let Ok(plan) = world.plan() else {
            continue;
        };
        planned += 1;
        let end = super::end_state(&plan.gpus[0].plan);
        *world.gpu(0) = holding(&profiles, &end);
        let again = world.plan().expect("it is there");
        assert!(again.is_empty(), "{wish:?} on {state:?}: {}", shown(&again));
        let counts = multiset_of(&world.inventory.gpus[0]);
        assert_eq!(again.gpus[0].target, counts, "{}", label(id(0)));
        found += u32::from(is_caught(&world, &again));
    }
    assert!(planned > 150, "{planned}");
    assert!(found > 100, "{found}");
}

/// Whether a plan that takes a rule for one slice less than it did is refused; a rule that names no number means
/// none.
fn is_caught(world: &World, plan: &HostPlan) -> bool {
    let mut false_one = plan.clone();
    let change = &mut false_one.gpus[0];
    let Some((_, count)) = change.target.iter_mut().find(|(_, count)| **count > 0) else {
        return false;
    };
    *count -= 1;
    let found = world.violations(&false_one);
    assert!(!found.is_empty(), "{:?}", false_one.gpus[0].target);
    found
        .iter()
        .any(|(_, violation)| matches!(violation, Violation::Meaning { .. }))
}
