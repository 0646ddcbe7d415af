use std::time::Duration;

use super::{Conditions, Counts, Fabric, UNDER_WAY};
use crate::port::hardware_bytes;

const MS: Duration = Duration::from_millis(1);

fn frame(to: u8, mark: u8) -> Vec<u8> {
    let mut bytes = hardware_bytes(to).to_vec();
    bytes.extend([mark; 60]);
    bytes
}

fn all(fabric: &mut Fabric, now: Duration) -> Vec<(u8, u8)> {
    let arrived = std::iter::from_fn(|| fabric.arrived(now));
    arrived.map(|(port, bytes)| (port, bytes[6])).collect()
}

#[test]
fn frames_go_where_they_are_meant_for_and_those_for_a_group_to_all_others() {
    let mut fabric = Fabric::new(vec![1, 2, 3], 1);
    fabric.take(MS, 1, &frame(3, 7));
    fabric.take(MS, 2, &[0xff; 60]);
    fabric.take(MS, 2, &frame(9, 8));
    fabric.take(MS, 2, &frame(2, 9));
    fabric.take(MS, 2, &[1, 2]);
    let arrived = all(&mut fabric, MS);
    assert_eq!(arrived, [(3, 7), (1, 0xff), (3, 0xff)]);
}

#[test]
fn a_cut_is_of_one_direction_and_takes_what_is_under_way() {
    let mut fabric = Fabric::new(vec![1, 2], 1);
    let slow = Conditions {
        delay: 10 * MS,
        ..Conditions::default()
    };
    fabric.set(None, None, slow);
    fabric.take(MS, 1, &frame(2, 1));
    fabric.take(MS, 2, &frame(1, 2));
    assert_eq!(fabric.next(), Some(11 * MS));
    assert_eq!(all(&mut fabric, 10 * MS), []);
    let cut = Conditions {
        cut: true,
        ..Conditions::default()
    };
    fabric.set(Some(1), Some(2), cut);
    fabric.take(MS, 1, &frame(2, 3));
    assert_eq!(all(&mut fabric, 11 * MS), [(1, 2)]);
    fabric.set(None, None, Conditions::default());
    fabric.take(12 * MS, 1, &frame(2, 4));
    assert_eq!(all(&mut fabric, 12 * MS), [(2, 4)]);
    let expected = Counts {
        passed: 2,
        cut: 2,
        ..Counts::default()
    };
    assert_eq!(fabric.counts(), expected);
}

#[test]
fn as_many_are_lost_doubled_and_out_of_order_as_the_conditions_say() {
    let rough = Conditions {
        delay: 100 * MS,
        jitter: 50 * MS,
        loss_permille: 50,
        double_permille: 100,
        cut: false,
    };
    let run = |seed| {
        let mut fabric = Fabric::new(vec![1, 2], seed);
        fabric.set(Some(1), Some(2), rough);
        for mark in 0..=200 {
            for _ in 0..50 {
                fabric.take(MS, 1, &frame(2, mark));
            }
        }
        let first = fabric.next().expect("frames are under way");
        (first, all(&mut fabric, 151 * MS), fabric.counts())
    };
    let (first, arrived, counts) = run(7);
    assert!(first >= 101 * MS, "{first:?}");
    assert!((400..600).contains(&counts.lost), "{counts:?}");
    assert!((800..1_200).contains(&counts.doubled), "{counts:?}");
    assert_eq!(counts.passed, 201 * 50 - counts.lost + counts.doubled);
    assert!(!arrived.is_sorted(), "frames overtake each other");
    assert_eq!(run(7), (first, arrived, counts), "the same seed");
}

#[test]
fn what_is_under_way_is_bounded() {
    let mut fabric = Fabric::new(vec![1, 2], 1);
    for _ in 0..UNDER_WAY + 5 {
        fabric.take(MS, 1, &frame(2, 0));
    }
    assert_eq!(fabric.counts().lost, 5);
}
