//! Seeded random numbers for tickets and pauses.

use std::time::Duration;

/// A small seeded generator (splitmix64, public domain, Sebastiano Vigna 2015). Never a source of secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between half of a wait and all of it: two that wait for each other do not meet again.
    pub fn about(&mut self, wait: Duration) -> Duration {
        let most_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let part = self.next().checked_rem(most_ms / 2 + 1).unwrap_or(0);
        Duration::from_millis(most_ms / 2 + part)
    }
}

/// A first wait, doubled so often, up to a longest one.
pub(crate) fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times.min(24)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}
