//! Temperatures and fans, which these passively cooled products do not have.

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{Out, Version, Versioned};
use crate::model::status::Status;

nvml! {
    // Sensor 0 is the GPU, the only one that this call knows.
    fn nvmlDeviceGetTemperature(device: Handle, sensor: u32, celsius: Out<u32>) {
        let view = call::gpu(device)?;
        if sensor != 0 {
            return Err(Status::InvalidArgument);
        }
        celsius.put(gpu_celsius(&view))
    }

    fn nvmlDeviceGetTemperatureV(device: Handle, temperature: Versioned) {
        let view = call::gpu(device)?;
        let mut answer = temperature.get::<Temperature>()?;
        if answer.sensor != 0 {
            return Err(Status::InvalidArgument);
        }
        answer.celsius = i32::try_from(gpu_celsius(&view)).unwrap_or(i32::MAX);
        temperature.put(answer)
    }

    // 0 shutdown, 1 slowdown, 2 highest for memory, 3 highest for the GPU.
    fn nvmlDeviceGetTemperatureThreshold(device: Handle, which: u32, celsius: Out<u32>) {
        let thermal = call::gpu(device)?.product.thermal;
        match which {
            0 => celsius.put(thermal.shutdown_c),
            1 => celsius.put(thermal.slowdown_c),
            2 => celsius.put(thermal.limit_c + thermal.memory_offset_c),
            3 => celsius.put(thermal.limit_c),
            4..=7 => Err(Status::NotSupported),
            _ => Err(Status::InvalidArgument),
        }
    }

    // "T.Limit": degrees left before the driver throttles.
    fn nvmlDeviceGetMarginTemperature(device: Handle, margin: Versioned) {
        let view = call::gpu(device)?;
        let mut answer = margin.get::<Margin>()?;
        let signed = |celsius: u32| i32::try_from(celsius).unwrap_or(i32::MAX);
        answer.celsius = signed(view.product.thermal.limit_c) - signed(gpu_celsius(&view));
        margin.put(answer)
    }

    fn nvmlDeviceGetNumFans(device: Handle, fans: Out<u32>) {
        call::gpu(device)?;
        fans.put(0)
    }
}

/// `nvmlTemperature_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Temperature {
    version: u32,
    sensor: u32,
    celsius: i32,
}

impl Version for Temperature {
    const NUMBER: u32 = 1;
}

/// `nvmlMarginTemperature_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Margin {
    version: u32,
    celsius: i32,
}

impl Version for Margin {
    const NUMBER: u32 = 1;
}

/// The GPU's temperature in °C.
pub fn gpu_celsius(view: &View) -> u32 {
    view.gpu().temperature_mc(view.product, view.now_us) / 1_000
}

/// The memory's: a fixed distance above the GPU's when idle, closing with the load, as an H100
/// shows (41/48 idle, 59/55 loaded).
pub fn memory_celsius(view: &View) -> u32 {
    let thermal = view.product.thermal;
    let above_idle = gpu_celsius(view).saturating_sub(thermal.idle_c);
    thermal.idle_c + thermal.memory_offset_c + above_idle / 2
}
