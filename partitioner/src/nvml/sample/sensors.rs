//! Sensors and counters of a whole GPU.

use kerf_types::sample::GpuSample;
use kerf_types::{Bytes, GpuUuid, Timestamp};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_MEMORY_TEMP;

use super::meter::Meter;
use crate::nvml::error::{NvmlError, optional};
use crate::nvml::ffi;

/// Milliwatts and millijoules to watts and joules.
const MILLI: f64 = 1e-3;
/// Megahertz to hertz.
const MEGA: f64 = 1e6;
/// Percent to a ratio.
const PERCENT: f64 = 1e-2;

/// A reading with everything but slices, processes, GPM and XIDs.
pub fn read(
    device: &Device<'_>,
    gpu: GpuUuid,
    taken: Timestamp,
    meter: &mut Meter,
) -> Result<GpuSample, NvmlError> {
    let temperature = meter.ask("nvmlDeviceGetTemperature", || {
        device.temperature(TemperatureSensor::Gpu)
    })?;
    let power = meter.ask("nvmlDeviceGetPowerUsage", || device.power_usage())?;
    let limit = meter.ask("nvmlDeviceGetEnforcedPowerLimit", || {
        device.enforced_power_limit()
    })?;
    let energy = meter.ask("nvmlDeviceGetTotalEnergyConsumption", || {
        device.total_energy_consumption()
    })?;
    let sm_clock = meter.ask("nvmlDeviceGetClockInfo", || device.clock_info(Clock::SM))?;
    let memory_clock = meter.ask("nvmlDeviceGetClockInfo", || {
        device.clock_info(Clock::Memory)
    })?;
    let utilization = meter.ask("nvmlDeviceGetUtilizationRates", || {
        device.utilization_rates()
    })?;
    let memory = meter.ask("nvmlDeviceGetMemoryInfo_v2", || device.memory_info())?;
    let ecc = |meter: &mut Meter, kind: MemoryError| {
        meter.ask("nvmlDeviceGetTotalEccErrors", || {
            device.total_ecc_errors(kind, EccCounter::Volatile)
        })
    };
    let replays = meter.ask("nvmlDeviceGetPcieReplayCounter", || {
        device.pcie_replay_counter()
    })?;
    Ok(GpuSample {
        gpu,
        taken,
        temperature_celsius: temperature.map(f64::from),
        memory_temperature_celsius: memory_temperature(device, meter)?,
        power_watts: power.map(|milliwatts| f64::from(milliwatts) * MILLI),
        power_limit_watts: limit.map(|milliwatts| f64::from(milliwatts) * MILLI),
        energy_joules: energy.map(|millijoules| float(millijoules) * MILLI),
        sm_clock_hertz: sm_clock.map(|megahertz| f64::from(megahertz) * MEGA),
        memory_clock_hertz: memory_clock.map(|megahertz| f64::from(megahertz) * MEGA),
        utilization_ratio: utilization
            .as_ref()
            .map(|share| f64::from(share.gpu) * PERCENT),
        memory_utilization_ratio: utilization.map(|share| f64::from(share.memory) * PERCENT),
        memory_used: memory.as_ref().map(|memory| Bytes(memory.used)),
        memory_total: memory.map(|memory| Bytes(memory.total)),
        ecc_corrected: ecc(meter, MemoryError::Corrected)?,
        ecc_uncorrected: ecc(meter, MemoryError::Uncorrected)?,
        pcie_replays: replays.map(u64::from),
        clock_event_reasons: optional(meter.count(1, || ffi::clock_event_reasons(device)))?,
        sm_activity_ratio: None,
        slices: Vec::new(),
        processes: Vec::new(),
        last_xid: None,
    })
}

/// NVML has no call for it, only a field; not every GPU has the sensor.
fn memory_temperature(device: &Device<'_>, meter: &mut Meter) -> Result<Option<f64>, NvmlError> {
    let fields = [FieldId(NVML_FI_DEV_MEMORY_TEMP)];
    let answer = meter.ask("nvmlDeviceGetFieldValues", || {
        device.field_values_for(&fields)
    })?;
    let value = answer.and_then(|fields| fields.into_iter().next()?.ok()?.value.ok());
    Ok(value.map(|value| match value {
        SampleValue::F64(celsius) => celsius,
        SampleValue::U32(celsius) => f64::from(celsius),
        SampleValue::U64(celsius) => float(celsius),
        SampleValue::I64(celsius) => signed(celsius),
    }))
}

/// A counter as a float: exact up to 2^53, which is 285,000 years of a kilowatt in millijoules.
fn float(counter: u64) -> f64 {
    counter as f64
}

/// A temperature as a float.
fn signed(value: i64) -> f64 {
    value as f64
}
