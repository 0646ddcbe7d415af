//! Sensors and counters of a whole GPU.

use kerf_types::sample::GpuSample;
use kerf_types::{Bytes, GpuUuid, Timestamp};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError as WrapperError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_MEMORY_TEMP;

use crate::nvml::error::{NvmlError, called, optional};
use crate::nvml::ffi;

/// Milliwatts and millijoules to watts and joules.
const MILLI: f64 = 1e-3;
/// Megahertz to hertz.
const MEGA: f64 = 1e6;
/// Percent to a ratio.
const PERCENT: f64 = 1e-2;

/// A reading with everything but slices, processes, GPM and XIDs.
pub fn read(device: &Device<'_>, gpu: GpuUuid, taken: Timestamp) -> Result<GpuSample, NvmlError> {
    let core = TemperatureSensor::Gpu;
    let temperature = ask("nvmlDeviceGetTemperature", device.temperature(core))?;
    let power = ask("nvmlDeviceGetPowerUsage", device.power_usage())?;
    let limit = ask(
        "nvmlDeviceGetEnforcedPowerLimit",
        device.enforced_power_limit(),
    )?;
    let energy = device.total_energy_consumption();
    let energy = ask("nvmlDeviceGetTotalEnergyConsumption", energy)?;
    let sm_clock = ask("nvmlDeviceGetClockInfo", device.clock_info(Clock::SM))?;
    let memory_clock = ask("nvmlDeviceGetClockInfo", device.clock_info(Clock::Memory))?;
    let utilization = ask("nvmlDeviceGetUtilizationRates", device.utilization_rates())?;
    let memory = ask("nvmlDeviceGetMemoryInfo_v2", device.memory_info())?;
    let replays = ask(
        "nvmlDeviceGetPcieReplayCounter",
        device.pcie_replay_counter(),
    )?;
    let milli = |value: Option<u32>| value.map(|value| f64::from(value) * MILLI);
    let mega = |value: Option<u32>| value.map(|value| f64::from(value) * MEGA);
    let percent = |value: u32| f64::from(value) * PERCENT;
    Ok(GpuSample {
        gpu,
        taken,
        temperature_celsius: temperature.map(f64::from),
        memory_temperature_celsius: memory_temperature(device)?,
        power_watts: milli(power),
        power_limit_watts: milli(limit),
        energy_joules: energy.map(|millijoules| float(millijoules) * MILLI),
        sm_clock_hertz: mega(sm_clock),
        memory_clock_hertz: mega(memory_clock),
        utilization_ratio: utilization.as_ref().map(|share| percent(share.gpu)),
        memory_utilization_ratio: utilization.map(|share| percent(share.memory)),
        memory_used: memory.as_ref().map(|memory| Bytes(memory.used)),
        memory_total: memory.map(|memory| Bytes(memory.total)),
        ecc_corrected: ecc(device, MemoryError::Corrected)?,
        ecc_uncorrected: ecc(device, MemoryError::Uncorrected)?,
        pcie_replays: replays.map(u64::from),
        clock_event_reasons: optional(ffi::clock_event_reasons(device))?,
        sm_activity_ratio: None,
        slices: Vec::new(),
        processes: Vec::new(),
        last_xid: None,
    })
}

/// One fact that the GPU may not tell.
pub fn ask<T>(call: &'static str, answer: Result<T, WrapperError>) -> Result<Option<T>, NvmlError> {
    optional(called(call, answer))
}

fn ecc(device: &Device<'_>, kind: MemoryError) -> Result<Option<u64>, NvmlError> {
    let count = device.total_ecc_errors(kind, EccCounter::Volatile);
    ask("nvmlDeviceGetTotalEccErrors", count)
}

/// NVML has no call for it, only a field; not every GPU has the sensor.
fn memory_temperature(device: &Device<'_>) -> Result<Option<f64>, NvmlError> {
    let fields = [FieldId(NVML_FI_DEV_MEMORY_TEMP)];
    let answer = ask("nvmlDeviceGetFieldValues", device.field_values_for(&fields))?;
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
