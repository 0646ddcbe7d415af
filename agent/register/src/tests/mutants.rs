//! A register that breaks one rule is caught by the runs that find nothing wrong with the real one.

use super::cases;
use super::random::{run, run_exchanges};
use crate::Faults;

/// Runs of which one must show that a rule is broken.
const RUNS: u64 = 10_000;

/// The first run that shows one of these.
fn caught<F: Faults>(like: &[&str]) {
    for seed in 0..RUNS {
        let found = if seed % 2 == 0 {
            run::<F>(seed / 2).violations
        } else {
            run_exchanges::<F>(seed / 2).violations
        };
        if let Some(first) = found
            .iter()
            .find(|text| like.iter().any(|one| text.starts_with(one)))
        {
            println!("seed {seed}: {first}");
            return;
        }
    }
    panic!("not caught in {RUNS} runs");
}

macro_rules! mutants {
    ($($test:ident $name:ident $fault:ident $like:expr;)*) => {$(
        #[derive(Debug)]
        struct $name;

        impl Faults for $name {
            const $fault: bool = true;
        }

        #[test]
        fn $test() {
            caught::<$name>(&$like);
        }
    )*};
}

/// Two truths, or one that was told and is gone.
const WRONG: [&str; 4] = ["split", "went back", "lost", "twice"];

mutants! {
    answering_before_it_is_durable_is_caught Hasty SEND_BEFORE_PERSISTED WRONG;
    promising_below_a_promise_is_caught Promising PROMISE_LOWER WRONG;
    accepting_below_a_promise_is_caught Accepting ACCEPT_LOWER WRONG;
    proposing_ones_own_state_is_caught Selfish OWN_STATE WRONG;
    one_promise_is_caught Lonely FEW_PROMISES WRONG;
    one_acceptance_is_caught Boasting FEW_ACCEPTED WRONG;
    a_ballot_that_is_used_twice_is_caught Repeating FORGET_BALLOT WRONG;
    two_proposals_under_one_ballot_are_caught Doubling SAME_BALLOT WRONG;
    a_change_without_a_comparison_is_caught Careless NO_COMPARE WRONG;
    answering_for_a_lost_store_is_caught Lying ANSWER_FOR_LOST WRONG;
    an_exchange_in_one_step_is_caught Jumping NO_JOINT WRONG;
    a_step_on_one_that_is_not_chosen_is_caught Guessing STEP_UNKNOWN WRONG;
    beginning_without_a_ticket_is_caught Revenant NO_TICKET ["revived"];
    forgetting_early_is_caught Forgetful FORGET_EARLY ["revived"];
    forgetting_before_former_replicas_know_is_caught Ungrateful FORGET_FORMER ["revived"];
}

#[derive(Debug)]
struct Unranked;

impl Faults for Unranked {
    const SAME_ERA: bool = true;
}

#[test]
fn a_force_that_does_not_outrank_the_old_set_is_caught() {
    assert!(!cases::old_majority_returns::<Unranked>());
}
