//! What a reading costs: driver calls and the time spent in them, which kerfd shows as metrics of its
//! own, since a slow driver is the first sign of a sick one.

use std::time::{Duration, Instant};

use kerf_types::sample::SampleCost;
use nvml_wrapper::error::NvmlError as WrapperError;

use crate::nvml::error::{NvmlError, called, optional};

/// Counts calls and the time in them.
#[derive(Debug, Default)]
pub struct Meter {
    calls: u64,
    time: Duration,
}

impl Meter {
    /// Runs something that makes about `calls` driver calls.
    pub fn count<T>(&mut self, calls: u64, ask: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let answer = ask();
        self.time += start.elapsed();
        self.calls += calls;
        answer
    }

    /// Asks for one fact that the GPU may not tell.
    pub fn ask<T>(
        &mut self,
        call: &'static str,
        ask: impl FnOnce() -> Result<T, WrapperError>,
    ) -> Result<Option<T>, NvmlError> {
        optional(called(call, self.count(1, ask)))
    }

    /// What it came to.
    pub fn cost(&self) -> SampleCost {
        let microseconds = u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX);
        SampleCost {
            calls: self.calls,
            microseconds,
        }
    }
}
