//! Events that a driver tells its clients: XIDs, ECC errors, changes of MIG layout. Owns the
//! bounded log in the machine's state; waiting and filtering by event set is the library's part.

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// `nvmlEventTypeSingleBitEccError`.
pub const ECC_CORRECTED: u64 = 0x1;
/// `nvmlEventTypeDoubleBitEccError`.
pub const ECC_UNCORRECTED: u64 = 0x2;
/// `nvmlEventTypeXidCriticalError`.
pub const XID: u64 = 0x8;
/// `nvmlEventMigConfigChange`.
pub const MIG_CONFIG: u64 = 0x100;
/// Every type that the simulator can raise.
pub const SUPPORTED: u64 = ECC_CORRECTED | ECC_UNCORRECTED | XID | MIG_CONFIG;

/// Events kept. A client that lags by more than this loses the oldest, as with a real driver's
/// queue; the number keeps the state file in the tens of kilobytes.
const KEPT: usize = 128;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number; numbers grow by one.
    pub number: u64,
    /// When, µs since the epoch.
    pub at_us: u64,
    /// On which GPU.
    pub gpu: u32,
    /// One bit of `nvmlEventType*`.
    pub kind: u64,
    /// For an XID its number, otherwise 0.
    pub data: u64,
    /// GPU instance, where the event is about one.
    pub gi: Option<u32>,
    /// Compute instance, where the event is about one.
    pub ci: Option<u32>,
}

/// What an event is about, before it has a number.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// For an XID its number.
    pub data: u64,
    /// GPU instance.
    pub gi: Option<u32>,
    /// Compute instance.
    pub ci: Option<u32>,
}

impl Machine {
    /// Adds an event to the log.
    pub fn raise(&mut self, gpu: u32, kind: u64, about: About, now_us: u64) {
        let About { data, gi, ci } = about;
        let number = self.next_event;
        self.next_event += 1;
        self.events.push_back(Event {
            number,
            at_us: now_us,
            gpu,
            kind,
            data,
            gi,
            ci,
        });
        while self.events.len() > KEPT {
            self.events.pop_front();
        }
    }
}
