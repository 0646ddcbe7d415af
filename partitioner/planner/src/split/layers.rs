//! The search: GPU after GPU, from the last to the first, over what is still to be placed.
//!
//! A layer holds each multiset that may be left for the other GPUs, with the cheapest way to it. A way
//! is dropped when it costs more beyond the bound of the prices than the search allows, or when what is left
//! cannot lie on the other GPUs. All ways of at most the allowed cost are therefore seen, and the
//! cheapest of them, if there is one, is the cheapest of all.
//!
//! The two halves of the GPUs are searched each by itself, and then pairs are sought of which one leaves what the
//! other places (`meet`): layers grow with each GPU, so that twice half of them are much less than all.

use std::cmp::Reverse;

use super::allowance::{Allowance, Beyond, sum};
use super::meet::Meeting;
use super::pack::Packing;
use super::price::Bound;
use super::seat::{Choice, Seat, by_worth};
use super::seen::Seen;
use crate::options::Options;

/// A way to what is left after some GPUs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub left: u128,
    volume: u64,
    pub cost: u64,
    pub room: Options,
    /// Beyond each bound so far.
    pub beyond: Beyond,
    /// Index into the choices of the GPU, and rank of its state.
    pub choice: u32,
    pub state: usize,
    /// Index of the way in the layer before.
    pub parent: u32,
}

/// A GPU with its choices in the order of what they are worth beyond the first bound.
struct Layer<'a> {
    choices: Vec<(Beyond, u32, &'a Choice)>,
    /// Most of each profile, and most units, on the GPUs that this half has not come to and the other half.
    rest: u128,
    rest_volume: u64,
}

/// A split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// What it costs.
    pub cost: u64,
    /// The room that it leaves.
    pub room: Options,
    /// An index into the choices of each GPU, in order of the GPUs.
    pub choices: Vec<usize>,
}

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The best split that the allowance covers.
    Split(Split),
    /// None that the allowance covers, and what those that it does not cover are worth at the least, in the unit of
    /// the bounds.
    Beyond(i128),
    /// None, and nothing was dropped: there is none at all.
    Nothing,
    /// The nodes ran out.
    Exhausted,
}

/// One search.
pub(super) struct Search<'a> {
    pub packing: &'a Packing,
    pub seats: &'a [&'a Seat],
    /// Two bounds, which may be the same: the splits that both allow are covered.
    pub bounds: [&'a Bound; 2],
    pub all: u128,
    pub volume: u64,
    pub want: &'a [u32],
}

impl Search<'_> {
    /// The best split that is worth at most `value` by both bounds. Takes from `nodes` one for each choice that it
    /// tries.
    pub fn run(&self, value: i128, nodes: &mut u64) -> Found {
        let mut allowance = Allowance::new(self.bounds, value);
        let layers = self.layers(&mut allowance);
        let (second, first) = layers.split_at(layers.len() - self.middle());
        let mut sweep = |half: &[Layer<'_>]| self.sweep(half, &mut allowance, nodes);
        let (Some(second), Some(first)) = (sweep(second), sweep(first)) else {
            return Found::Exhausted;
        };
        let mut meeting = Meeting::new(&first, &second);
        meeting.meet(self.packing, self.all, &mut allowance);
        match (meeting.best, allowance.dropped) {
            (Some(pair), _) => Found::Split(Split {
                cost: pair.cost,
                room: pair.room,
                choices: meeting.choices(&pair),
            }),
            (None, Some(least)) => Found::Beyond(least),
            (None, None) => Found::Nothing,
        }
    }

    /// How many GPUs are in the first half; few are one half alone.
    fn middle(&self) -> usize {
        match self.seats.len() {
            0..4 => 0,
            many => many / 2,
        }
    }

    /// The layers of one half, the root first.
    fn sweep(
        &self,
        half: &[Layer<'_>],
        allowance: &mut Allowance,
        nodes: &mut u64,
    ) -> Option<Vec<Vec<Way>>> {
        let mut done: Vec<Vec<Way>> = Vec::with_capacity(half.len() + 1);
        let mut ways = vec![self.root()];
        for layer in half {
            let next = self.step(&ways, layer, allowance, nodes)?;
            done.push(std::mem::replace(&mut ways, next));
        }
        done.push(ways);
        Some(done)
    }

    fn root(&self) -> Way {
        Way {
            left: self.all,
            volume: self.volume,
            cost: 0,
            room: Options::default(),
            beyond: [0; 2],
            choice: 0,
            state: 0,
            parent: 0,
        }
    }

    /// From the last GPU to the first: so the smaller of two equal plans is told by the state of the GPU
    /// that comes first in the request, then by that of the next.
    fn layers(&self, allowance: &mut Allowance) -> Vec<Layer<'_>> {
        let mut layers: Vec<Layer<'_>> = Vec::with_capacity(self.seats.len());
        let (first, second) = self.seats.split_at(self.middle());
        let [one, other] = self.bounds.map(|bound| &bound.beyond);
        let mut beyond = one.iter().zip(other);
        for (half, rest) in [(first, second), (second, first)] {
            let mut rest = Rest::of(rest, self.want);
            for (seat, (one, other)) in half.iter().zip(&mut beyond) {
                let beyond = one.iter().zip(other).map(|(one, other)| [*one, *other]);
                let choices = seat.choices.iter().zip(beyond).zip(0..);
                let mut choices: Vec<_> = choices
                    .filter(|((_, beyond), _)| allowance.covers(*beyond))
                    .map(|((choice, beyond), index)| (beyond, index, choice))
                    .collect();
                choices.sort_by_key(|(beyond, _, choice)| (beyond[0], by_worth(choice)));
                layers.push(Layer {
                    choices,
                    rest: self.packing.pack(rest.most.iter().copied()),
                    rest_volume: rest.volume,
                });
                rest.add(seat, self.want);
            }
        }
        layers.reverse();
        layers
    }

    /// The ways that one GPU more makes of `ways`.
    fn step(
        &self,
        ways: &[Way],
        layer: &Layer<'_>,
        allowance: &mut Allowance,
        nodes: &mut u64,
    ) -> Option<Vec<Way>> {
        let mut out: Vec<Way> = Vec::new();
        let mut seen = Seen::default();
        for (way, parent) in ways.iter().zip(0..) {
            for (beyond, index, choice) in &layer.choices {
                *nodes = nodes.checked_sub(1)?;
                let beyond = sum(way.beyond, *beyond);
                if !allowance.covers(beyond) {
                    if allowance.covers_none_after(beyond) {
                        break;
                    }
                    continue;
                }
                let Some(left) = self.packing.without(way.left, choice.key) else {
                    continue;
                };
                let volume = way.volume.saturating_sub(choice.volume);
                if volume > layer.rest_volume || self.packing.without(layer.rest, left).is_none() {
                    continue;
                }
                let way = Way {
                    left,
                    volume,
                    cost: way.cost.saturating_add(choice.cost),
                    room: way.room.plus(choice.room),
                    beyond,
                    choice: *index,
                    state: choice.state,
                    parent,
                };
                let key_of = |index: u32| Some(out.get(usize::try_from(index).ok()?)?.left);
                match seen.find(left, key_of) {
                    Err(slot) => {
                        seen.note(slot, u32::try_from(out.len()).ok()?);
                        out.push(way);
                    }
                    Ok(index) => {
                        let index = usize::try_from(index).ok()?;
                        if let Some(known) = out.get_mut(index) {
                            known.take(way);
                        }
                    }
                }
            }
        }
        Some(out)
    }
}

impl Way {
    /// Becomes the other way where that is better.
    fn take(&mut self, other: Self) {
        // With shifted costs the cheaper way may look dearer beyond the bound; the smaller figure of both
        // drops no way that the allowance covers.
        let [one, two] = self.beyond;
        let beyond = [one.min(other.beyond[0]), two.min(other.beyond[1])];
        let worth = |way: &Self| (way.cost, Reverse(way.room), way.state);
        if worth(&other) < worth(self) {
            *self = other;
        }
        self.beyond = beyond;
    }
}

/// What some GPUs can take at most: of each profile up to what is wanted, and units.
struct Rest {
    most: Vec<u32>,
    volume: u64,
}

impl Rest {
    fn of(seats: &[&Seat], want: &[u32]) -> Self {
        let mut rest = Self {
            most: vec![0; want.len()],
            volume: 0,
        };
        for seat in seats {
            rest.add(seat, want);
        }
        rest
    }

    fn add(&mut self, seat: &Seat, want: &[u32]) {
        for ((rest, most), want) in self.most.iter_mut().zip(&seat.most).zip(want) {
            *rest = rest.saturating_add(*most).min(*want);
        }
        self.volume = self.volume.saturating_add(seat.most_volume());
    }
}
