//! Cost and room in one number, so that one search looks for the cheapest split that leaves the most room.
//!
//! A split is worth `cost * whole - more * pairs_of_more - pairs`, in figures summed over its GPUs, and the least of
//! these is the best. Costs are counted in the greatest step of which all are multiples. Where weights are so large
//! that this does not fit, costs alone are counted, and where they do not fit either, with their last bits cut off.

use super::seat::{Choice, Seat};
use crate::options::Options;

/// Values of all GPUs together are below this: bits are left for parts of one (`price`), and a floating number still
/// tells them apart (`master`).
const VALUE_LIMIT: u128 = 1 << 40;

/// How cost and room become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    /// All costs are multiples of this.
    pub step: u64,
    /// By how many bits costs are shifted right.
    pub shift: u32,
    /// The value of a cost of one: above that of all room.
    pub whole: i64,
    /// The value of room for one more; 0 where room is not counted.
    pub more: i64,
}

impl Scale {
    /// The one for these GPUs, where all costs are multiples of `step`.
    pub fn of(seats: &[&Seat], step: u64) -> Self {
        let movable = seats.iter().map(|seat| u128::from(seat.movable / step));
        let movable: u128 = movable.sum();
        let most = |figure: fn(Options) -> u32| -> i64 {
            let most = |seat: &&Seat| seat.choices.iter().map(|one| figure(one.room)).max();
            seats.iter().filter_map(most).map(i64::from).sum()
        };
        let (fits, pairs) = (most(|room| room.more), most(|room| room.pairs));
        let more = pairs + 1;
        let whole = more.saturating_mul(fits).saturating_add(more);
        let all = (movable + 1).checked_mul(u128::from(whole.unsigned_abs()));
        if all.is_some_and(|all| all < VALUE_LIMIT) {
            return Self {
                step,
                shift: 0,
                whole,
                more,
            };
        }
        let shift = (0..u128::BITS).find(|shift| movable >> shift < VALUE_LIMIT);
        Self {
            step,
            shift: shift.unwrap_or(0),
            whole: 1,
            more: 0,
        }
    }

    /// How many steps a cost is, shifted.
    pub fn steps(&self, cost: u64) -> i64 {
        i64::try_from((cost / self.step) >> self.shift).unwrap_or(i64::MAX)
    }

    /// What a cost and room are worth. Where costs are shifted this is no less than the sum of what the GPUs' are.
    pub fn value(&self, cost: u64, room: Options) -> i64 {
        let room = match self.more {
            0 => 0,
            more => i64::from(room.more) * more + i64::from(room.pairs),
        };
        let steps = self.steps(cost);
        steps.saturating_mul(self.whole).saturating_sub(room)
    }

    /// What a choice is worth.
    pub fn of_choice(&self, choice: &Choice) -> i64 {
        self.value(choice.cost, choice.room)
    }

    /// What no split is worth more than.
    pub fn most(&self, seats: &[&Seat]) -> i128 {
        let movable = seats.iter().map(|seat| self.steps(seat.movable));
        movable.map(i128::from).sum::<i128>() * i128::from(self.whole)
    }

    /// The least steps of what is worth this or more.
    pub fn least_steps(&self, value: i128) -> i64 {
        let whole = i128::from(self.whole);
        let steps = (value.max(0) + whole - 1) / whole;
        i64::try_from(steps).unwrap_or(i64::MAX)
    }

    /// The least cost of what is worth this or more.
    pub fn least_cost(&self, value: i128) -> u64 {
        let unit = self.step.saturating_mul(1 << self.shift);
        self.least_steps(value).unsigned_abs().saturating_mul(unit)
    }
}
