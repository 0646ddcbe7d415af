//! The NVLink fabric as a cluster of GPUs sees it, and NVLink-C2C: Hopper and later.

use super::call;
use super::handle::Handle;
use super::pointer::{Out, Version, Versioned, version_of};
use crate::model::fabric::FabricTold;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetGpuFabricInfo(device: Handle, out: Out<FabricV1>) {
        out.put(FabricV1::of(fabric(device)?))
    }

    fn nvmlDeviceGetGpuFabricInfoV(device: Handle, out: Versioned) {
        let told = fabric(device)?;
        let (base, health_mask, summary) = (FabricV1::of(told), told.mask, told.summary);
        if out.is::<FabricV3>()? {
            out.put(FabricV3 { version: version_of::<FabricV3>(), base, health_mask, summary })
        } else {
            out.put(FabricV2 { version: version_of::<FabricV2>(), base, health_mask })
        }
    }

    fn nvmlDeviceGetC2cModeInfoV(device: Handle, enabled: Out<u32>) {
        let view = call::gpu(device)?;
        match view.product.architecture.hopper_or_later() {
            true => enabled.put(u32::from(view.machine.c2c_links(view.index) > 0)),
            false => Err(Status::NotSupported),
        }
    }
}

/// `nvmlGpuFabricInfo_t`: UUID of the cluster, status, clique, state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FabricV1 {
    cluster: [u8; 16],
    status: u32,
    clique: u32,
    state: u32,
}

/// `nvmlGpuFabricInfo_v2_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FabricV2 {
    version: u32,
    base: FabricV1,
    health_mask: u32,
}

impl Version for FabricV2 {
    const NUMBER: u32 = 2;
}

/// `nvmlGpuFabricInfo_v3_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FabricV3 {
    version: u32,
    base: FabricV1,
    health_mask: u32,
    summary: u8,
}

impl Version for FabricV3 {
    const NUMBER: u32 = 3;
}

impl FabricV1 {
    fn of(told: FabricTold) -> Self {
        Self {
            cluster: told.cluster,
            status: told.status,
            clique: told.clique,
            state: told.state,
        }
    }
}

fn fabric(device: Handle) -> Result<FabricTold, Status> {
    let view = call::gpu(device)?;
    if view.product.architecture.hopper_or_later() {
        Ok(view.machine.fabric(view.index))
    } else {
        Err(Status::NotSupported)
    }
}
