//! Crashes at every operation, and random sequences of everything that goes wrong.

use nix::errno::Errno;
use nvidia_ml::kernel::state::FaultKind;
use proptest::prelude::*;

use super::super::{Outcome, run};
use super::{Looks, Rigged, changes, machine, modes, set_fault};

#[test]
fn a_crash_at_every_operation_leaves_old_or_new_and_is_finished_by_running_again() {
    let operations = {
        let tree = machine();
        let rigged = Rigged::new(&tree);
        run(&rigged, &changes("CPX"), &mut Looks::few());
        rigged.count.get()
    };
    assert_eq!(operations, 9);
    for dead_from in 0..=operations {
        let tree = machine();
        let dies = Rigged {
            dead_from: Some(dead_from),
            ..Rigged::new(&tree)
        };
        run(&dies, &changes("CPX"), &mut Looks::few());
        let left = modes(&tree);
        assert!(left.iter().all(|mode| mode == "SPX" || mode == "CPX"));
        // What was not written by then is written now, and nothing twice.
        let old = left.iter().filter(|mode| *mode == "SPX").count();
        let outcome = run(&tree, &changes("CPX"), &mut Looks::few());
        assert_eq!(outcome, Outcome::Done { written: old }, "{dead_from}");
    }
}

/// Something that goes wrong with a transaction.
#[derive(Debug, Clone)]
enum Trouble {
    None,
    Kernel(u32, FaultKind),
    Refused(usize),
    Crash(usize),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let errno = prop_oneof![Just(1), Just(5), Just(16), Just(22), Just(28)];
    let errno = errno.prop_map(nvidia_ml::kernel::Errno::from_number);
    let kind = prop_oneof![
        errno.clone().prop_map(FaultKind::Fail),
        errno.prop_map(FaultKind::FailDone),
        Just(FaultKind::Ignore),
        (0_u32..6).prop_map(FaultKind::Delay),
    ];
    prop_oneof![
        Just(Trouble::None),
        (0_u32..3, kind).prop_map(|(gpu, kind)| Trouble::Kernel(gpu, kind)),
        (0_usize..16).prop_map(Trouble::Refused),
        (0_usize..12).prop_map(Trouble::Crash),
    ]
}

fn mode() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("SPX"), Just("DPX"), Just("QPX"), Just("CPX")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever goes wrong in whichever order, each GPU has the mode from before or the new one, and the answer
    /// says which.
    #[test]
    fn a_transaction_leaves_the_old_or_the_new(
        runs in proptest::collection::vec((mode(), trouble()), 1..6)
    ) {
        let tree = machine();
        for (mode, trouble) in runs {
            let before = modes(&tree);
            let mut rigged = Rigged::new(&tree);
            match &trouble {
                Trouble::None => {}
                Trouble::Kernel(gpu, kind) => set_fault(&tree, *gpu, *kind),
                Trouble::Refused(at) => {
                    rigged.refused.borrow_mut().insert(*at, Errno::EIO);
                }
                Trouble::Crash(at) => rigged.dead_from = Some(*at),
            }
            let outcome = run(&rigged, &changes(mode), &mut Looks::few());
            // A fault that found no write would befall the next run, which is not told of it.
            tree.kernel().clear_faults().expect("cleared");
            let after = modes(&tree);
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(after == before || after == mode, "{:?}", trouble);
            }
            match outcome {
                Outcome::Done { .. } => prop_assert!(after.iter().all(|one| one == mode)),
                Outcome::Undone { .. } => prop_assert_eq!(&before, &after),
                Outcome::Stuck { left, .. } => {
                    prop_assert!(matches!(trouble, Trouble::Crash(_) | Trouble::Refused(_)));
                    prop_assert!(!left.is_empty());
                }
            }
            let again = run(&tree, &changes(mode), &mut Looks::few());
            prop_assert!(matches!(again, Outcome::Done { .. }), "{:?}", again);
        }
    }
}
