//! Moments on the clock that runs from boot, also through suspend, and that nobody sets.
//!
//! Spans that must hold over a restart of kerfd are measured in it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of one boot. Moments of different boots have no order; to a later boot, every one of an earlier
/// boot has passed: nothing that ran then runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootMoment {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Milliseconds since that boot (`CLOCK_BOOTTIME`).
    pub ms: u64,
}

/// Milliseconds since this boot (`CLOCK_BOOTTIME`), for those who know otherwise of which boot a moment is, or do not
/// need to. It reads no file.
pub fn boot_ms() -> u64 {
    #[cfg(test)]
    if let Some(ms) = simulated_ms() {
        return ms;
    }
    let time = clock_gettime(ClockId::Boottime);
    // Since boot, so neither part is ever negative.
    time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

/// The time of the simulation that this is called in. Its hosts have been up for a while when it begins.
#[cfg(test)]
fn simulated_ms() -> Option<u64> {
    let time = turmoil::sim_elapsed()?;
    Some(SIMULATED_FROM_MS + u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// What the clock of simulated hosts shows when their simulation begins.
#[cfg(test)]
pub(crate) const SIMULATED_FROM_MS: u64 = 1_000_000;

impl BootMoment {
    /// This moment.
    pub fn now() -> Self {
        let boot_id = super::boot_id();
        let ms = boot_ms();
        Self { boot_id, ms }
    }

    /// This much later.
    #[must_use]
    pub fn after(&self, time: Duration) -> Self {
        let more = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            boot_id: self.boot_id.clone(),
            ms: self.ms.saturating_add(more),
        }
    }

    /// How long it is from `now` to this moment; none for one that has passed or is of another boot.
    pub fn left(&self, now: &Self) -> Duration {
        if self.boot_id != now.boot_id {
            return Duration::ZERO;
        }
        Duration::from_millis(self.ms.saturating_sub(now.ms))
    }

    /// Whether it has passed by `now`.
    pub fn has_passed(&self, now: &Self) -> bool {
        self.left(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::BootMoment;
    use std::time::Duration;

    #[test]
    fn moments_pass_in_order_and_with_their_boot() {
        let at = |boot: &str, ms| BootMoment {
            boot_id: boot.to_owned(),
            ms,
        };
        let deadline = at("a", 5_000).after(Duration::from_secs(2));
        assert_eq!(deadline, at("a", 7_000));
        assert_eq!(deadline.left(&at("a", 6_500)), Duration::from_millis(500));
        assert!(!deadline.has_passed(&at("a", 6_999)));
        for later in [at("a", 7_000), at("a", 7_001), at("b", 1)] {
            assert_eq!(deadline.left(&later), Duration::ZERO);
            assert!(deadline.has_passed(&later));
        }
        let (one, other) = (BootMoment::now(), BootMoment::now());
        assert!(one.boot_id == other.boot_id && one.ms <= other.ms && one.ms > 0);
    }
}
