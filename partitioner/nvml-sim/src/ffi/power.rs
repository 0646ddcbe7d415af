//! Power, limits and energy.

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{Out, Version, Versioned};
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetPowerUsage(device: Handle, milliwatts: Out<u32>) {
        let view = call::gpu(device)?;
        milliwatts.put(view.gpu().power_mw(view.product, view.now_us))
    }

    fn nvmlDeviceGetTotalEnergyConsumption(device: Handle, millijoules: Out<u64>) {
        let view = call::gpu(device)?;
        millijoules.put(view.gpu().energy_mj(view.product, view.now_us))
    }

    fn nvmlDeviceGetPowerManagementMode(device: Handle, mode: Out<u32>) {
        call::gpu(device)?;
        mode.put(1)
    }

    fn nvmlDeviceGetPowerManagementLimit(device: Handle, milliwatts: Out<u32>) {
        milliwatts.put(call::gpu(device)?.gpu().settings.power_limit_mw)
    }

    fn nvmlDeviceGetEnforcedPowerLimit(device: Handle, milliwatts: Out<u32>) {
        milliwatts.put(call::gpu(device)?.gpu().settings.power_limit_mw)
    }

    fn nvmlDeviceGetPowerManagementDefaultLimit(device: Handle, milliwatts: Out<u32>) {
        milliwatts.put(call::gpu(device)?.product.power.max_limit_mw)
    }

    fn nvmlDeviceGetPowerManagementLimitConstraints(
        device: Handle,
        low: Out<u32>,
        high: Out<u32>,
    ) {
        let power = call::gpu(device)?.product.power;
        low.put(power.min_limit_mw)?;
        high.put(power.max_limit_mw)
    }

    fn nvmlDeviceSetPowerManagementLimit(device: Handle, milliwatts: u32) {
        set_limit(&call::gpu(device)?, milliwatts)
    }

    // Scope 0 is the GPU; modules are Grace Hopper's.
    fn nvmlDeviceSetPowerManagementLimit_v2(device: Handle, value: Versioned) {
        let view = call::gpu(device)?;
        let value = value.get::<PowerValue>()?;
        if value.scope != 0 {
            return Err(Status::NotSupported);
        }
        set_limit(&view, value.milliwatts)
    }

    // 0 mains, 1 battery, 2 undersized.
    fn nvmlDeviceGetPowerSource(device: Handle, source: Out<u32>) {
        call::gpu(device)?;
        source.put(0)
    }
}

/// `nvmlPowerValue_v2_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PowerValue {
    version: u32,
    scope: u8,
    milliwatts: u32,
}

impl Version for PowerValue {
    const NUMBER: u32 = 2;
}

fn set_limit(view: &View, milliwatts: u32) -> Result<(), Status> {
    let power = view.product.power;
    if !(power.min_limit_mw..=power.max_limit_mw).contains(&milliwatts) {
        return Err(Status::InvalidArgument);
    }
    call::change(view.index, |machine, now| {
        machine.settle(view.index, now)?;
        machine.gpu_mut(view.index)?.settings.power_limit_mw = milliwatts;
        Ok(())
    })
}
