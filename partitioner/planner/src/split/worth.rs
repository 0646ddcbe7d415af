//! What slices are worth: a bound on what GPUs can take.
//!
//! For any worth per profile that is not below nothing, GPUs take slices of at most `sum over GPUs of the most that one
//! of its multisets is worth`; what is worth more does not fit. The worth is raised where the fullest multisets hold too
//! few and lowered where they hold too many, a fixed number of times. Integers only: the same answer on every machine.

use std::cmp::Reverse;
use std::rc::Rc;

use super::pack::Packing;

/// What all that is to be placed is worth together, about.
const SCALE: i64 = 1 << 32;

/// GPUs that can hold the same.
#[derive(Clone)]
pub(super) struct Kind {
    /// The largest multisets of one of them.
    pub keys: Rc<[u128]>,
    /// The same as counts.
    rows: Rc<[Vec<u32>]>,
    /// How many there are.
    pub count: usize,
}

impl Kind {
    /// One GPU with these multisets.
    pub fn new(packing: &Packing, keys: Vec<u128>) -> Self {
        Self {
            rows: keys.iter().map(|key| packing.counts(*key)).collect(),
            keys: keys.into(),
            count: 1,
        }
    }

    /// Brings the multisets that are worth most to the front.
    pub fn fullest_first(&mut self, packing: &Packing, worth: &Worth) {
        let mut keys = self.keys.to_vec();
        keys.sort_by_key(|key| Reverse(worth.of_row(&packing.counts(*key))));
        let count = self.count;
        *self = Self::new(packing, keys);
        self.count = count;
    }
}

/// A worth for each profile.
#[derive(Clone)]
pub(super) struct Worth(Vec<i64>);

impl Worth {
    /// These shares of what is to be placed.
    pub fn of(shares: &[i64], rest: &[u32]) -> Self {
        Self(shares.to_vec()).scaled(rest)
    }

    /// The worth by which the GPUs are tightest for a rest, and whether they can take it by all that were tried.
    pub fn tightest(&self, kinds: &[Kind], rest: &[u32], rounds: i64) -> (Self, bool) {
        let mut worth = self.scaled(rest);
        let (mut best, mut least) = (worth.clone(), i64::MAX);
        for round in 1..=rounds {
            let (mut taken, mut capacity) = (vec![0_i64; rest.len()], 0_i64);
            for kind in kinds {
                let count = i64::try_from(kind.count).unwrap_or(i64::MAX);
                let worths = kind
                    .rows
                    .iter()
                    .map(|row| (worth.of_row_up_to(row, rest), row));
                let Some((most, fullest)) = worths.max_by_key(|(most, _)| *most) else {
                    continue;
                };
                capacity = capacity.saturating_add(most.saturating_mul(count));
                for (taken, held) in taken.iter_mut().zip(fullest) {
                    *taken = taken.saturating_add(i64::from(*held).saturating_mul(count));
                }
            }
            if capacity < worth.of_row(rest) {
                return (worth, false);
            }
            if capacity < least {
                (least, best) = (capacity, worth.clone());
            }
            for (worth, (taken, rest)) in worth.0.iter_mut().zip(taken.iter().zip(rest)) {
                let rest = i64::from(*rest).max(1);
                // By a share of itself, ever smaller: it stays above nothing.
                let missing = rest.saturating_sub(*taken).clamp(-rest, rest);
                *worth += worth.saturating_mul(missing) / (rest * (2 + round / 2));
            }
            worth = worth.scaled(rest);
        }
        (best, true)
    }

    /// What these slices are worth.
    pub fn of_row(&self, row: &[u32]) -> i64 {
        let pairs = row.iter().zip(&self.0);
        pairs.fold(0, |sum, (count, worth)| {
            sum.saturating_add(worth.saturating_mul(i64::from(*count)))
        })
    }

    /// The same, without what is not to be placed.
    fn of_row_up_to(&self, row: &[u32], rest: &[u32]) -> i64 {
        let pairs = row.iter().zip(rest).zip(&self.0);
        pairs.fold(0, |sum, ((count, rest), worth)| {
            let count = i64::from(*count.min(rest));
            sum.saturating_add(worth.saturating_mul(count))
        })
    }

    /// The same with the rest worth about [`SCALE`]. One that is worth nothing may be worth something again.
    fn scaled(&self, rest: &[u32]) -> Self {
        let all = i128::from(self.of_row(rest).max(1));
        let scale = |one: &i64| {
            let scaled = i128::from((*one).max(0)) * i128::from(SCALE) / all;
            i64::try_from(scaled).unwrap_or(i64::MAX).clamp(1, SCALE)
        };
        Self(self.0.iter().map(scale).collect())
    }
}
