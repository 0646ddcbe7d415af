//! Cost and room in one number, so that one search looks for the cheapest split that leaves the most room.
//!
//! A split is worth `cost * whole - more * pairs_of_more - pairs`, in figures summed over its GPUs, and the least of
//! these is the best. Where weights are so large that this does not fit, costs alone are counted, and where they do
//! not fit either, with their last bits cut off.

use super::seat::{Choice, Seat};
use crate::options::Options;

/// Values of all GPUs together are below this: 16 bits are left for parts of one (`price`), and a floating number
/// still tells them apart (`master`).
const VALUE_LIMIT: u128 = 1 << 36;

/// How cost and room become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    /// By how many bits costs are shifted right.
    pub shift: u32,
    /// The value of a cost of one: above that of all room.
    pub whole: i64,
    /// The value of room for one more; 0 where room is not counted.
    pub more: i64,
}

impl Scale {
    /// The one for these GPUs.
    pub fn of(seats: &[&Seat]) -> Self {
        let movable = seats.iter().map(|seat| u128::from(seat.movable));
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
            let shift = 0;
            return Self { shift, whole, more };
        }
        let shifts = (0..u128::BITS).find(|shift| movable >> shift < VALUE_LIMIT);
        Self {
            shift: shifts.unwrap_or(0),
            whole: 1,
            more: 0,
        }
    }

    /// What a cost and room are worth. With shifted costs no more than this, as the costs of GPUs are shifted one by
    /// one.
    pub fn value(&self, cost: u64, room: Options) -> i64 {
        let cost = i64::try_from(cost >> self.shift).unwrap_or(i64::MAX);
        let room = match self.more {
            0 => 0,
            more => i64::from(room.more) * more + i64::from(room.pairs),
        };
        cost.saturating_mul(self.whole).saturating_sub(room)
    }

    /// What a choice is worth.
    pub fn of_choice(&self, choice: &Choice) -> i64 {
        self.value(choice.cost, choice.room)
    }

    /// The least cost of what is worth this or more, in whole multiples of `step`.
    pub fn least_cost(&self, value: i128, step: u64) -> u64 {
        let unit = (i128::from(step) >> self.shift).max(1) * i128::from(self.whole);
        let multiples = (value.max(0) + unit - 1) / unit;
        let step = if self.shift == 0 {
            step
        } else {
            1 << self.shift
        };
        u64::try_from(multiples).map_or(u64::MAX, |count| count.saturating_mul(step))
    }
}
