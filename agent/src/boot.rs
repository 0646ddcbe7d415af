//! Time since the host was booted, over suspends and whatever happens to the wall clock.
//!
//! Spans that must hold over a restart of kerfd are measured in it. A time of another boot is as good as long
//! past: nothing that ran then runs now.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::process::boot_id;

/// A moment of one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTime {
    /// The kernel's id of the boot.
    pub boot: String,
    /// Milliseconds since it.
    pub ms: u64,
}

impl BootTime {
    /// This moment.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let ms = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or_default();
        Self {
            boot: boot_id(),
            ms: seconds.saturating_mul(1_000).saturating_add(ms),
        }
    }

    /// The moment that lies so much later in the same boot.
    #[must_use]
    pub fn after(&self, span: Duration) -> Self {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            boot: self.boot.clone(),
            ms: self.ms.saturating_add(span),
        }
    }

    /// How long it is from `now` to this moment; none for one that has passed or is of another boot.
    pub fn left(&self, now: &Self) -> Duration {
        if self.boot != now.boot {
            return Duration::ZERO;
        }
        Duration::from_millis(self.ms.saturating_sub(now.ms))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::BootTime;

    #[test]
    fn spans_are_of_one_boot() {
        let at = |boot: &str, ms| BootTime {
            boot: boot.to_owned(),
            ms,
        };
        let deadline = at("a", 5_000).after(Duration::from_secs(2));
        assert_eq!(deadline, at("a", 7_000));
        assert_eq!(deadline.left(&at("a", 6_500)), Duration::from_millis(500));
        assert_eq!(deadline.left(&at("a", 7_001)), Duration::ZERO);
        assert_eq!(deadline.left(&at("b", 1)), Duration::ZERO);
        let (one, other) = (BootTime::now(), BootTime::now());
        assert!(one.boot == other.boot && one.ms <= other.ms && one.ms > 0);
    }
}
