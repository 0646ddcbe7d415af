//! Prices of slices: a lower bound on what any split is worth, and what each choice is worth beyond it.
//!
//! For any price per wanted profile, `sum over GPUs of the least (value - prices of what it holds) + prices of all
//! that is wanted` is at most the value of every split (Lagrangian duality). The best prices are the duals of the
//! linear relaxation (`master`). What they prove is counted in integers: it holds however they were found.

use super::master::{Duals, Master};
use super::seat::Seat;

/// A value of one in the unit of prices.
pub(super) const ONE: i64 = 1 << 16;

/// Beyond any price of use; what a floating number says beyond it is cut off, so that no sum overflows.
const PRICE_LIMIT: f64 = (1_u64 << 54) as f64;

/// Prices, and what they prove.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    /// A price for each wanted profile, in units of [`ONE`].
    prices: Vec<i64>,
    /// No split is worth less, in units of [`ONE`].
    pub bound: i128,
}

/// The best prices; `None` where they prove that nothing can hold all that is wanted.
pub(super) fn relaxed(seats: &[&Seat], want: &[u32]) -> Option<Prices> {
    let Duals { of_value, of_lack } = Master::new(seats, want).solve();
    let is_out = |lack: Vec<f64>| Prices::of(&lack, seats, want, |_| 0).bound > 0;
    match of_lack.is_some_and(is_out) {
        true => None,
        false => Some(Prices::of(&of_value, seats, want, |value| value)),
    }
}

impl Prices {
    /// Prices near these numbers, and what they prove of splits of which each choice is worth `worth(its value)`.
    fn of(duals: &[f64], seats: &[&Seat], want: &[u32], worth: fn(i64) -> i64) -> Self {
        let mut out = Self {
            prices: duals.iter().map(|dual| price(*dual)).collect(),
            bound: 0,
        };
        let pairs = out.prices.iter().zip(want);
        let all: i128 = pairs.map(|(a, b)| i128::from(*a) * i128::from(*b)).sum();
        let least = seats
            .iter()
            .filter_map(|seat| out.values(seat, worth).min());
        out.bound = least.fold(all, |sum, value| sum + i128::from(value));
        out
    }

    /// What one choice is worth beyond the least of its GPU, for each choice.
    pub fn beyond(&self, seat: &Seat) -> Vec<i64> {
        let mut values: Vec<i64> = self.values(seat, |value| value).collect();
        let least = values.iter().copied().min().unwrap_or(0);
        for value in &mut values {
            *value = value.saturating_sub(least);
        }
        values
    }

    fn values(&self, seat: &Seat, worth: fn(i64) -> i64) -> impl Iterator<Item = i64> {
        let rows = seat.counts.chunks_exact(self.prices.len().max(1));
        seat.values.iter().zip(rows).map(move |(value, row)| {
            let pairs = row.iter().zip(&self.prices);
            let prices = pairs.fold(0_i64, |sum, (count, price)| {
                sum.saturating_add(count.saturating_mul(*price))
            });
            worth(*value).saturating_mul(ONE).saturating_sub(prices)
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the next whole number below is meant, and what is no number becomes 0"
)]
fn price(dual: f64) -> i64 {
    (dual * ONE as f64).clamp(-PRICE_LIMIT, PRICE_LIMIT) as i64
}
