//! When a daemon that has ended is started again. Pure: how long it lived comes in, what to do comes out.
//!
//! ```text
//! ended --> again after a pause, which doubles --> ... quick ends in a row --> rests, until sharing begins anew
//!      \--> lived for a while: the count begins anew
//! ```

use std::time::Duration;

/// A daemon that lived longer has not crashed for the way in which it is set up.
const QUICK: Duration = Duration::from_secs(60);

/// Quick ends in a row until it rests. Half a minute of trying: whatever is wrong then will not mend by itself.
const LIMIT: u32 = 6;

/// The first pause; one that is killed by hand is back before anybody has looked for it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What to do about a daemon that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Start it again after this time.
    After(Duration),
    /// Leave it.
    Rest,
}

/// The quick ends of one daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restarts {
    quick: u32,
}

impl Restarts {
    /// It has ended after this time; one that could not be started has not lived at all.
    pub fn ended(&mut self, lived: Duration) -> Next {
        self.quick = match lived < QUICK {
            true => self.quick.saturating_add(1),
            false => 1,
        };
        if self.quick >= LIMIT {
            return Next::Rest;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << (self.quick - 1).min(16));
        Next::After(doubled.min(LONGEST_PAUSE))
    }

    /// How often in a row.
    pub fn count(self) -> u32 {
        self.quick
    }
}
