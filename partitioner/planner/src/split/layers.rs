//! The search: GPU after GPU, from the last to the first, over what is still to be placed.
//!
//! A layer holds each multiset that may be left for the GPUs before it, with the cheapest way to it. A way
//! is dropped when it costs more beyond the bound of the prices than the search allows, or when what is left
//! cannot lie on the GPUs that are left. All ways of at most the allowed cost are therefore seen, and the
//! cheapest of them, if there is one, is the cheapest of all.

use std::cmp::Reverse;

use super::pack::Packing;
use super::seat::{Choice, Seat, by_worth};
use super::seen::Seen;
use crate::options::Options;

/// A way to what is left after some GPUs.
#[derive(Debug, Clone, Copy)]
struct Way {
    left: u128,
    volume: u64,
    cost: u64,
    room: Options,
    /// Beyond the bound so far.
    beyond: i64,
    /// Index into the choices of the GPU, and rank of its state.
    choice: u32,
    state: usize,
    /// Index of the way in the layer before.
    parent: u32,
}

/// A GPU with its choices in the order of what they cost beyond the bound.
struct Layer<'a> {
    choices: Vec<(i64, u32, &'a Choice)>,
    /// Most of each profile, and most units, on the GPUs that come after this one.
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
        let mut done: Vec<Vec<Way>> = Vec::with_capacity(layers.len() + 1);
        let mut ways = vec![self.root()];
        for layer in &layers {
            let Some(next) = self.step(&ways, layer, allowance, &mut dropped, nodes) else {
                return Found::Exhausted;
            };
            done.push(std::mem::replace(&mut ways, next));
        }
        // What choices alone are beyond the allowance is dropped before the search.
        let alone = self.beyond.iter().flat_map(|seat| seat.iter());
        let alone = alone.copied().filter(|beyond| *beyond > allowance);
        let dropped = dropped.into_iter().chain(alone).min();
        match (ways.first(), dropped) {
            (Some(way), _) => {
                let cost = way.cost;
                Found::Split {
                    cost,
                    choices: trace(*way, &done),
                }
            }
            (None, Some(least)) => Found::Beyond(least),
            (None, None) => Found::Nothing,
        }
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
        let mut rest = vec![0_u32; self.want.len()];
        let mut rest_volume = 0_u64;
        let mut layers: Vec<Layer<'_>> = Vec::with_capacity(self.seats.len());
        for (seat, beyond) in self.seats.iter().zip(self.beyond) {
            let choices = seat.choices.iter().zip(beyond.iter()).zip(0..);
            let mut choices: Vec<_> = choices
                .filter(|((_, beyond), _)| **beyond <= allowance)
                .map(|((choice, beyond), index)| (*beyond, index, choice))
                .collect();
            choices.sort_by_key(|(beyond, _, choice)| (*beyond, by_worth(choice)));
            layers.push(Layer {
                choices,
                rest: self.packing.pack(rest.iter().copied()),
                rest_volume,
            });
            for ((rest, most), want) in rest.iter_mut().zip(&seat.most).zip(self.want) {
                *rest = rest.saturating_add(*most).min(*want);
            }
            rest_volume = rest_volume.saturating_add(seat.most_volume());
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

/// The choices on a way, in order of the GPUs: the last layer is the first GPU.
fn trace(last: Way, done: &[Vec<Way>]) -> Vec<usize> {
    let mut choices = Vec::with_capacity(done.len());
    let mut way = last;
    for layer in done.iter().rev() {
        choices.push(usize::try_from(way.choice).unwrap_or(usize::MAX));
        let parent = usize::try_from(way.parent).unwrap_or(usize::MAX);
        let Some(before) = layer.get(parent) else {
            break;
        };
        way = *before;
    }
    choices
}
