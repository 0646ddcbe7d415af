//! The NVLink fabric as a cluster of GPUs sees it: Hopper and later.

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{Out, Version, Versioned, version_of};
use crate::model::status::Status;

/// `NVML_GPU_FABRIC_STATE_COMPLETED`; without NVSwitches the state is NOT_SUPPORTED, 0.
const COMPLETED: u32 = 3;

nvml! {
    fn nvmlDeviceGetGpuFabricInfo(device: Handle, out: Out<FabricV1>) {
        out.put(FabricV1::of(&fabric(device)?))
    }

    fn nvmlDeviceGetGpuFabricInfoV(device: Handle, out: Versioned) {
        let view = fabric(device)?;
        let base = FabricV1::of(&view);
        if out.is::<FabricV3>()? {
            out.put(FabricV3 { version: version_of::<FabricV3>(), base, health_mask: 0, summary: 0 })
        } else {
            out.put(FabricV2 { version: version_of::<FabricV2>(), base, health_mask: 0 })
        }
    }

    fn nvmlDeviceGetC2cModeInfoV(device: Handle, enabled: Out<u32>) {
        call::gpu(device)?;
        enabled.put(0)
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
    fn of(view: &View) -> Self {
        // Links from GPU to GPU make no fabric.
        let state = match view.machine.switch_links(view.index) {
            0 => 0,
            _ => COMPLETED,
        };
        Self {
            cluster: [0; 16],
            status: 0,
            clique: 0,
            state,
        }
    }
}

fn fabric(device: Handle) -> Result<View, Status> {
    let view = call::gpu(device)?;
    if view.product.architecture.hopper_or_later() {
        Ok(view)
    } else {
        Err(Status::NotSupported)
    }
}
