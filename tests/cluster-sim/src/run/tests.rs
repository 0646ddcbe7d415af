//! Seeds of every scenario, the mutants that must be noticed, and that a seed is a run.

use super::mutations::Kind;
use super::{MUTATIONS, Mutation, Outcome, Scenario, Setup, run};

/// Safety seeds of every test run.
const SEEDS: u64 = 1_000;

/// Seeds by which each mutation must be noticed here; the command asks for 10,000.
const MUTANT_SEEDS: u64 = 2_000;

#[track_caller]
fn holds(setup: Setup) -> Outcome {
    let outcome = run(setup);
    assert_eq!(outcome.violations, [], "{setup:?}");
    outcome
}

#[test]
fn a_thousand_safety_seeds_violate_nothing() {
    let mut sum = Outcome::default();
    for seed in 0..SEEDS {
        sum.add(holds(Setup::new(5, seed, Scenario::Safety)));
    }
    // They do something: jobs run to their end, and events happen.
    assert!(sum.jobs_submitted > SEEDS * 10, "{}", sum.jobs_submitted);
    assert!(sum.jobs_completed * 10 > sum.jobs_submitted * 7);
    assert_eq!(sum.gangs_partial_starts, 0);
}

#[test]
fn hosts_come_and_go_under_the_real_membership() {
    for seed in 0..3 {
        holds(Setup::new(8, seed, Scenario::Churn));
    }
}

#[test]
fn cuts_of_the_network_are_survived_under_the_real_membership() {
    for seed in 0..3 {
        holds(Setup::new(7, seed, Scenario::Partition));
    }
}

#[test]
fn gangs_start_all_or_none() {
    let outcome = holds(Setup::new(12, 1, Scenario::Gang));
    assert!(outcome.gangs_feasible > 20);
    assert_eq!(outcome.gangs_in_time, outcome.gangs_feasible);
}

#[test]
fn a_seed_is_a_run() {
    for scenario in [Scenario::Safety, Scenario::Churn] {
        let mut setup = Setup::new(5, 11, scenario);
        setup.trace = true;
        let (first, second) = (run(setup), run(setup));
        assert!(first.trace.len() > 1_000);
        assert_eq!(first.trace, second.trace);
    }
}

/// The first seed that shows a mutation.
fn first_seed(mutation: &'static Mutation, most: u64) -> Option<u64> {
    let hosts = match mutation.scenario {
        Scenario::Safety => 5,
        _ => 8,
    };
    (0..most).find(|seed| {
        let mut setup = Setup::new(hosts, *seed, mutation.scenario);
        setup.mutation = Some(mutation);
        let found = run(setup).violations;
        found
            .iter()
            .any(|one| mutation.notices.contains(&one.invariant))
    })
}

#[track_caller]
fn are_noticed(which: impl Fn(&Kind) -> bool) {
    for mutation in MUTATIONS.iter().filter(|one| which(&one.kind)) {
        let seed = first_seed(mutation, MUTANT_SEEDS);
        assert!(seed.is_some(), "{} is not noticed", mutation.name);
        println!("{}: seed {}", mutation.name, seed.unwrap());
    }
}

// Two tests, since together they are the longest that this crate has.
#[test]
fn every_mutation_of_the_core_is_noticed() {
    are_noticed(|kind| matches!(kind, Kind::Core(_)));
}

#[test]
fn every_mutation_of_a_host_is_noticed() {
    are_noticed(|kind| matches!(kind, Kind::Host(_)));
}

/// A member ended while the disk of its host was full, and the store was lost before that was written: nobody spoke of
/// it any more, and under `on_partition: continue` its job waited for ever.
#[test]
fn a_member_whose_owner_has_lost_its_store_hangs_no_job() {
    let seed = 864;
    holds(Setup::new(5, seed, Scenario::Safety));
    let mut setup = Setup::new(5, seed, Scenario::Safety);
    setup.mutation = super::mutations::by_name("never-ask");
    let found = run(setup).violations;
    assert!(found.iter().any(|one| one.invariant == "I9"), "{found:?}");
}

/// A question waited behind a full disk until its attempt was over: devices are promised and given back at once.
#[test]
fn a_question_that_waited_too_long_leaves_nothing() {
    holds(Setup::new(5, 15_684, Scenario::Safety));
}

/// A release came before the reservation that it ends. Its owner remembered it as one of a job that a single host keeps,
/// and from then on refused whatever was said of the job by those that keep it together.
#[test]
fn a_release_that_overtakes_its_reservation_keeps_no_job_away() {
    for seed in [251, 1_181, 2_256, 2_321, 3_004] {
        holds(Setup::new(5, seed, Scenario::Safety));
    }
}
