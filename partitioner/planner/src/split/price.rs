//! Prices of slices: a lower bound on what any split costs, and what each choice costs beyond it.
//!
//! For any price per wanted profile, `sum over GPUs of the least (cost - prices of what it holds) + prices
//! of all that is wanted` is at most the cost of every split (Lagrangian duality). The prices are raised
//! where too few are placed and lowered where too many are, a fixed number of times. Integers only: the
//! same bound on every machine.

use super::seat::Seat;

/// A cost of one in the unit of prices.
pub(super) const ONE: i64 = 1 << 16;

/// Costs are shifted right until all of them together are below this, so that nothing overflows; a shifted
/// bound is lower, and still one.
const COST_LIMIT: u64 = 1 << 30;

/// Rounds of adjustment. After some hundred the bound of sixteen GPUs is within a part in twenty of the best
/// one; each costs some ten microseconds there.
const ROUNDS: u32 = 150;

/// Rounds without a better bound after which the steps are halved.
const PATIENCE: u32 = 6;

/// Prices, and what they prove.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    /// By how many bits costs are shifted right.
    pub shift: u32,
    /// A price for each wanted profile.
    prices: Vec<i64>,
    /// No split costs less, in units of [`ONE`] shifted cost.
    pub bound: i128,
}

impl Prices {
    /// Prices of nothing: the bound is the sum of what each GPU costs at the least.
    pub fn none(seats: &[&Seat], want: &[i64]) -> Self {
        let all = seats
            .iter()
            .fold(0_u64, |sum, seat| sum.saturating_add(seat.movable));
        let mut shift = 0;
        while all >> shift >= COST_LIMIT {
            shift += 1;
        }
        let prices = vec![0; want.len()];
        let mut out = Self {
            shift,
            prices,
            bound: 0,
        };
        out.bound = out.evaluate(seats, want, &mut Vec::new());
        out
    }

    /// Better prices; `aim` is how much better, in units of [`ONE`], the first steps would have them.
    pub fn improve(&mut self, seats: &[&Seat], want: &[i64], aim: i128) {
        let mut best = self.clone();
        let mut surplus = Vec::new();
        let mut ahead = aim;
        let mut stale = 0;
        for _ in 0..ROUNDS {
            let bound = self.evaluate(seats, want, &mut surplus);
            if bound > best.bound {
                best.prices.clone_from(&self.prices);
                best.bound = bound;
                stale = 0;
            } else {
                stale += 1;
            }
            if stale > PATIENCE {
                stale = 0;
                ahead = (ahead / 2).max(1);
                self.prices.clone_from(&best.prices);
                self.evaluate(seats, want, &mut surplus);
            }
            let norm: i128 = surplus
                .iter()
                .map(|one| i128::from(*one) * i128::from(*one))
                .sum();
            if norm == 0 {
                break;
            }
            let step = (best.bound + ahead - bound).max(1);
            for (price, missing) in self.prices.iter_mut().zip(&surplus) {
                let change = step * i128::from(*missing) / norm;
                let limit = i128::from(COST_LIMIT) * i128::from(ONE);
                let next = (i128::from(*price) + change).clamp(-limit, limit);
                *price = i64::try_from(next).unwrap_or(0);
            }
        }
        *self = best;
    }

    /// What one choice costs beyond the least of its GPU, for each choice.
    pub fn beyond(&self, seat: &Seat) -> Vec<i64> {
        let values: Vec<i64> = self.values(seat).collect();
        let least = values.iter().copied().min().unwrap_or(0);
        values.iter().map(|value| value - least).collect()
    }

    fn values(&self, seat: &Seat) -> impl Iterator<Item = i64> {
        let rows = seat.counts.chunks_exact(self.prices.len().max(1));
        seat.choices.iter().zip(rows).map(|(choice, row)| {
            let cost = i64::try_from(choice.cost >> self.shift).unwrap_or(i64::MAX / 4);
            let worth: i64 = row.iter().zip(&self.prices).map(|(a, b)| a * b).sum();
            cost.saturating_mul(ONE) - worth
        })
    }

    /// The bound of the prices, and how many of each profile are missing in what gives it.
    fn evaluate(&self, seats: &[&Seat], want: &[i64], surplus: &mut Vec<i64>) -> i128 {
        surplus.clear();
        surplus.extend_from_slice(want);
        let pairs = self.prices.iter().zip(want);
        let mut bound: i128 = pairs.map(|(a, b)| i128::from(*a) * i128::from(*b)).sum();
        for seat in seats {
            let rows = seat.counts.chunks_exact(self.prices.len().max(1));
            let Some((value, row)) = self.values(seat).zip(rows).min_by_key(|(value, _)| *value)
            else {
                continue;
            };
            bound += i128::from(value);
            for (missing, count) in surplus.iter_mut().zip(row) {
                *missing -= count;
            }
        }
        bound
    }

    /// What the lightest change costs, in units of [`ONE`].
    pub fn lightest(&self, seats: &[&Seat]) -> i64 {
        let costs = seats.iter().flat_map(|seat| &seat.choices);
        let least = costs
            .map(|choice| choice.cost >> self.shift)
            .filter(|cost| *cost > 0);
        let least = least.min().and_then(|cost| i64::try_from(cost).ok());
        least.unwrap_or(1).saturating_mul(ONE)
    }
}
