//! A core that breaks one rule is caught by the same runs that find nothing wrong with the real one.

use super::forced::{dies_while_it_forces, replaced_by_the_lost};
use super::kept::{self, Cut, Place};
use super::random::{run, run_kept};
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
mutant!(Following, IGNORE_TERM);
mutant!(Usurping, SPEAK_WITHOUT_AUTHORITY);
mutant!(Trusting, TRUST_SILENCE);
mutant!(Sparing, SPARE_OWN);
mutant!(Resuming, RESUME_UNASKED);
mutant!(Starting, START_UNCONFIRMED);
mutant!(Heeding, HEED_ANYBODY);
mutant!(Idle, NEVER_TAKE_OVER);
mutant!(Forcing, KEEP_TERM_WHEN_FORCED);
mutant!(Unvouched, NEVER_VOUCH);

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

/// The first cut that shows what begins with `like`.
fn caught_cut<F: Faults>(cut: Cut, place: Place, like: &str) {
    caught(|seed| kept::cut_off::<F>(seed, cut, place), like);
}

#[test]
fn following_a_coordinator_that_was_replaced_is_caught() {
    caught_cut::<Following>(Cut::Short, Place::Elsewhere, "ended");
}

#[test]
fn speaking_without_authority_is_caught() {
    caught_cut::<Usurping>(Cut::Whole, Place::Here, "I4");
}

#[test]
fn sparing_members_on_ones_own_host_is_caught() {
    caught_cut::<Sparing>(Cut::Whole, Place::Here, "I4");
}

#[test]
fn trusting_that_the_one_before_is_silent_is_caught() {
    caught_cut::<Trusting>(Cut::Late, Place::Here, "I4");
}

#[test]
fn heeding_one_that_was_replaced_is_caught() {
    caught_cut::<Heeding>(Cut::Half, Place::Here, "I4");
}

#[test]
fn going_on_after_a_restart_without_asking_is_caught() {
    caught(run_kept::<Resuming>, "I");
}

#[test]
fn starting_before_all_have_confirmed_to_the_successor_is_caught() {
    let run = |seed: u64| {
        let died = kept::die_at::<Starting>(seed + 1, Network::GOOD);
        died.err().into_iter().collect()
    };
    caught(run, "I3");
}

#[test]
fn a_force_that_keeps_the_term_is_caught() {
    caught(replaced_by_the_lost::<Forcing>, "I9");
}

#[test]
fn never_vouching_for_new_keepers_is_caught() {
    let run = |seed: u64| {
        let died = dies_while_it_forces::<Unvouched>(seed / 8, 4 + seed % 8);
        died.and_then(Result::err).into_iter().collect()
    };
    caught(run, "I9");
}

#[test]
fn never_taking_over_is_caught() {
    let run = |seed: u64| {
        let died = kept::die_at::<Idle>(seed + 1, Network::GOOD);
        died.err().into_iter().collect()
    };
    caught(run, "I9");
}
