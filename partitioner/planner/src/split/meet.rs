//! Two halves of a search brought together: pairs of which one leaves what the other places.
//!
//! Each half has for each rest its best way: the cheapest, of these the one with the most room, of these the one whose
//! states are the smallest. So the best pair is the best of all ways over both halves. Owns no search.

use std::cmp::{Ordering, Reverse};

use super::allowance::{Allowance, sum};
use super::layers::Way;
use super::pack::Packing;
use super::seen::Seen;
use crate::options::Options;

/// The ways of both halves, the root of each first.
pub(super) struct Meeting<'a> {
    first: &'a [Vec<Way>],
    second: &'a [Vec<Way>],
    /// The best pair that the allowance covers.
    pub best: Option<Pair>,
}

/// A way of each half that place all that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub cost: u64,
    pub room: Options,
    first: Way,
    second: Way,
}

impl<'a> Meeting<'a> {
    /// Nothing has met yet.
    pub fn new(first: &'a [Vec<Way>], second: &'a [Vec<Way>]) -> Self {
        Self {
            first,
            second,
            best: None,
        }
    }

    /// Finds all pairs that place `all` together, and keeps the best.
    pub fn meet(&mut self, packing: &Packing, all: u128, allowance: &mut Allowance) {
        let (Some(first), Some(second)) = (self.first.last(), self.second.last()) else {
            return;
        };
        let mut seen = Seen::default();
        let way = |index: u32| first.get(usize::try_from(index).ok()?);
        let key_of = |index: u32| Some(way(index)?.left);
        for (one, index) in first.iter().zip(0..) {
            if let Err(slot) = seen.find(one.left, key_of) {
                seen.note(slot, index);
            }
        }
        for one in second {
            // The first half is to leave what the second one places.
            let Some(placed) = packing.without(all, one.left) else {
                continue;
            };
            let Some(other) = seen.find(placed, key_of).ok().and_then(way) else {
                continue;
            };
            if !allowance.covers(sum(one.beyond, other.beyond)) {
                continue;
            }
            let pair = Pair {
                cost: one.cost.saturating_add(other.cost),
                room: one.room.plus(other.room),
                first: *other,
                second: *one,
            };
            if self.best.is_none_or(|best| self.is_better(&pair, &best)) {
                self.best = Some(pair);
            }
        }
    }

    fn is_better(&self, one: &Pair, other: &Pair) -> bool {
        let worth = |pair: &Pair| (pair.cost, Reverse(pair.room));
        let order = worth(one).cmp(&worth(other));
        let order = order.then_with(|| by_states(self.first, one.first, other.first));
        order.then_with(|| by_states(self.second, one.second, other.second)) == Ordering::Less
    }

    /// The choices of a pair, in order of the GPUs.
    pub fn choices(&self, pair: &Pair) -> Vec<usize> {
        let mut choices = Vec::new();
        for (half, way) in [(self.first, pair.first), (self.second, pair.second)] {
            let mut way = way;
            for layer in half.iter().rev().skip(1) {
                choices.push(usize::try_from(way.choice).unwrap_or(usize::MAX));
                match parent(layer, way) {
                    Some(before) => way = before,
                    None => break,
                }
            }
        }
        choices
    }
}

/// Which of two ways of a half has the smaller states: the last layer is the first GPU.
fn by_states(half: &[Vec<Way>], mut one: Way, mut other: Way) -> Ordering {
    for layer in half.iter().rev().skip(1) {
        let order = one.state.cmp(&other.state);
        let (Some(first), Some(second)) = (parent(layer, one), parent(layer, other)) else {
            return order;
        };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (first, second);
    }
    Ordering::Equal
}

fn parent(layer: &[Way], way: Way) -> Option<Way> {
    layer.get(usize::try_from(way.parent).ok()?).copied()
}
