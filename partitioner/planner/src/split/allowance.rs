//! What a search covers: what is worth at most so much by each of two bounds. Keeps account of the rest.

use super::price::{Bound, ONE};

/// What something is worth beyond each of the bounds.
pub(super) type Beyond = [i64; 2];

/// Up to where a search goes.
pub(super) struct Allowance {
    /// How much beyond each bound is covered.
    most: Beyond,
    /// What the bounds prove.
    bounds: [i128; 2],
    /// What is not covered and was met is worth at least this, in the unit of the bounds.
    pub dropped: Option<i128>,
}

impl Allowance {
    /// All that is worth no more than `value` is covered.
    pub fn new(bounds: [&Bound; 2], value: i128) -> Self {
        let value = value.saturating_mul(i128::from(ONE));
        let most = bounds.map(|bound| {
            let most = (value - bound.value).max(0);
            i64::try_from(most).unwrap_or(i64::MAX)
        });
        Self {
            most,
            bounds: bounds.map(|bound| bound.value),
            dropped: None,
        }
    }

    /// Whether this is covered. Notes it where it is not.
    pub fn covers(&mut self, beyond: Beyond) -> bool {
        let [most, most_of_other] = self.most;
        let [one, other] = beyond;
        if one <= most && other <= most_of_other {
            return true;
        }
        // A way is worth at least what either bound says.
        let [bound, bound_of_other] = self.bounds;
        let value = (bound + i128::from(one)).max(bound_of_other + i128::from(other));
        self.dropped = Some(self.dropped.map_or(value, |least| least.min(value)));
        false
    }

    /// Whether nothing is covered that is this much or more beyond the first bound.
    pub fn covers_none_after(&self, beyond: Beyond) -> bool {
        beyond[0] > self.most[0]
    }
}

/// Both together.
pub(super) fn sum([one, other]: Beyond, [more, more_of_other]: Beyond) -> Beyond {
    [
        one.saturating_add(more),
        other.saturating_add(more_of_other),
    ]
}
