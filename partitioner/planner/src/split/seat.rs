//! One GPU of a request: each multiset that it can come to, with the cheapest state that has it.

use std::cmp::Reverse;

use kerf_types::{Placement, ProfileId};

use super::block::Block;
use super::pack::Packing;
use super::scale::Scale;
use super::table::{State, Table};
use super::{SplitError, SplitGpu, Wanted};
use crate::options::Options;

/// A multiset that a GPU can come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// Its counts, packed.
    pub key: u128,
    /// Weights of what is disturbed for it, at the least.
    pub cost: u64,
    /// Room that is left.
    pub room: Options,
    /// Rank of the state among all states of the GPU.
    pub state: usize,
    /// Units of the multiset, see [`Question::volumes`].
    pub volume: u64,
    /// Row of the table.
    pub multiset: usize,
}

/// A GPU and what it can come to.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub choices: Vec<Choice>,
    /// Counts of the wanted profiles, choice after choice.
    counts: Vec<i64>,
    /// The choices with their values, after [`Seat::weigh`].
    pub block: Block,
    /// Most of each wanted profile.
    pub most: Vec<u32>,
    /// Weights of all that may be disturbed.
    pub movable: u64,
}

/// What is wanted, in the form that a search needs it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub gpus: &'a [SplitGpu<'a>],
    pub wanted: &'a [Wanted],
    pub packing: Packing,
    /// What an instance takes at the least, as a share of its GPU: a GPU has [`WHOLE`].
    pub volumes: Vec<u64>,
}

/// Parts of a whole GPU: divisible by every number of units up to 16, and by 64.
const WHOLE: u64 = 2_882_880;

impl<'a> Question<'a> {
    /// `None` where the counts do not fit into a key.
    pub fn new(gpus: &'a [SplitGpu<'a>], wanted: &'a [Wanted]) -> Option<Self> {
        let counts: Vec<u32> = wanted.iter().map(|one| one.count).collect();
        let volume = |one: &Wanted| {
            let parts = gpus.iter().zip(&one.profiles).filter_map(|(gpu, id)| {
                let profile = gpu.grid.profile((*id)?)?;
                Some(u64::from(profile.units()) * WHOLE / u64::from(gpu.grid.units().max(1)))
            });
            parts.min().unwrap_or(0)
        };
        Some(Self {
            gpus,
            wanted,
            packing: Packing::new(&counts)?,
            volumes: wanted.iter().map(volume).collect(),
        })
    }

    /// The key of all that is wanted.
    pub fn all(&self) -> u128 {
        self.packing.pack(self.wanted.iter().map(|one| one.count))
    }

    /// What all that is wanted takes.
    pub fn volume(&self) -> u64 {
        let parts = self.wanted.iter().zip(&self.volumes);
        parts.fold(0, |sum, (one, volume)| {
            sum.saturating_add(volume.saturating_mul(u64::from(one.count)))
        })
    }

    /// What the GPU at `at` can come to.
    pub fn seat(&self, at: usize, table: &Table) -> Result<Seat, SplitError> {
        let Some(gpu) = self.gpus.get(at) else {
            return Ok(Seat::empty(self.wanted.len()));
        };
        let live = Live::new(at, gpu, table)?;
        let rows = self.rows(at, table);
        let mut best: Vec<Option<(u128, Options, usize)>> = vec![None; rows.len()];
        for (rank, state) in table.states().enumerate() {
            if rows.get(state.multiset).is_none_or(Option::is_none) {
                continue;
            }
            let Some(gain) = live.gain(&state) else {
                continue;
            };
            let Some(slot) = best.get_mut(state.multiset) else {
                continue;
            };
            // The first of equals stays: states come in lexicographic order.
            if slot.is_none_or(|(most, room, _)| (gain, state.room) > (most, room)) {
                *slot = Some((gain, state.room, rank));
            }
        }
        Ok(self.collect(&live, rows, best))
    }

    fn collect(
        &self,
        live: &Live,
        rows: Vec<Option<Vec<u32>>>,
        best: Vec<Option<(u128, Options, usize)>>,
    ) -> Seat {
        let mut seat = Seat::empty(self.wanted.len());
        seat.movable = clamped(live.movable);
        for (multiset, (row, best)) in rows.into_iter().zip(best).enumerate() {
            let (Some(row), Some((gain, room, state))) = (row, best) else {
                continue;
            };
            for (most, count) in seat.most.iter_mut().zip(&row) {
                *most = (*most).max(*count);
            }
            let parts = row.iter().zip(&self.volumes);
            seat.counts
                .extend(row.iter().map(|count| i64::from(*count)));
            seat.choices.push(Choice {
                key: self.packing.pack(row.iter().copied()),
                cost: clamped(live.movable.saturating_sub(gain)),
                room,
                state,
                volume: parts
                    .map(|(count, volume)| u64::from(*count) * volume)
                    .sum(),
                multiset,
            });
        }
        seat
    }

    /// The multisets of a table in terms of what is wanted; `None` for one that holds something else, or
    /// too much.
    fn rows(&self, at: usize, table: &Table) -> Vec<Option<Vec<u32>>> {
        let kind_of = |id: &ProfileId| {
            let mut wanted = self.wanted.iter();
            wanted.position(|one| {
                one.profiles
                    .get(at)
                    .is_some_and(|known| *known == Some(*id))
            })
        };
        let kinds: Vec<Option<usize>> = table.profiles.iter().map(kind_of).collect();
        let row = |multiset: &Vec<u32>| {
            let mut row = vec![0; self.wanted.len()];
            for (kind, count) in kinds.iter().zip(multiset).filter(|(_, count)| **count > 0) {
                *row.get_mut((*kind)?)? = *count;
            }
            let mut pairs = row.iter().zip(self.wanted);
            pairs.all(|(count, one)| *count <= one.count).then_some(row)
        };
        table.multisets.iter().map(row).collect()
    }
}

impl Seat {
    fn empty(kinds: usize) -> Self {
        Self {
            choices: Vec::new(),
            counts: Vec::new(),
            block: Block::default(),
            most: vec![0; kinds],
            movable: 0,
        }
    }

    /// Values the choices: cost and room in one number.
    pub fn weigh(&mut self, scale: &Scale) {
        let values = self.choices.iter().map(|choice| scale.of_choice(choice));
        self.block = Block::new(values.collect(), self.most.len(), self.counts.clone());
    }

    /// Most units that a choice takes.
    pub fn most_volume(&self) -> u64 {
        let volumes = self.choices.iter().map(|choice| choice.volume);
        volumes.max().unwrap_or(0)
    }
}

/// What lives on a GPU, by the items of its table.
struct Live {
    /// For each item what is saved if a state has it, and whether it must.
    items: Vec<(u64, bool)>,
    pins: usize,
    /// Wide, since weights have no limit.
    movable: u128,
}

impl Live {
    fn new(at: usize, gpu: &SplitGpu<'_>, table: &Table) -> Result<Self, SplitError> {
        let mut live = Self {
            items: vec![(0, false); table.items.len()],
            pins: 0,
            movable: 0,
        };
        for one in gpu.current {
            let key = (one.placement, one.profile);
            let found = table
                .items
                .binary_search_by_key(&key, |item| (item.placement, item.profile));
            let slot = found.ok().and_then(|index| live.items.get_mut(index));
            let gain = if one.is_mended_at_a_cost() {
                0
            } else {
                one.weight
            };
            if !one.pinned {
                live.movable += u128::from(one.weight);
            }
            match slot {
                Some(slot) if one.pinned => {
                    slot.1 = true;
                    live.pins += 1;
                }
                Some(slot) => slot.0 = gain,
                None if one.pinned => {
                    return Err(pin_not_wanted(at, gpu, one.profile, one.placement));
                }
                None => {}
            }
        }
        Ok(live)
    }

    /// What a state saves; `None` where a pinned instance is not in it.
    fn gain(&self, state: &State<'_>) -> Option<u128> {
        let (mut gain, mut pins) = (0_u128, 0_usize);
        for item in state.items {
            let index = usize::try_from(*item).unwrap_or(usize::MAX);
            let (saved, pinned) = self.items.get(index).copied().unwrap_or((0, false));
            gain += u128::from(saved);
            pins += usize::from(pinned);
        }
        (pins == self.pins).then_some(gain)
    }
}

fn clamped(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// The error about a pinned instance.
pub(super) fn pin_not_wanted(
    at: usize,
    gpu: &SplitGpu<'_>,
    profile: ProfileId,
    placement: Placement,
) -> SplitError {
    SplitError::PinNotWanted {
        gpu: at,
        profile: gpu.grid.label(profile),
        placement,
    }
}

/// Cheaper first; the order in which choices are worth trying.
pub(super) fn by_worth(choice: &Choice) -> (u64, Reverse<Options>, usize) {
    (choice.cost, Reverse(choice.room), choice.state)
}
