//! A core that breaks one rule is caught by the same runs that find nothing wrong with the real one.

use super::random::run;
use super::sweep::die_at;
use super::turns;
use super::world::Network;
use crate::core::Faults;

/// Runs of which one must show that a rule is broken.
const RUNS: u64 = 400;

/// The first run that shows what begins with `like`.
fn caught(mut run: impl FnMut(u64) -> Vec<String>, like: &str) {
    for seed in 0..RUNS {
        let found = run(seed);
        if let Some(first) = found.iter().find(|text| text.contains(like)) {
            println!("run {seed}: {first}");
            return;
        }
    }
    panic!("not caught in {RUNS} runs");
}

macro_rules! mutant {
    ($name:ident, $fault:ident) => {
        #[derive(Debug)]
        struct $name;

        impl Faults for $name {
            const $fault: bool = true;
        }
    };
}

mutant!(Hasty, SEND_BEFORE_PERSISTED);
mutant!(Unbarred, SKIP_BARRIER);
mutant!(Holding, NEVER_EXPIRE);
mutant!(Twice, START_AGAIN);
mutant!(Unclosed, SKIP_CLOSE);
mutant!(Forgetful, IGNORE_HIGHEST_ATTEMPT);
mutant!(Unordered, NEVER_ORDERED);
mutant!(Spiteful, WOUND_DECIDED);
mutant!(Meek, NEVER_WOUND);
mutant!(Pushy, OVERTAKE);

#[test]
fn sending_before_it_is_durable_is_caught() {
    caught(run::<Hasty>, "I4");
}

#[test]
fn skipping_the_barrier_is_caught() {
    caught(run::<Unbarred>, "I3");
}

#[test]
fn starting_twice_is_caught() {
    caught(run::<Twice>, "I8");
}

#[test]
fn an_attempt_before_the_old_one_is_closed_is_caught() {
    caught(run::<Unclosed>, "I4");
}

#[test]
fn ignoring_the_highest_attempt_is_caught() {
    caught(run::<Forgetful>, "I8");
}

#[test]
fn a_gang_that_never_asks_in_order_is_caught() {
    caught(turns::run::<Unordered>, "I9");
}

#[test]
fn breaking_a_decided_gang_for_an_older_one_is_caught() {
    caught(turns::run_late::<Spiteful>, "I3");
}

#[test]
fn younger_gangs_that_are_not_told_to_give_way_are_caught() {
    caught(turns::run_blocked::<Meek>, "I9");
}

#[test]
fn younger_gangs_that_overtake_are_caught() {
    caught(turns::run_between::<Pushy>, "I9");
}

#[test]
fn reservations_without_end_are_caught() {
    let run = |seed: u64| {
        let died = die_at::<Holding>(seed + 1, None, Network::GOOD);
        died.err().into_iter().collect()
    };
    caught(run, "I5");
}
