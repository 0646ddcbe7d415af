//! Memory and BAR1, of GPUs and MIG devices.

use super::call::{self, Device};
use super::handle::Handle;
use super::pointer::{Out, Version, Versioned, version_of};
use crate::model::load::Memory;
use crate::model::status::Status;

nvml! {
    // The first version has no field for the reserved part and counts it as used.
    fn nvmlDeviceGetMemoryInfo(device: Handle, out: Out<MemoryV1>) {
        let memory = memory(device)?;
        let used = memory.used + memory.reserved;
        out.put(MemoryV1 { total: memory.total, free: memory.free(), used })
    }

    fn nvmlDeviceGetMemoryInfo_v2(device: Handle, out: Versioned) {
        let memory = memory(device)?;
        out.put(MemoryV2 {
            version: version_of::<MemoryV2>(),
            total: memory.total,
            reserved: memory.reserved,
            free: memory.free(),
            used: memory.used,
        })
    }

    fn nvmlDeviceGetBAR1MemoryInfo(device: Handle, out: Out<MemoryV1>) {
        let (total, used) = match call::device(device)? {
            Device::Gpu(view) => {
                let memory = view.gpu().memory(view.product);
                // MIG mode maps all of the memory at once; without it BAR1 follows allocations.
                let mapped = memory.total - memory.reserved;
                let used = if view.gpu().mig { mapped } else { memory.used + (1 << 20) };
                (view.product.bar1_mib << 20, used)
            }
            Device::Mig(found) => {
                let (gi, _) = found.instances()?;
                let size = gi.profile(found.view.product).map_or(0, |profile| profile.size);
                (u64::from(size) * (found.view.product.bar1_slice_kib << 10), 0)
            }
        };
        out.put(MemoryV1 { total, free: total.saturating_sub(used), used })
    }

    fn nvmlDeviceGetMemoryBusWidth(device: Handle, bits: Out<u32>) {
        bits.put(call::gpu(device)?.product.memory_bus_bits)
    }

    fn nvmlDeviceGetConfComputeMemSizeInfo(device: Handle, out: Out<ProtectedSize>) {
        let view = call::gpu(device)?;
        let memory = view.gpu().memory(view.product);
        let kib = (memory.total - memory.reserved) >> 10;
        out.put(ProtectedSize { protected_kib: 0, unprotected_kib: kib })
    }

    fn nvmlDeviceGetConfComputeProtectedMemoryUsage(device: Handle, out: Out<MemoryV1>) {
        call::gpu(device)?;
        out.put(MemoryV1 { total: 0, free: 0, used: 0 })
    }
}

/// `nvmlMemory_t`, and `nvmlBAR1Memory_t`, whose fields have other names.
#[repr(C)]
pub struct MemoryV1 {
    total: u64,
    free: u64,
    used: u64,
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemoryV2 {
    version: u32,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

impl Version for MemoryV2 {
    const NUMBER: u32 = 2;
}

/// `nvmlConfComputeMemSizeInfo_t`.
#[repr(C)]
struct ProtectedSize {
    protected_kib: u64,
    unprotected_kib: u64,
}

fn memory(device: Handle) -> Result<Memory, Status> {
    match call::device(device)? {
        Device::Gpu(view) => Ok(view.gpu().memory(view.product)),
        Device::Mig(found) => {
            let (gi, _) = found.instances()?;
            Ok(found.view.memory_of(gi))
        }
    }
}
