//! The boot clock of one host: it has a rate of its own, may jump forward, and begins at zero with each boot.

use kerf_types::Moment;

use crate::world::Micros;

/// A millionth.
const PPM: u128 = 1_000_000;

/// A clock that goes on while kerfd is dead.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What it showed, in microseconds, at `since`.
    base: u64,
    since: Micros,
    /// How many of its own microseconds pass in a million true ones.
    rate_ppm: u64,
}

impl Clock {
    /// A clock that shows this many milliseconds when the world begins.
    pub fn new(shows_ms: u64, rate_ppm: u64) -> Self {
        Self {
            base: shows_ms * 1_000,
            since: 0,
            rate_ppm,
        }
    }

    fn micros(&self, now: Micros) -> u64 {
        let passed = u128::from(now.saturating_sub(self.since)) * u128::from(self.rate_ppm) / PPM;
        self.base + u64::try_from(passed).unwrap_or(u64::MAX / 2)
    }

    /// What it shows at this true time.
    pub fn at(&self, now: Micros) -> Moment {
        Moment(self.micros(now) / 1_000)
    }

    /// The first true time at which it shows this, not before `now`.
    pub fn when(&self, own: Moment, now: Micros) -> Micros {
        let wanted = own.0.saturating_mul(1_000).saturating_sub(self.base);
        let wait = (u128::from(wanted) * PPM).div_ceil(u128::from(self.rate_ppm));
        let wait = u64::try_from(wait).unwrap_or(u64::MAX / 2);
        self.since.saturating_add(wait).max(now)
    }

    /// It jumps forward.
    pub fn jump(&mut self, now: Micros, forward: Micros) {
        self.base = self.micros(now) + forward;
        self.since = now;
    }

    /// The host boots.
    pub fn restart(&mut self, now: Micros) {
        self.base = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use kerf_types::Moment;

    use super::Clock;

    #[test]
    fn when_is_the_first_time_that_at_shows_it() {
        let mut clock = Clock::new(3_600_000, 1_004_321);
        clock.jump(12_345, 1_500_000);
        for own in [3_601_600, 3_601_601, 3_700_000, 9_999_999] {
            let when = clock.when(Moment(own), 0);
            assert!(clock.at(when) >= Moment(own), "{own}");
            assert!(clock.at(when - 2) < Moment(own), "{own}");
        }
        clock.restart(77);
        assert_eq!(clock.at(77), Moment(0));
    }
}
