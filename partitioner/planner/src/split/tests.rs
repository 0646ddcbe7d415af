//! What the relaxation proves, against all choices of small blocks.

use super::block::Block;
use super::price::{Bound, ONE, best};
use super::scale::Scale;
use crate::machine::Random;
use crate::options::Options;

/// Blocks whose choices have these values and rows.
fn blocks(choices: &[&[(i64, [i64; 2])]]) -> Vec<Block> {
    let block = |choices: &&[(i64, [i64; 2])]| {
        let values = choices.iter().map(|(value, _)| *value);
        let rows = choices.iter().flat_map(|(_, row)| *row);
        Block::new(values.collect(), 2, rows.collect())
    };
    choices.iter().map(block).collect()
}

fn proven(blocks: &[Block], want: [i64; 2]) -> Option<Bound> {
    best(&blocks.iter().collect::<Vec<_>>(), &want)
}

/// The least value of one choice of each block that have `want` together.
fn least(blocks: &[Block], want: [i64; 2]) -> Option<i64> {
    let Some((block, rest)) = blocks.split_first() else {
        return (want == [0, 0]).then_some(0);
    };
    let choices = block.values.iter().zip(block.rows());
    let values = choices.filter_map(|(value, row)| {
        let [first, second] = *row else {
            return None;
        };
        Some(value + least(rest, [want[0] - first, want[1] - second])?)
    });
    values.min()
}

#[test]
fn shares_are_worth_less_than_whole_choices() {
    // Half of nothing and half of two.
    let blocks = blocks(&[&[(0, [0, 0]), (7, [2, 0]), (9, [1, 0])]]);
    let bound = proven(&blocks, [1, 0]).expect("a bound");
    let half = i128::from(ONE) * 7 / 2;
    assert!((half - 1..=half).contains(&bound.value), "{}", bound.value);
    assert_eq!(bound.whole(), 4);
    // What is left of the value of the third beyond the bound; the others are on it.
    let beyond = bound.beyond.iter().flatten().map(|one| one / (ONE / 2));
    assert_eq!(beyond.collect::<Vec<_>>(), [0, 0, 11]);
}

#[test]
fn what_shares_cannot_have_is_proven_to_be_nothing() {
    let one = [(0, [0, 0]), (1, [1, 0]), (1, [0, 1])];
    let two = blocks(&[&one, &one]);
    assert_eq!(proven(&two, [1, 1]).expect("a bound").whole(), 2);
    assert!(proven(&two, [2, 1]).is_none());
    assert!(proven(&two, [0, 3]).is_none());
    // Too much is as bad as too little.
    let pinned = blocks(&[&[(0, [1, 0]), (1, [1, 1])]]);
    assert!(proven(&pinned, [0, 0]).is_none());
    assert!(proven(&[], [0, 1]).is_none());
}

#[test]
fn no_choices_are_worth_less_than_is_proven() {
    let mut random = Random(53);
    let below = |random: &mut Random, limit| i64::try_from(random.below(limit)).expect("small");
    let (mut tight, mut loose, mut refused) = (0, 0, 0);
    for _ in 0..3_000 {
        let spread = *random.pick(&[3, 50, 1 << 30]);
        let choices: Vec<Vec<(i64, [i64; 2])>> = (0..1 + random.below(5))
            .map(|_| {
                let choice = |random: &mut Random| {
                    let row = [below(random, 5), below(random, 3)];
                    (below(random, spread) - 1, row)
                };
                (0..1 + random.below(6))
                    .map(|_| choice(&mut random))
                    .collect()
            })
            .collect();
        let choices: Vec<_> = choices.iter().map(Vec::as_slice).collect();
        let blocks = blocks(&choices);
        let want = [below(&mut random, 9), below(&mut random, 5)];
        match (proven(&blocks, want), least(&blocks, want)) {
            (None, None) => refused += 1,
            (None, Some(least)) => panic!("{choices:?} {want:?}: {least}"),
            (Some(bound), Some(least)) if bound.whole() == i128::from(least) => tight += 1,
            (Some(bound), least) => {
                let is_below = |least| bound.whole() < i128::from(least);
                assert!(least.is_none_or(is_below), "{choices:?} {want:?}");
                loose += 1;
            }
        }
    }
    assert!(
        tight > 300 && loose > 100 && refused > 500,
        "{tight} {loose} {refused}"
    );
}

#[test]
fn cost_comes_before_room_and_room_for_more_before_places() {
    let scale = |step| Scale {
        step,
        shift: 0,
        whole: 1_000,
        more: 30,
    };
    let value = |cost, more, pairs| scale(1).value(cost, Options { more, pairs });
    assert!(value(1, 0, 0) > value(0, 0, 0));
    assert!(value(0, 0, 29) > value(0, 1, 0));
    assert!(value(0, 1, 0) > value(0, 1, 1));
    assert!(value(1, 30, 29) > value(0, 0, 0));
    // What is worth one more than no room at all is dearer.
    let (most, least) = (i128::from(value(4, 30, 29)), i128::from(value(4, 0, 0)));
    assert_eq!(
        [-1, most, least, least + 1].map(|value| scale(1).least_cost(value)),
        [0, 4, 4, 5]
    );
    assert_eq!(scale(3).least_cost(least), 12);
    assert_eq!(
        scale(3).value(12, Options { more: 1, pairs: 1 }),
        value(4, 1, 1)
    );
    let shifted = Scale {
        step: 3,
        shift: 4,
        whole: 1,
        more: 0,
    };
    assert_eq!(shifted.value(99, Options { more: 1, pairs: 1 }), 2);
    assert_eq!(shifted.least_cost(2), 96);
}
