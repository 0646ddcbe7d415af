//! Prices of slices: a lower bound on what any split is worth, and what each choice is worth beyond it.
//!
//! For any price per wanted profile, `sum over GPUs of the least (value - prices of what it holds) + prices of all
//! that is wanted` is at most the value of every split (Lagrangian duality). The best prices are the duals of the
//! linear relaxation (`master`). What they prove is counted in integers: it holds however they were found.

use super::block::Block;
use super::master::{Duals, Master};

/// A value of one in the unit of bounds.
pub(super) const ONE: i64 = 1 << 12;

/// The largest price times the largest count; so no sum over the profiles of a GPU overflows.
const LIMIT: i64 = 1 << 56;

/// What prices prove.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// No split is worth less, in units of [`ONE`].
    pub value: i128,
    /// What each choice of each block is worth beyond the least of its block.
    pub beyond: Vec<Vec<i64>>,
}

/// What the best prices prove of choices that have `want` together; `None` where they prove that none do.
pub(super) fn best(blocks: &[&Block], want: &[i64]) -> Option<Bound> {
    let Duals { of_value, of_lack } = Master::new(blocks, want).solve();
    if let Some(of_lack) = of_lack {
        // By what they hold alone: where choices that are worth nothing are worth something, there are none.
        let lack = Bound::of(&of_lack, blocks, want, |_| 0);
        if lack.value > 0 {
            return None;
        }
    }
    Some(Bound::of(&of_value, blocks, want, |value| value))
}

impl Bound {
    /// The least value that it leaves: values are whole.
    pub fn whole(&self) -> i128 {
        whole(self.value)
    }

    /// What these prices prove of choices of which each is worth `worth(its value)`.
    fn of(duals: &[f64], blocks: &[&Block], want: &[i64], worth: fn(i64) -> i64) -> Self {
        let largest = blocks.iter().map(|block| block.largest()).max();
        let limit = LIMIT / largest.unwrap_or(0).max(1);
        let prices: Vec<i64> = duals.iter().map(|dual| price(*dual, limit)).collect();
        let pairs = prices.iter().zip(want);
        let mut value: i128 = pairs.map(|(a, b)| i128::from(*a) * i128::from(*b)).sum();
        let beyond = blocks.iter().map(|block| {
            let choices = block.values.iter().zip(block.rows());
            let values = choices.map(|(value, row)| {
                let pairs = row.iter().zip(&prices);
                let prices = pairs.fold(0, |sum, (count, price)| sum + count * price);
                worth(*value).saturating_mul(ONE).saturating_sub(prices)
            });
            let mut values: Vec<i64> = values.collect();
            let least = values.iter().copied().min().unwrap_or(0);
            value += i128::from(least);
            for value in &mut values {
                *value = value.saturating_sub(least);
            }
            values
        });
        let beyond = beyond.collect();
        Self { value, beyond }
    }
}

/// The next whole value.
pub(super) fn whole(value: i128) -> i128 {
    -(-value).div_euclid(i128::from(ONE))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole number near it is meant, and what is no number becomes 0"
)]
fn price(dual: f64, limit: i64) -> i64 {
    ((dual * ONE as f64) as i64).clamp(-limit, limit)
}
