//! Values that vary with time: activity, power, temperature, energy. Owns the integrals that are
//! settled at each change of load, so that every value is a pure function of (state, now) and two
//! clients that ask at one moment agree. No clock is read here.

use serde::{Deserialize, Serialize};

use super::gpu::Gpu;
use super::machine::Machine;
use super::product::Product;
use super::status::Status;

/// Seconds in which the temperature covers 63 % of a step.
const THERMAL_SECONDS: f64 = 20.0;
/// Jitter holds for this long, so that clients which poll together see one value.
const JITTER_US: u64 = 250_000;

/// Integrals up to `since_us`; the load since then is constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// When the load last changed, µs since the epoch.
    pub since_us: u64,
    /// Integral of the SM activity: a microsecond at 100 % counts one.
    pub busy_us: u64,
    /// Energy in µJ.
    pub energy_uj: u64,
    /// Time under the power cap in µs.
    pub capped_us: u64,
    /// Temperature at `since_us` in m°C.
    pub temperature_mc: u32,
}

impl Meter {
    /// A meter that begins now.
    #[must_use]
    pub fn starting(now_us: u64, temperature_mc: u32) -> Self {
        Self {
            since_us: now_us,
            temperature_mc,
            ..Self::default()
        }
    }

    /// Integral of activity now, for a load of `percent` since the last change.
    #[must_use]
    pub fn busy_us(&self, percent: u32, now_us: u64) -> u64 {
        self.busy_us + now_us.saturating_sub(self.since_us) * u64::from(percent) / 100
    }
}

impl Gpu {
    /// SM activity of one GPU instance, percent of that instance.
    #[must_use]
    pub fn gi_percent(&self, gi: u32) -> u32 {
        let on_it = self
            .processes
            .iter()
            .filter(|process| process.gi == Some(gi));
        on_it
            .map(|process| process.sm_percent)
            .sum::<u32>()
            .min(100)
    }

    /// SM activity of the whole GPU in percent.
    #[must_use]
    pub fn sm_percent(&self, product: &Product) -> u32 {
        if !self.mig {
            return self
                .processes
                .iter()
                .map(|process| process.sm_percent)
                .sum::<u32>()
                .min(100);
        }
        let shares = self
            .instances
            .iter()
            .map(|gi| self.gi_percent(gi.id) * gi.slices(product));
        (shares.sum::<u32>() / product.compute_slices).min(100)
    }

    /// SM activity as a client samples it: a jitter of two points around a partial load.
    #[must_use]
    pub fn sampled_percent(&self, product: &Product, now_us: u64) -> u32 {
        let percent = self.sm_percent(product);
        if percent == 0 || percent == 100 {
            return percent;
        }
        let swing = self.jitter(1, now_us) % 5;
        (percent + swing).saturating_sub(2).clamp(1, 100)
    }

    /// Power that the load asks for, the cap aside.
    fn wanted_mw(&self, product: &Product) -> u32 {
        let span = product.power.full_mw - product.power.idle_mw;
        let percent = self.sm_percent(product);
        // A busy slice draws more than its share, for clocks and memory are the whole GPU's: a 3g
        // at full load takes an H100 from 71 to 432 W. The curve goes through that and 100 %.
        let drawn = if self.mig {
            percent * (190 - 90 * percent / 100) / 100
        } else {
            percent
        };
        product.power.idle_mw + span / 100 * drawn
    }

    /// Whether the power limit holds the GPU back.
    #[must_use]
    pub fn power_capped(&self, product: &Product) -> bool {
        self.wanted_mw(product) > self.settings.power_limit_mw
    }

    /// Mean power in mW.
    #[must_use]
    pub fn mean_power_mw(&self, product: &Product) -> u32 {
        self.wanted_mw(product).min(self.settings.power_limit_mw)
    }

    /// Power as a sensor reads it: up to 1 % below or above the mean, never above the limit.
    #[must_use]
    pub fn power_mw(&self, product: &Product, now_us: u64) -> u32 {
        let mean = self.mean_power_mw(product);
        let swing = self.jitter(2, now_us) % 201;
        // Below 4.2 MW the product fits into 32 bits only after the division by ten.
        (mean / 10 * (9_900 + swing) / 1_000).min(self.settings.power_limit_mw)
    }

    /// GPU temperature in m°C: it approaches the load's own value exponentially.
    #[must_use]
    pub fn temperature_mc(&self, product: &Product, now_us: u64) -> u32 {
        let warmth = product.thermal.full_c - product.thermal.idle_c;
        let above_idle = self
            .mean_power_mw(product)
            .saturating_sub(product.power.idle_mw);
        let span = product.power.full_mw - product.power.idle_mw;
        let target = f64::from(product.thermal.idle_c * 1_000)
            + f64::from(warmth * 1_000) * f64::from(above_idle) / f64::from(span);
        let seconds = as_f64(now_us.saturating_sub(self.meter.since_us)) / 1e6;
        let left = (-seconds / THERMAL_SECONDS).exp();
        let now = target + (f64::from(self.meter.temperature_mc) - target) * left;
        u32::try_from(rounded(now)).unwrap_or(u32::MAX)
    }

    /// Energy since the machine was made, in mJ.
    #[must_use]
    pub fn energy_mj(&self, product: &Product, now_us: u64) -> u64 {
        self.energy_uj(product, now_us) / 1_000
    }

    fn energy_uj(&self, product: &Product, now_us: u64) -> u64 {
        let elapsed = now_us.saturating_sub(self.meter.since_us);
        self.meter.energy_uj + elapsed * u64::from(self.mean_power_mw(product)) / 1_000
    }

    /// Time under the power cap in µs.
    #[must_use]
    pub fn capped_us(&self, product: &Product, now_us: u64) -> u64 {
        let elapsed = now_us.saturating_sub(self.meter.since_us);
        self.meter.capped_us
            + if self.power_capped(product) {
                elapsed
            } else {
                0
            }
    }

    /// Graphics clock in MHz.
    #[must_use]
    pub fn sm_clock_mhz(&self, product: &Product) -> u32 {
        let idle = self.sm_percent(product) == 0;
        let clock = if idle {
            product.clocks.idle
        } else {
            product.clocks.max
        };
        self.settings
            .locked_clocks_mhz
            .map_or(clock, |(low, high)| clock.clamp(low, high))
    }

    /// A number that looks random, the same for every client within a quarter of a second.
    #[must_use]
    pub fn jitter(&self, salt: u64, now_us: u64) -> u32 {
        let (high, low) = self.uuid.as_u64_pair();
        let mixed = super::mix(high ^ low.rotate_left(17) ^ salt ^ (now_us / JITTER_US) << 8);
        u32::try_from(mixed >> 33).unwrap_or(0)
    }
}

impl Machine {
    /// Brings the integrals of a GPU up to now; to be called before its load changes.
    ///
    /// # Errors
    /// As `gpu` and `product`.
    pub fn settle(&mut self, gpu: u32, now_us: u64) -> Result<(), Status> {
        let product = self.product()?;
        let state = self.gpu_mut(gpu)?;
        let settled = Meter {
            since_us: now_us.max(state.meter.since_us),
            busy_us: state.meter.busy_us(state.sm_percent(product), now_us),
            energy_uj: state.energy_uj(product, now_us),
            capped_us: state.capped_us(product, now_us),
            temperature_mc: state.temperature_mc(product, now_us),
        };
        let shares: Vec<u32> = state
            .instances
            .iter()
            .map(|gi| state.gi_percent(gi.id))
            .collect();
        state.meter = settled;
        for (gi, percent) in state.instances.iter_mut().zip(shares) {
            gi.meter.busy_us = gi.meter.busy_us(percent, now_us);
            gi.meter.since_us = now_us.max(gi.meter.since_us);
        }
        Ok(())
    }
}

/// A counter as a float; counters here stay far below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds stay exact for 285 years"
)]
pub(crate) fn as_f64(value: u64) -> f64 {
    value as f64
}

/// A float as a counter: negative and not-a-number become 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(crate) fn rounded(value: f64) -> u64 {
    value.round() as u64
}
