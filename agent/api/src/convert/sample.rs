//! Readings of sensors. A reading that no sensor can give (not a number, a share above 1) is refused whole:
//! it would spoil every sum and average that it gets into.

use kerf_types::sample::{GpuSample, SliceSample};
use kerf_types::{Bytes, CiId, GiId, Timestamp};

use super::gpu::processes;
use super::{ConvertError, GRID_LIMIT, each, number_error, parse};
use crate::v1;

/// Most slices on a GPU: every GPU instance may hold several compute instances.
const SLICE_LIMIT: usize = GRID_LIMIT * GRID_LIMIT;

impl From<&GpuSample> for v1::GpuSample {
    fn from(sample: &GpuSample) -> Self {
        Self {
            gpu: sample.gpu.to_string(),
            taken_ms: sample.taken.0,
            temperature_celsius: sample.temperature_celsius,
            memory_temperature_celsius: sample.memory_temperature_celsius,
            power_watts: sample.power_watts,
            power_limit_watts: sample.power_limit_watts,
            energy_joules: sample.energy_joules,
            sm_clock_hertz: sample.sm_clock_hertz,
            memory_clock_hertz: sample.memory_clock_hertz,
            utilization_ratio: sample.utilization_ratio,
            memory_utilization_ratio: sample.memory_utilization_ratio,
            memory_used_bytes: sample.memory_used.map(|memory| memory.0),
            memory_total_bytes: sample.memory_total.map(|memory| memory.0),
            ecc_corrected: sample.ecc_corrected,
            ecc_uncorrected: sample.ecc_uncorrected,
            pcie_replays: sample.pcie_replays,
            clock_event_reasons: sample.clock_event_reasons,
            sm_activity_ratio: sample.sm_activity_ratio,
            slices: sample.slices.iter().map(Into::into).collect(),
            processes: sample.processes.iter().map(Into::into).collect(),
            last_xid: sample.last_xid,
        }
    }
}

impl TryFrom<v1::GpuSample> for GpuSample {
    type Error = ConvertError;

    fn try_from(sample: v1::GpuSample) -> Result<Self, ConvertError> {
        let memory_temperature = sample.memory_temperature_celsius;
        let memory_utilization = sample.memory_utilization_ratio;
        Ok(Self {
            gpu: parse("gpu", &sample.gpu)?,
            taken: Timestamp(sample.taken_ms),
            temperature_celsius: finite("temperature_celsius", sample.temperature_celsius)?,
            memory_temperature_celsius: finite("memory_temperature_celsius", memory_temperature)?,
            power_watts: amount("power_watts", sample.power_watts)?,
            power_limit_watts: amount("power_limit_watts", sample.power_limit_watts)?,
            energy_joules: amount("energy_joules", sample.energy_joules)?,
            sm_clock_hertz: amount("sm_clock_hertz", sample.sm_clock_hertz)?,
            memory_clock_hertz: amount("memory_clock_hertz", sample.memory_clock_hertz)?,
            utilization_ratio: ratio("utilization_ratio", sample.utilization_ratio)?,
            memory_utilization_ratio: ratio("memory_utilization_ratio", memory_utilization)?,
            memory_used: sample.memory_used_bytes.map(Bytes),
            memory_total: sample.memory_total_bytes.map(Bytes),
            ecc_corrected: sample.ecc_corrected,
            ecc_uncorrected: sample.ecc_uncorrected,
            pcie_replays: sample.pcie_replays,
            clock_event_reasons: sample.clock_event_reasons,
            sm_activity_ratio: ratio("sm_activity_ratio", sample.sm_activity_ratio)?,
            slices: each("slices", sample.slices, SLICE_LIMIT, SliceSample::try_from)?,
            processes: processes(sample.processes)?,
            last_xid: sample.last_xid,
        })
    }
}

impl From<&SliceSample> for v1::SliceSample {
    fn from(sample: &SliceSample) -> Self {
        Self {
            gi: sample.gi.0,
            ci: sample.ci.0,
            uuid: sample.uuid.to_string(),
            memory_used_bytes: sample.memory_used.map(|memory| memory.0),
            memory_total_bytes: sample.memory_total.map(|memory| memory.0),
            sm_activity_ratio: sample.sm_activity_ratio,
        }
    }
}

impl TryFrom<v1::SliceSample> for SliceSample {
    type Error = ConvertError;

    fn try_from(sample: v1::SliceSample) -> Result<Self, ConvertError> {
        Ok(Self {
            gi: GiId(sample.gi),
            ci: CiId(sample.ci),
            uuid: parse("uuid", &sample.uuid)?,
            memory_used: sample.memory_used_bytes.map(Bytes),
            memory_total: sample.memory_total_bytes.map(Bytes),
            sm_activity_ratio: ratio("sm_activity_ratio", sample.sm_activity_ratio)?,
        })
    }
}

fn finite(field: &str, value: Option<f64>) -> Result<Option<f64>, ConvertError> {
    check(field, value, f64::is_finite, "a finite number")
}

fn amount(field: &str, value: Option<f64>) -> Result<Option<f64>, ConvertError> {
    let is_amount = |value: f64| value.is_finite() && value >= 0.0;
    check(field, value, is_amount, "a finite number of at least 0")
}

fn ratio(field: &str, value: Option<f64>) -> Result<Option<f64>, ConvertError> {
    check(
        field,
        value,
        |value| (0.0..=1.0).contains(&value),
        "a share from 0 to 1",
    )
}

fn check(
    field: &str,
    value: Option<f64>,
    is_right: impl Fn(f64) -> bool,
    allowed: &'static str,
) -> Result<Option<f64>, ConvertError> {
    match value {
        Some(wrong) if !is_right(wrong) => Err(number_error(field, wrong, allowed)),
        value => Ok(value),
    }
}
