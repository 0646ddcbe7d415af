//! Settings that outlive the client which makes them.

use super::call;
use super::handle::Handle;
use super::pointer::Out;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetPersistenceMode(device: Handle, mode: Out<u32>) {
        mode.put(u32::from(call::gpu(device)?.gpu().settings.persistence))
    }

    fn nvmlDeviceSetPersistenceMode(device: Handle, mode: u32) {
        let index = call::gpu(device)?.index;
        if mode > 1 {
            return Err(Status::InvalidArgument);
        }
        call::change(index, |machine, _| {
            machine.gpu_mut(index)?.settings.persistence = mode == 1;
            Ok(())
        })
    }

    fn nvmlDeviceGetComputeMode(device: Handle, mode: Out<u32>) {
        mode.put(call::parent(device)?.gpu().settings.compute_mode)
    }

    fn nvmlDeviceSetComputeMode(device: Handle, mode: u32) {
        let index = call::gpu(device)?.index;
        call::change(index, |machine, _| machine.set_compute_mode(index, mode))
    }

    fn nvmlDeviceSetGpuLockedClocks(device: Handle, low_mhz: u32, high_mhz: u32) {
        let view = call::gpu(device)?;
        let (index, clocks) = (view.index, view.product.clocks);
        if low_mhz > high_mhz || low_mhz > clocks.max {
            return Err(Status::InvalidArgument);
        }
        let locked = (low_mhz.max(clocks.idle), high_mhz.clamp(clocks.idle, clocks.max));
        call::change(index, |machine, _| {
            machine.gpu_mut(index)?.settings.locked_clocks_mhz = Some(locked);
            Ok(())
        })
    }

    fn nvmlDeviceResetGpuLockedClocks(device: Handle) {
        let index = call::gpu(device)?.index;
        call::change(index, |machine, _| {
            machine.gpu_mut(index)?.settings.locked_clocks_mhz = None;
            Ok(())
        })
    }
}
