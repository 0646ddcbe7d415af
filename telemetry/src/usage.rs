//! What a lease has used of its devices: a pure account, fed with spans of time and readings.
//!
//! Time held is exact, for it needs no sensor. What the sensors tell is summed over the spans between readings, and is
//! absent where no reading ever told it: a slice of a GPU before Hopper has no activity of its own.

use std::time::Duration;

use kerf_types::Bytes;

/// An account.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Time with kernels running, summed over devices.
    pub busy: Option<Duration>,
    /// Most memory in use at one reading, over all devices.
    pub memory_peak: Option<Bytes>,
    /// Its part of the energy of its GPUs, in joules.
    pub energy_joules: Option<f64>,
}

/// One device of a lease over a span that has ended now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeviceReading {
    /// Part of the span with kernels running, 0 to 1.
    pub activity: Option<f64>,
    /// Memory in use now.
    pub memory_used: Option<Bytes>,
    /// Energy that the whole GPU took in the span, in joules.
    pub gpu_energy_joules: Option<f64>,
    /// Which part of the GPU the device is, 0 to 1.
    pub part: Option<f64>,
}

impl Usage {
    /// Adds a span with a reading of each device.
    pub fn add(&mut self, span: Duration, devices: &[DeviceReading]) {
        for device in devices {
            if let Some(activity) = device.activity {
                let busy = span.mul_f64(activity.clamp(0.0, 1.0));
                self.busy = Some(self.busy.unwrap_or_default() + busy);
            }
            if let (Some(energy), Some(part)) = (device.gpu_energy_joules, device.part) {
                let own = energy.max(0.0) * part.clamp(0.0, 1.0);
                self.energy_joules = Some(self.energy_joules.unwrap_or_default() + own);
            }
        }
        let used: Option<u64> = devices
            .iter()
            .filter_map(|device| device.memory_used)
            .map(|bytes| bytes.0)
            .reduce(u64::saturating_add);
        self.memory_peak = self.memory_peak.max(used.map(Bytes));
    }
}

/// The part of a GPU that a device with `own` of its `all` multiprocessors is, shared by `of` containers. Energy has no
/// meter for each slice, so it is divided by what a slice may use, and not by what it does.
pub fn part(own: u32, all: u32, of: u32) -> Option<f64> {
    let is_known = own > 0 && own <= all;
    is_known.then(|| f64::from(own) / f64::from(all) / f64::from(of.max(1)))
}

/// The energy of a GPU between two readings, in joules: by its counter, which begins anew with the driver, or else by the
/// power that it takes now.
pub fn energy(
    before: Option<f64>,
    now: Option<f64>,
    watts: Option<f64>,
    span: Duration,
) -> Option<f64> {
    let counted = before.zip(now).map(|(before, now)| now - before);
    let counted = counted.filter(|joules| *joules >= 0.0);
    counted.or_else(|| watts.map(|watts| watts * span.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_not_told_is_absent_and_never_zero() {
        let mut usage = Usage::default();
        usage.add(SECOND, &[DeviceReading::default()]);
        assert_eq!(usage, Usage::default());
        let idle = DeviceReading {
            activity: Some(0.0),
            ..DeviceReading::default()
        };
        usage.add(SECOND, &[idle]);
        assert_eq!(usage.busy, Some(Duration::ZERO));
        assert_eq!((usage.memory_peak, usage.energy_joules), (None, None));
    }

    #[test]
    fn spans_add_up_over_devices_and_the_peak_is_of_one_moment() {
        let device = |activity, memory, energy| DeviceReading {
            activity: Some(activity),
            memory_used: Some(Bytes(memory)),
            gpu_energy_joules: Some(energy),
            part: Some(0.25),
        };
        let mut usage = Usage::default();
        usage.add(SECOND, &[device(0.5, 10, 400.0), device(1.0, 20, 200.0)]);
        usage.add(2 * SECOND, &[device(0.25, 25, 100.0), device(7.0, 1, -3.0)]);
        assert_eq!(
            usage.busy,
            Some(Duration::from_secs(4)),
            "0.5 + 1 + 0.5 + 2"
        );
        assert_eq!(usage.memory_peak, Some(Bytes(30)));
        assert_eq!(
            usage.energy_joules,
            Some(175.0),
            "a quarter of 400, 200 and 100"
        );
    }

    #[test]
    fn energy_is_the_counters_and_else_the_powers() {
        assert_eq!(
            energy(Some(10.0), Some(35.0), Some(9.0), SECOND),
            Some(25.0)
        );
        assert_eq!(
            energy(Some(10.0), Some(3.0), Some(9.0), SECOND),
            Some(9.0),
            "loaded anew"
        );
        assert_eq!(energy(None, Some(3.0), Some(9.0), 2 * SECOND), Some(18.0));
        assert_eq!(energy(None, None, None, SECOND), None);
        assert_eq!(part(16, 132, 1), Some(16.0 / 132.0));
        assert_eq!(part(132, 132, 4), Some(0.25));
        assert_eq!(
            (part(0, 132, 1), part(132, 0, 1), part(140, 132, 1)),
            (None, None, None)
        );
    }
}
