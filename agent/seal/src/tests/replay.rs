//! No counter is taken twice, whatever the order, the number of senders and the lives.

use std::collections::BTreeSet;

use kerf_membership::OpenError;
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

use super::{handle, header, open, seal, sealer};
use crate::AeadSealer;
use crate::replay::{WINDOW, Window};

proptest! {
    /// Against a set of all that was taken.
    #[test]
    fn the_window_is_a_set_with_an_end(
        start in prop_oneof_start(),
        steps in prop::collection::vec((-2_000_i64..2_000, any::<bool>()), 1..400),
    ) {
        let mut window = Window::new();
        let (mut taken, mut highest, mut at) = (BTreeSet::new(), 0_u64, start);
        for (step, small) in steps {
            let step = if small { step % 5 } else { step };
            at = at.saturating_add_signed(step).max(1);
            let expected = if at > highest {
                Ok(())
            } else if highest - at >= WINDOW {
                Err(OpenError::TooOld)
            } else if taken.contains(&at) {
                Err(OpenError::Replayed)
            } else {
                Ok(())
            };
            prop_assert_eq!(window.check(at), expected, "{} after {}", at, highest);
            if expected.is_ok() {
                window.accept(at);
                taken.insert(at);
                highest = highest.max(at);
            }
        }
    }

    /// Datagrams of one sender, shuffled and doubled: each body comes out once.
    #[test]
    fn reordered_and_doubled_datagrams_come_once(
        order in prop::collection::vec(0..300_usize, 1..900),
    ) {
        let mut theirs = sealer(1);
        let datagrams: Vec<_> = (0..300_u32)
            .map(|at| seal(&mut theirs, &header(5, 1), &at.to_be_bytes()))
            .collect();
        let mut mine = sealer(1);
        let mut seen = BTreeSet::new();
        for at in order {
            let outcome = open(&mut mine, &datagrams[at]);
            prop_assert_eq!(outcome.is_ok(), seen.insert(at));
        }
    }
}

/// From the first counter, from the middle, and near the last.
fn prop_oneof_start() -> impl proptest::strategy::Strategy<Value = u64> {
    prop::sample::select(vec![1, 63, 64, 1_000, 1 << 40, u64::MAX - 3_000, u64::MAX])
}

#[test]
fn what_is_behind_the_window_is_refused_unseen() {
    let (mut theirs, mut mine) = (sealer(1), sealer(1));
    let mut all: Vec<_> = (0..=WINDOW)
        .map(|_| seal(&mut theirs, &header(5, 1), b"body"))
        .collect();
    let newest = all.pop().expect("there are many");
    open(&mut mine, &newest).expect("the newest");
    assert_eq!(open(&mut mine, &all[0]), Err(Some(OpenError::TooOld)));
    for late in &all[1..] {
        open(&mut mine, late).expect("within the window");
    }
    for again in &all[1..] {
        assert_eq!(open(&mut mine, again), Err(Some(OpenError::Replayed)));
    }
}

#[test]
fn after_a_later_life_nothing_of_an_earlier_one_is_taken() {
    let mut mine = sealer(1);
    let mut first = sealer(1);
    let old: Vec<_> = (0..5)
        .map(|_| seal(&mut first, &header(5, 1), b"old"))
        .collect();
    open(&mut mine, &old[0]).expect("it lives");
    let new = seal(&mut sealer(1), &header(5, 2), b"new");
    open(&mut mine, &new).expect("its next life counts from 1 again");
    for late in &old {
        assert_eq!(open(&mut mine, late), Err(Some(OpenError::EarlierLife)));
    }
    // A renewal is the same life of the process: its counter goes on, and so does the window.
    let mut renewed = header(5, 2);
    renewed.life.renewal = 1;
    let mut again = sealer(1);
    let same_counter = seal(&mut again, &renewed, b"new");
    assert_eq!(
        open(&mut mine, &same_counter),
        Err(Some(OpenError::Replayed))
    );
}

/// More senders than are remembered: memory stays bounded, and of whoever is forgotten no replay is taken.
#[test]
fn forgotten_senders_leave_a_mark_that_no_replay_passes() {
    let mut mine = AeadSealer::with_limits(handle(1), 8, 20);
    let mut recorded = Vec::new();
    for sender in 1..=20 {
        let mut theirs = sealer(1);
        let two = [(); 2].map(|()| seal(&mut theirs, &header(sender, 3), b"body"));
        open(&mut mine, &two[1]).expect("a new sender");
        let earlier = seal(&mut sealer(1), &header(sender, 2), b"body");
        let next = seal(&mut theirs, &header(sender, 3), b"next");
        recorded.push((two, earlier, next));
        let (senders, marks) = mine.sizes();
        assert!(senders <= 8 && senders + marks <= 20, "{senders} {marks}");
    }
    let newcomer = seal(&mut sealer(1), &header(21, 1), b"body");
    assert_eq!(open(&mut mine, &newcomer), Err(Some(OpenError::Full)));
    for (two, earlier, _) in &recorded {
        let replayed = open(&mut mine, &two[1]);
        assert!(
            matches!(replayed, Err(Some(OpenError::Replayed | OpenError::TooOld))),
            "{replayed:?}"
        );
        assert_eq!(open(&mut mine, earlier), Err(Some(OpenError::EarlierLife)));
    }
    for (two, _, next) in &recorded {
        open(&mut mine, next).expect("who is known goes on");
        assert!(open(&mut mine, &two[1]).is_err());
        assert!(open(&mut mine, next).is_err());
    }
    assert_eq!(mine.sizes().0 + mine.sizes().1, 20);
}
