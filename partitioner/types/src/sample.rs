//! One reading of a GPU's sensors and counters. Absent means that the driver does not tell; it is never
//! written as zero.

use crate::bytes::Bytes;
use crate::ids::{CiId, GiId, GpuUuid, MigUuid};
use crate::inventory::GpuProcess;
use crate::time::Timestamp;

/// Reading of one GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuSample {
    /// The GPU.
    pub gpu: GpuUuid,
    /// When it was read.
    pub taken: Timestamp,
    /// Core temperature in degrees Celsius.
    pub temperature_celsius: Option<f64>,
    /// Memory temperature in degrees Celsius.
    pub memory_temperature_celsius: Option<f64>,
    /// Power now, in watts.
    pub power_watts: Option<f64>,
    /// Power limit in force, in watts.
    pub power_limit_watts: Option<f64>,
    /// Energy since the driver was loaded, in joules.
    pub energy_joules: Option<f64>,
    /// SM clock in hertz.
    pub sm_clock_hertz: Option<f64>,
    /// Memory clock in hertz.
    pub memory_clock_hertz: Option<f64>,
    /// Share of time with a kernel running, 0 to 1 (not told while MIG is on).
    pub utilization_ratio: Option<f64>,
    /// Share of time that memory was read or written, 0 to 1 (not told while MIG is on).
    pub memory_utilization_ratio: Option<f64>,
    /// Memory in use.
    pub memory_used: Option<Bytes>,
    /// Memory in all.
    pub memory_total: Option<Bytes>,
    /// Corrected ECC errors since the driver was loaded.
    pub ecc_corrected: Option<u64>,
    /// Uncorrected ECC errors since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
    /// PCIe replays since the driver was loaded.
    pub pcie_replays: Option<u64>,
    /// Why the clocks are held down, as NVML's bits.
    pub clock_event_reasons: Option<u64>,
    /// Share of SMs busy on average, 0 to 1 (GPM, Hopper and later).
    pub sm_activity_ratio: Option<f64>,
    /// Slices that exist on it.
    pub slices: Vec<SliceSample>,
    /// Processes that hold it.
    pub processes: Vec<GpuProcess>,
    /// Code of the newest XID since the worker started, if there was one.
    pub last_xid: Option<u64>,
}

/// Reading of one slice.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceSample {
    /// Its GPU instance.
    pub gi: GiId,
    /// Its compute instance.
    pub ci: CiId,
    /// Its MIG device.
    pub uuid: MigUuid,
    /// Memory in use.
    pub memory_used: Option<Bytes>,
    /// Memory in all.
    pub memory_total: Option<Bytes>,
    /// Share of its SMs busy on average, 0 to 1 (GPM, Hopper and later).
    pub sm_activity_ratio: Option<f64>,
}

/// How long the driver took for a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleCost {
    /// Driver calls made.
    pub calls: u64,
    /// Time in them, in microseconds.
    pub microseconds: u64,
}
