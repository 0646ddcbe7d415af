//! How busy a GPU is. In MIG mode the driver offers none of this: a client asks GPM.

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{Array, InOut, Out};
use crate::model::status::Status;

/// The driver's sampling period in µs, and how many samples it keeps.
const PERIOD_US: u64 = 250_000;
const KEPT: u64 = 100;
/// `NVML_VALUE_TYPE_UNSIGNED_INT`.
const UNSIGNED_INT: u32 = 1;

nvml! {
    fn nvmlDeviceGetUtilizationRates(device: Handle, out: Out<Rates>) {
        let view = outside_mig(device)?;
        let gpu = view.gpu().sampled_percent(view.product, view.now_us);
        out.put(Rates { gpu, memory: memory_percent(gpu) })
    }

    fn nvmlDeviceGetEncoderUtilization(device: Handle, percent: Out<u32>, period: Out<u32>) {
        media(device, &percent, &period)
    }

    fn nvmlDeviceGetDecoderUtilization(device: Handle, percent: Out<u32>, period: Out<u32>) {
        media(device, &percent, &period)
    }

    fn nvmlDeviceGetJpgUtilization(device: Handle, percent: Out<u32>, period: Out<u32>) {
        media(device, &percent, &period)
    }

    fn nvmlDeviceGetOfaUtilization(device: Handle, percent: Out<u32>, period: Out<u32>) {
        media(device, &percent, &period)
    }

    fn nvmlDeviceGetEncoderStats(
        device: Handle,
        sessions: Out<u32>,
        frames: Out<u32>,
        latency: Out<u32>,
    ) {
        call::gpu(device)?;
        sessions.put(0)?;
        frames.put(0)?;
        latency.put(0)
    }

    fn nvmlDeviceGetEncoderSessions(device: Handle, count: InOut<u32>, _sessions: *mut u8) {
        call::gpu(device)?;
        count.put(0)
    }

    fn nvmlDeviceGetFBCStats(device: Handle, out: Out<FrameCapture>) {
        call::gpu(device)?;
        out.put(FrameCapture { sessions: 0, average_fps: 0, average_latency: 0 })
    }

    fn nvmlDeviceGetFBCSessions(device: Handle, count: InOut<u32>, _sessions: *mut u8) {
        call::gpu(device)?;
        count.put(0)
    }

    fn nvmlDeviceGetSamples(
        device: Handle,
        kind: u32,
        last_seen: u64,
        value_type: Out<u32>,
        count: InOut<u32>,
        samples: Array<Sample>,
    ) {
        let view = outside_mig(device)?;
        value_type.put(UNSIGNED_INT)?;
        let list = samples_since(&view, kind, last_seen)?;
        if samples.is_null() {
            return count.put(u32::try_from(list.len()).unwrap_or(u32::MAX));
        }
        let room = usize::try_from(count.get()?).unwrap_or(usize::MAX);
        let newest = &list[list.len().saturating_sub(room)..];
        count.put(u32::try_from(newest.len()).unwrap_or(u32::MAX))?;
        if newest.is_empty() { Err(Status::NotFound) } else { samples.fill(newest) }
    }
}

/// `nvmlUtilization_t`.
#[repr(C)]
struct Rates {
    gpu: u32,
    memory: u32,
}

/// `nvmlFBCStats_t`.
#[repr(C)]
struct FrameCapture {
    sessions: u32,
    average_fps: u32,
    average_latency: u32,
}

/// `nvmlSample_t`; the value is a union of eight bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sample {
    at_us: u64,
    value: u64,
}

/// The GPU behind a handle, if it is not in MIG mode.
pub fn outside_mig(device: Handle) -> Result<View, Status> {
    let view = call::gpu(device)?;
    if view.gpu().mig {
        Err(Status::NotSupported)
    } else {
        Ok(view)
    }
}

/// Memory is read or written for about a tenth of the time that kernels run, as under gpu-burn.
pub fn memory_percent(gpu_percent: u32) -> u32 {
    gpu_percent * 11 / 100
}

/// The simulated load uses no media engine.
fn media(device: Handle, percent: &Out<u32>, period: &Out<u32>) -> Result<(), Status> {
    outside_mig(device)?;
    percent.put(0)?;
    period.put(u32::try_from(PERIOD_US).unwrap_or(u32::MAX))
}

/// Samples after `last_seen`, none from before the last change of load: those are not known.
fn samples_since(view: &View, kind: u32, last_seen: u64) -> Result<Vec<Sample>, Status> {
    let (gpu, product) = (view.gpu(), view.product);
    let value = |at_us: u64| match kind {
        0 => Ok(gpu.power_mw(product, at_us)),
        1 => Ok(gpu.sampled_percent(product, at_us)),
        2 => Ok(memory_percent(gpu.sampled_percent(product, at_us))),
        3 | 4 | 8 | 9 => Ok(0),
        5 => Ok(gpu.sm_clock_mhz(product)),
        6 => Ok(product.clocks.memory),
        7 => Err(Status::NotSupported),
        _ => Err(Status::InvalidArgument),
    };
    let newest = view.now_us / PERIOD_US;
    let oldest =
        (last_seen.max(gpu.meter.since_us) / PERIOD_US + 1).max(newest.saturating_sub(KEPT));
    value(view.now_us)?;
    (oldest..=newest)
        .map(|tick| {
            let at_us = tick * PERIOD_US;
            Ok(Sample {
                at_us,
                value: u64::from(value(at_us)?),
            })
        })
        .collect()
}
