//! Compute instances: their MIG device, and destroying them.

use std::ptr;

use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings as sys;

use super::{NvmlError, check, symbol};

/// A compute instance that the driver has named to us; it lives as a GPU instance's handle does.
#[derive(Debug)]
pub struct ComputeHandle<'n> {
    handle: sys::nvmlComputeInstance_t,
    nvml: &'n Nvml,
}

/// What the driver says of a compute instance.
#[derive(Debug)]
pub struct ComputeInfo<'n> {
    /// Its id in the GPU instance.
    pub id: u32,
    /// Id of its profile.
    pub profile: u32,
    /// Start and size in the GPU instance, in compute slices.
    pub place: (u32, u32),
    /// The MIG device that it makes visible. Taken from here, since looking through all MIG indices for
    /// it was measured to take seconds under load.
    pub mig_device: Device<'n>,
}

impl<'n> ComputeHandle<'n> {
    pub(super) fn new(handle: sys::nvmlComputeInstance_t, nvml: &'n Nvml) -> Self {
        Self { handle, nvml }
    }

    /// Whether both name one life of one instance.
    pub fn is_same(&self, other: &Self) -> bool {
        self.handle == other.handle
    }

    /// What it is, and its MIG device.
    pub fn info(&self) -> Result<ComputeInfo<'n>, NvmlError> {
        const CALL: &str = "nvmlComputeInstanceGetInfo_v2";
        let function = symbol(&self.nvml.lib().nvmlComputeInstanceGetInfo_v2, CALL)?;
        let mut info = sys::nvmlComputeInstanceInfo_t {
            device: ptr::null_mut(),
            gpuInstance: ptr::null_mut(),
            id: 0,
            profileId: 0,
            placement: sys::nvmlComputeInstancePlacement_t { start: 0, size: 0 },
        };
        // SAFETY: the handle came from this library and was not destroyed through us, since destroying
        // takes it; the function writes one structure, which outlives the call.
        let code = unsafe { function(self.handle, &raw mut info) };
        check(CALL, code)?;
        // SAFETY: on success `device` is a handle of this library (nvml.h), and `Device` asks for no
        // more: a handle that has become stale makes the driver answer an error.
        let mig_device = unsafe { Device::new(info.device, self.nvml) };
        Ok(ComputeInfo {
            id: info.id,
            profile: info.profileId,
            place: (info.placement.start, info.placement.size),
            mig_device,
        })
    }

    /// Destroys it. No process may use it.
    pub fn destroy(self) -> Result<(), NvmlError> {
        const CALL: &str = "nvmlComputeInstanceDestroy";
        let function = symbol(&self.nvml.lib().nvmlComputeInstanceDestroy, CALL)?;
        // SAFETY: as in `info`; `self` is taken, so this was the handle's last use.
        check(CALL, unsafe { function(self.handle) })
    }
}
