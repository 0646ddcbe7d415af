//! ECC modes and counters, remapped rows, retired pages.

use super::call::{self, Device, View};
use super::handle::Handle;
use super::pointer::{Array, InOut, Out, Version, Versioned, version_of};
use super::utilization::outside_mig;
use crate::model::gpu::Ecc;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetEccMode(device: Handle, current: Out<u32>, pending: Out<u32>) {
        call::gpu(device)?;
        current.put(1)?;
        pending.put(1)
    }

    fn nvmlDeviceGetDefaultEccMode(device: Handle, mode: Out<u32>) {
        call::gpu(device)?;
        mode.put(1)
    }

    // A MIG device answers for its share: none, for simulated errors are the whole GPU's.
    fn nvmlDeviceGetTotalEccErrors(device: Handle, error: u32, counter: u32, count: Out<u64>) {
        let ecc = match call::device(device)? {
            Device::Gpu(view) => view.gpu().ecc,
            Device::Mig(_) => Ecc::default(),
        };
        count.put(pick(ecc, error, counter)?)
    }

    fn nvmlDeviceGetDetailedEccErrors(
        device: Handle,
        error: u32,
        counter: u32,
        counts: Out<Detailed>,
    ) {
        let memory = pick(call::gpu(device)?.gpu().ecc, error, counter)?;
        counts.put(Detailed { l1: 0, l2: 0, memory, registers: 0 })
    }

    // Locations: 2 device memory, 7 SRAM; the older ones were split out of SRAM and are gone.
    fn nvmlDeviceGetMemoryErrorCounter(
        device: Handle,
        error: u32,
        counter: u32,
        location: u32,
        count: Out<u64>,
    ) {
        let memory = pick(call::gpu(device)?.gpu().ecc, error, counter)?;
        match location {
            2 => count.put(memory),
            7 => count.put(0),
            0..=6 => Err(Status::NotSupported),
            _ => Err(Status::InvalidArgument),
        }
    }

    fn nvmlDeviceClearEccErrorCounts(device: Handle, counter: u32) {
        let view = call::gpu(device)?;
        call::change(view.index, |machine, _| {
            let ecc = &mut machine.gpu_mut(view.index)?.ecc;
            match counter {
                0 => (ecc.volatile_corrected, ecc.volatile_uncorrected) = (0, 0),
                1 => (ecc.aggregate_corrected, ecc.aggregate_uncorrected) = (0, 0),
                _ => return Err(Status::InvalidArgument),
            }
            Ok(())
        })
    }

    fn nvmlDeviceGetSramEccErrorStatus(device: Handle, status: Versioned) {
        call::gpu(device)?;
        let version = version_of::<SramStatus>();
        status.put(SramStatus { version, counts: [0; 11], threshold_exceeded: 0 })
    }

    fn nvmlDeviceGetRemappedRows(
        device: Handle,
        corrected: Out<u32>,
        uncorrected: Out<u32>,
        pending: Out<u32>,
        failed: Out<u32>,
    ) {
        let view = outside_mig(device)?;
        corrected.put(0)?;
        uncorrected.put(remapped_rows(&view))?;
        pending.put(u32::from(remap_pending(&view)))?;
        failed.put(0)
    }

    fn nvmlDeviceGetRowRemapperHistogram(device: Handle, histogram: Out<Histogram>) {
        let view = outside_mig(device)?;
        let banks = view.product.remap_banks;
        let high = remapped_rows(&view).min(banks);
        histogram.put(Histogram { max: banks - high, high, partial: 0, low: 0, none: 0 })
    }

    fn nvmlDeviceGetRetiredPages(
        device: Handle,
        _cause: u32,
        _count: InOut<u32>,
        _pages: Array<u64>,
    ) {
        // Row remapping has replaced page retirement since Ampere.
        call::gpu(device)?;
        Err(Status::NotSupported)
    }

    fn nvmlDeviceGetRetiredPages_v2(
        device: Handle,
        _cause: u32,
        _count: InOut<u32>,
        _pages: Array<u64>,
        _times: Array<u64>,
    ) {
        call::gpu(device)?;
        Err(Status::NotSupported)
    }

    fn nvmlDeviceGetRetiredPagesPendingStatus(device: Handle, _pending: Out<u32>) {
        call::gpu(device)?;
        Err(Status::NotSupported)
    }

    fn nvmlDeviceGetRepairStatus(device: Handle, status: Versioned) {
        call::gpu(device)?;
        let version = version_of::<RepairStatus>();
        status.put(RepairStatus { version, channel_pending: 0, tpc_pending: 0 })
    }
}

/// `nvmlEccErrorCounts_t`.
#[repr(C)]
struct Detailed {
    l1: u64,
    l2: u64,
    memory: u64,
    registers: u64,
}

/// `nvmlEccSramErrorStatus_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SramStatus {
    version: u32,
    counts: [u64; 11],
    threshold_exceeded: u32,
}

impl Version for SramStatus {
    const NUMBER: u32 = 1;
}

/// `nvmlRepairStatus_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RepairStatus {
    version: u32,
    channel_pending: u32,
    tpc_pending: u32,
}

impl Version for RepairStatus {
    const NUMBER: u32 = 1;
}

/// `nvmlRowRemapperHistogramValues_t`.
#[repr(C)]
struct Histogram {
    max: u32,
    high: u32,
    partial: u32,
    low: u32,
    none: u32,
}

/// Error type 0 corrected, 1 uncorrected; counter 0 volatile, 1 aggregate.
fn pick(ecc: Ecc, error: u32, counter: u32) -> Result<u64, Status> {
    match (error, counter) {
        (0, 0) => Ok(ecc.volatile_corrected),
        (1, 0) => Ok(ecc.volatile_uncorrected),
        (0, 1) => Ok(ecc.aggregate_corrected),
        (1, 1) => Ok(ecc.aggregate_uncorrected),
        _ => Err(Status::InvalidArgument),
    }
}

/// Each uncorrected error remaps a row.
pub fn remapped_rows(view: &View) -> u32 {
    u32::try_from(view.gpu().ecc.aggregate_uncorrected).unwrap_or(u32::MAX)
}

/// A row that failed since the last reset waits for the next one.
pub fn remap_pending(view: &View) -> bool {
    view.gpu().ecc.volatile_uncorrected > 0
}
