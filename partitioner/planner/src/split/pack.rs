//! Counts of the wanted profiles in one number, so that a multiset is compared and subtracted at once.
//!
//! Each count has as many bits as the wanted one needs and a guard bit above, which is 0 in every key.

/// Where the count of each wanted profile stands.
#[derive(Debug, Clone)]
pub(super) struct Packing {
    shifts: Vec<u32>,
    guards: u128,
}

impl Packing {
    /// For counts up to `want`; `None` where they need more bits than there are.
    pub fn new(want: &[u32]) -> Option<Self> {
        let mut shifts = Vec::with_capacity(want.len());
        let (mut at, mut guards) = (0_u32, 0_u128);
        for most in want {
            shifts.push(at);
            let guard = at + (u32::BITS - most.leading_zeros());
            guards |= 1_u128.checked_shl(guard)?;
            at = guard + 1;
        }
        Some(Self { shifts, guards })
    }

    /// The key of counts, none of which is above the wanted one.
    pub fn pack(&self, counts: impl IntoIterator<Item = u32>) -> u128 {
        let pairs = counts.into_iter().zip(&self.shifts);
        pairs.fold(0, |key, (count, shift)| key | (u128::from(count) << shift))
    }

    /// What is left of `all` without `some`; `None` where `some` has more of anything.
    pub fn without(&self, all: u128, some: u128) -> Option<u128> {
        let left = (all | self.guards).wrapping_sub(some);
        (left & self.guards == self.guards).then_some(left & !self.guards)
    }
}
