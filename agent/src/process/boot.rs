//! Moments on the clock that runs from boot, also through suspend, and that nobody sets.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of one boot. Moments of different boots have no order; to a later boot, every one of an earlier
/// boot has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootMoment {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Milliseconds since that boot (`CLOCK_BOOTTIME`).
    pub ms: u64,
}

impl BootMoment {
    /// This moment.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        // Since boot, so neither part is ever negative.
        let ms = time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000;
        let boot_id = super::boot_id();
        Self { boot_id, ms }
    }

    /// This much later.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        let more = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.ms = self.ms.saturating_add(more);
        self
    }

    /// Whether it has passed by `now`.
    pub fn has_passed(&self, now: &Self) -> bool {
        self.boot_id != now.boot_id || self.ms <= now.ms
    }
}

#[cfg(test)]
mod tests {
    use super::BootMoment;
    use std::time::Duration;

    #[test]
    fn moments_pass_in_order_and_with_their_boot() {
        let now = BootMoment::now();
        let later = now.clone().after(Duration::from_secs(60));
        assert!(now.has_passed(&now) && !later.has_passed(&now));
        assert!(now.has_passed(&later));
        let other = BootMoment {
            boot_id: "another".to_owned(),
            ..now.clone()
        };
        assert!(later.has_passed(&other));
    }
}
