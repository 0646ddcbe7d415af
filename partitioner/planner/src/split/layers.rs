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

use super::meet::Meeting;
use super::pack::Packing;
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
    /// Beyond the bound so far.
    pub beyond: i64,
    /// Index into the choices of the GPU, and rank of its state.
    pub choice: u32,
    pub state: usize,
    /// Index of the way in the layer before.
    pub parent: u32,
}

/// A GPU with its choices in the order of what they cost beyond the bound.
struct Layer<'a> {
    choices: Vec<(i64, u32, &'a Choice)>,
    /// Most of each profile, and most units, on the GPUs that this half has not come to and the other half.
    rest: u128,
    rest_volume: u64,
}

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The cheapest split that the allowance covers, if it covers any: an index into the choices of each
    /// GPU.
    Split {
        /// What it costs.
        cost: u64,
        /// The room that it leaves.
        room: Options,
        /// The choices, in order of the GPUs.
        choices: Vec<usize>,
    },
    /// None, and the least that was dropped for being beyond the allowance.
    Beyond(i64),
    /// None, and nothing was dropped: there is none at all.
    Nothing,
    /// The nodes ran out.
    Exhausted,
}

/// One search.
pub(super) struct Search<'a> {
    pub packing: &'a Packing,
    pub seats: &'a [&'a Seat],
    /// For each GPU and each of its choices what it costs beyond the bound.
    pub beyond: &'a [&'a [i64]],
    pub all: u128,
    pub volume: u64,
    pub want: &'a [u32],
}

impl Search<'_> {
    /// The cheapest split of at most `allowance` beyond the bound. Takes from `nodes` one for each choice
    /// that it tries.
    pub fn run(&self, allowance: i64, nodes: &mut u64) -> Found {
        let layers = self.layers(allowance);
        let mut dropped: Option<i64> = None;
        let (second, first) = layers.split_at(layers.len() - self.middle());
        let mut sweep = |half: &[Layer<'_>]| self.sweep(half, allowance, &mut dropped, nodes);
        let (Some(second), Some(first)) = (sweep(second), sweep(first)) else {
            return Found::Exhausted;
        };
        let mut meeting = Meeting::new(&first, &second);
        meeting.meet(self.packing, self.all, allowance);
        // What choices alone are beyond the allowance is dropped before the search.
        let alone = self.beyond.iter().flat_map(|seat| seat.iter());
        let alone = alone.copied().filter(|beyond| *beyond > allowance);
        let dropped = dropped
            .into_iter()
            .chain(meeting.dropped)
            .chain(alone)
            .min();
        match (meeting.best, dropped) {
            (Some(pair), _) => Found::Split {
                cost: pair.cost,
                room: pair.room,
                choices: meeting.choices(&pair),
            },
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
        allowance: i64,
        dropped: &mut Option<i64>,
        nodes: &mut u64,
    ) -> Option<Vec<Vec<Way>>> {
        let mut done: Vec<Vec<Way>> = Vec::with_capacity(half.len() + 1);
        let mut ways = vec![self.root()];
        for layer in half {
            let next = self.step(&ways, layer, allowance, dropped, nodes)?;
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
            beyond: 0,
            choice: 0,
            state: 0,
            parent: 0,
        }
    }

    /// From the last GPU to the first: so the smaller of two equal plans is told by the state of the GPU
    /// that comes first in the request, then by that of the next.
    fn layers(&self, allowance: i64) -> Vec<Layer<'_>> {
        let mut layers: Vec<Layer<'_>> = Vec::with_capacity(self.seats.len());
        let (first, second) = self.seats.split_at(self.middle());
        let (of_first, of_second) = self.beyond.split_at(self.middle());
        for (half, beyond, other) in [(first, of_first, second), (second, of_second, first)] {
            let mut rest = Rest::of(other, self.want);
            for (seat, beyond) in half.iter().zip(beyond) {
                let choices = seat.choices.iter().zip(beyond.iter()).zip(0..);
                let mut choices: Vec<_> = choices
                    .filter(|((_, beyond), _)| **beyond <= allowance)
                    .map(|((choice, beyond), index)| (*beyond, index, choice))
                    .collect();
                choices.sort_by_key(|(beyond, _, choice)| (*beyond, by_worth(choice)));
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
        allowance: i64,
        dropped: &mut Option<i64>,
        nodes: &mut u64,
    ) -> Option<Vec<Way>> {
        let mut out: Vec<Way> = Vec::new();
        let mut seen = Seen::default();
        for (way, parent) in ways.iter().zip(0..) {
            for (beyond, index, choice) in &layer.choices {
                *nodes = nodes.checked_sub(1)?;
                let beyond = way.beyond.saturating_add(*beyond);
                if beyond > allowance {
                    // And so is every later choice.
                    *dropped = Some(dropped.map_or(beyond, |least| least.min(beyond)));
                    break;
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
        let beyond = self.beyond.min(other.beyond);
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
