//! Rules that say at least, fill, where, and by force, of parts of GPU instances: what they come to, and that it is
//! checked.

use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{SliceId, Spot};

use super::host::{World, rule};
use super::parts::{DividedSpace, holding, key, target};
use super::wishes::{at_least, check, first, holds, lease, name, places, refused, shown};
use crate::host::{HostPlan, Use};
use crate::machine::Random;

#[test]
fn at_least_counts_parts_and_keeps_what_else_lives_there() {
    check(
        &holds(
            at_least(&[("1c.3g.40gb", 2)], &[]),
            &[(9, "0:4"), (19, "6:1")],
        ),
        "=0:4 3g.40gb, +4:4/0:1 1c.3g.40gb, +4:4/1:1 1c.3g.40gb, -6:1 1g.10gb",
    );
    // One more goes into the instance that is divided; what is more than the least stays.
    check(
        &holds(
            at_least(&[("1c.3g.40gb", 2)], &[]),
            &[(9, "4:4/1:1"), (19, "0:1")],
        ),
        "=0:1 1g.10gb, =4:4/1:1 1c.3g.40gb, +4:4/0:1 1c.3g.40gb",
    );
    check(
        &holds(
            at_least(&[("1c.3g.40gb", 1)], &[]),
            &[(9, "4:4/0:1"), (9, "4:4/1:1"), (9, "4:4/2:1")],
        ),
        "=4:4/0:1 1c.3g.40gb, =4:4/1:1 1c.3g.40gb, =4:4/2:1 1c.3g.40gb",
    );
    // A leased part holds its half, so that the other one is cleared.
    let mut leased = holds(
        at_least(&[("3g.40gb", 1)], &[]),
        &[(9, "4:4/0:1"), (9, "4:4/2:1"), (19, "0:1")],
    );
    lease(&mut leased, "4-4-c2-1");
    check(
        &leased,
        "-0:1 1g.10gb, +0:4 3g.40gb, =4:4/0:1 1c.3g.40gb, =4:4/2:1 1c.3g.40gb",
    );
}

#[test]
fn a_part_fills_instances_until_no_more_goes_in() {
    let exactly = |slices: &[(&str, u32)], fill: &[&str]| LayoutRule {
        fill: fill.iter().map(|text| name(text)).collect(),
        ..rule(&[GpuSelector::Index(0)], true, slices)
    };
    check(
        &holds(exactly(&[("3g.40gb", 1)], &["1c.3g.40gb"]), &[(9, "0:4")]),
        "=0:4 3g.40gb, +4:4/0:1 1c.3g.40gb, +4:4/1:1 1c.3g.40gb, +4:4/2:1 1c.3g.40gb",
    );
    check(
        &holds(
            exactly(&[("3g.40gb", 1)], &["2c.3g.40gb", "1c.3g.40gb"]),
            &[(9, "0:4")],
        ),
        "=0:4 3g.40gb, +4:4/0:2 2c.3g.40gb, +4:4/2:1 1c.3g.40gb",
    );
    let mut leased = holds(
        at_least(&[], &["1c.3g.40gb"]),
        &[(9, "4:4/1:1"), (9, "0:4")],
    );
    lease(&mut leased, "4-4-c1-1");
    lease(&mut leased, "0-4");
    refused(
        &leased,
        "the layout would destroy slice 0000:10:00.0-4-4-c1-1 (1c.3g.40gb), which is leased by job 7",
    );
    leased.rules = vec![exactly(
        &[("3g.40gb", 1), ("1c.3g.40gb", 1)],
        &["1c.3g.40gb"],
    )];
    check(
        &leased,
        "=0:4 3g.40gb, =4:4/1:1 1c.3g.40gb, +4:4/0:1 1c.3g.40gb, +4:4/2:1 1c.3g.40gb",
    );
}

#[test]
fn exact_places_bring_parts_back_where_they_were() {
    // Scattered over two instances, which numbers alone would never ask for.
    let wanted = places(&[
        ("0:4/2:1", "1c.3g.40gb"),
        ("4:4/0:2", "2c.3g.40gb"),
        ("4:4/2:1", "1c.3g.40gb"),
    ]);
    check(
        &holds(wanted.clone(), &[]),
        "+0:4/2:1 1c.3g.40gb, +4:4/0:2 2c.3g.40gb, +4:4/2:1 1c.3g.40gb",
    );
    check(
        &holds(
            wanted.clone(),
            &[(9, "0:4"), (9, "4:4/0:1"), (9, "4:4/2:1")],
        ),
        "-0:4 3g.40gb, +0:4/2:1 1c.3g.40gb, =4:4/2:1 1c.3g.40gb, -4:4/0:1 1c.3g.40gb, +4:4/0:2 2c.3g.40gb",
    );
    // A part in use stays where it is wanted, and is in the way elsewhere.
    let mut leased = holds(wanted.clone(), &[(9, "4:4/0:1"), (9, "4:4/2:1")]);
    lease(&mut leased, "4-4-c2-1");
    check(
        &leased,
        "+0:4/2:1 1c.3g.40gb, =4:4/2:1 1c.3g.40gb, -4:4/0:1 1c.3g.40gb, +4:4/0:2 2c.3g.40gb",
    );
    lease(&mut leased, "4-4-c0-1");
    let in_the_way = "the layout would destroy slice 0000:10:00.0-4-4-c0-1 (1c.3g.40gb), which is leased by job 7";
    refused(&leased, in_the_way);
    leased.rules = vec![places(&[("4:4", "3g.40gb")])];
    assert!(leased.plan().expect_err("it is in use").contains("-4-4-c"));
    // Divided before, whole at the end.
    check(
        &holds(places(&[("4:4", "3g.40gb")]), &[(9, "4:4/0:1")]),
        "-4:4/0:1 1c.3g.40gb, +4:4 3g.40gb",
    );
}

#[test]
fn exact_places_that_cannot_be_are_refused() {
    let refused = |rule, expected: &str| refused(&holds(rule, &[]), expected);
    refused(
        places(&[("4:4/1:1", "3g.40gb")]),
        "3g.40gb cannot lie at 4:4/1:1 on GPU 0 (0000:10:00.0)",
    );
    refused(
        places(&[("4:4", "1c.3g.40gb")]),
        "1c.3g.40gb cannot lie at 4:4 on GPU 0 (0000:10:00.0)",
    );
    refused(
        places(&[("4:4/2:2", "2c.3g.40gb")]),
        "2c.3g.40gb cannot lie at 4:4/2:2 on GPU 0 (0000:10:00.0)",
    );
    refused(
        places(&[("4:4/0:1", "1c.3g.40gb"), ("4:4/0:2", "2c.3g.40gb")]),
        "the places 4:4/0:1 and 4:4/0:2 on GPU 0 (0000:10:00.0) share units",
    );
    refused(
        places(&[("0:4", "3g.40gb"), ("0:4/1:1", "1c.3g.40gb")]),
        "the places 0:4 and 0:4/1:1 on GPU 0 (0000:10:00.0) share units",
    );
    refused(
        places(&[("0:4/0:1", "1c.3g.40gb"), ("0:4/1:1", "1c.4g.40gb")]),
        "the places 0:4/0:1 and 0:4/1:1 on GPU 0 (0000:10:00.0) share units",
    );
}

/// A forced MIG device is one part; its siblings stay, and keep their instance where it is.
#[test]
fn a_part_goes_by_its_name_and_its_siblings_do_not() {
    let one = |slices: &[(&str, u32)]| rule(&[GpuSelector::Index(0)], true, slices);
    let mut world = holds(one(&[("1c.3g.40gb", 1)]), &[(9, "4:4/0:1"), (9, "4:4/1:1")]);
    lease(&mut world, "4-4-c0-1");
    lease(&mut world, "4-4-c1-1");
    world.plan().expect_err("both are in use");
    let uuid = world.gpu(0).instances[0].compute[1].uuid.clone();
    world.usage.forced.insert(uuid);
    check(&world, "=4:4/0:1 1c.3g.40gb, -4:4/1:1 1c.3g.40gb");
    // It was given up, yet goes only where something must.
    world.rules = vec![one(&[("1c.3g.40gb", 2)])];
    check(&world, "=4:4/0:1 1c.3g.40gb, =4:4/1:1 1c.3g.40gb");
    world.rules = vec![one(&[("3g.40gb", 2)])];
    refused(
        &world,
        "the layout would destroy slice 0000:10:00.0-4-4-c0-1 (1c.3g.40gb), which is leased by job 7",
    );
    let uuid = world.gpu(0).instances[0].compute[0].uuid.clone();
    world.usage.forced.insert(uuid);
    let plan = world.plan().expect("both were given up");
    assert_eq!(plan.cost, 2_000);
}

/// Random states and rules: each plan passes the checker, what a rule came to it comes to again, and places bring
/// every state to every other.
#[test]
fn a_rule_about_parts_comes_to_the_same_again() {
    let space = DividedSpace::new("h100-80gb", &[19, 9]);
    let names = ["1g.10gb", "3g.40gb", "1c.3g.40gb", "2c.3g.40gb"].map(name);
    let mut random = Random(7);
    let (mut planned, mut found) = (0, 0);
    for _ in 0..300 {
        let state = &space.states[random.below(space.states.len())];
        let mut wish = first();
        let numbers = match random.below(2) {
            0 => &mut wish.slices,
            _ => &mut wish.at_least,
        };
        for _ in 0..random.below(3) {
            let name = names[random.below(names.len())].clone();
            *numbers.entry(name).or_insert(0) += 1;
        }
        if random.below(2) == 0 {
            wish.fill = vec![names[random.below(names.len())].clone()];
        }
        let mut world = World::new(vec![wish.clone()]);
        *world.gpu(0) = holding(&space.profiles, state);
        let pci = world.gpu(0).pci;
        for (placement, _, compute) in state.iter().filter(|_| random.below(5) == 0) {
            let slice = SliceId {
                gpu: pci,
                placement: *placement,
                compute: *compute,
            };
            world.usage.slices.insert(slice, Use::Unknown);
        }
        let Ok(plan) = world.plan() else {
            continue;
        };
        planned += 1;
        let end = super::parts::end_state(&plan.gpus[0].plan);
        *world.gpu(0) = holding(&space.profiles, &end);
        let again = world.plan().expect("it is there");
        assert!(again.is_empty(), "{wish:?} on {state:?}: {}", shown(&again));
        let mut said = target(&key(&end));
        assert_eq!(again.gpus[0].parts, said.parts, "{wish:?} on {state:?}");
        said.whole.retain(|_, count| *count > 0);
        found += u32::from(is_caught(&world, &again));
    }
    assert!(planned > 120, "{planned}");
    assert!(found > 60, "{found}");
}

/// Whether a plan that takes a rule for one part less than it did is refused.
fn is_caught(world: &World, plan: &HostPlan) -> bool {
    let mut false_one = plan.clone();
    let parts = &mut false_one.gpus[0].parts;
    let Some((_, count)) = parts.iter_mut().find(|(_, count)| **count > 0) else {
        return false;
    };
    *count -= 1;
    let found = world.violations(&false_one);
    assert!(!found.is_empty(), "{:?}", false_one.gpus[0].parts);
    true
}

#[test]
fn places_bring_every_state_to_every_other() {
    let space = DividedSpace::new("a30-24gb", &[14, 5, 0]);
    let profile = |id| {
        space
            .profiles
            .iter()
            .find(|one| one.id == id)
            .expect("known")
    };
    let pairs = space
        .states
        .iter()
        .flat_map(|from| space.states.iter().map(move |to| (from, to)));
    let mut planned = 0;
    for (from, to) in pairs.step_by(7).filter(|(_, to)| !to.is_empty()) {
        let spots = to.iter().map(|(placement, id, compute)| {
            let (placement, compute) = (*placement, *compute);
            let name = profile(*id).name.part(compute.map(|part| part.size));
            (Spot { placement, compute }, name)
        });
        let wish = LayoutRule {
            places: Some(spots.collect()),
            ..first()
        };
        let mut world = World::new(vec![wish]);
        *world.gpu(0) = holding(&space.profiles, from);
        let plan = world.plan().expect("a plan");
        assert_eq!(super::parts::end_state(&plan.gpus[0].plan), *to);
        let lost = from.difference(to).count();
        assert_eq!(
            plan.cost,
            u64::try_from(lost).expect("few"),
            "{from:?} to {to:?}"
        );
        planned += 1;
    }
    assert!(planned > 1_000, "{planned}");
}
