//! `kerf-partitioner sample`: what the sensors of a host's GPUs read at one time.

use serde::Serialize;

use super::inventory::GpuProcess;
use super::{schema_tag, time};

schema_tag!(SamplesSchema, "kerf.v1.Samples");

/// One reading of every GPU. A value that the driver does not tell is null, never zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Samples {
    /// Names this document.
    pub schema: SamplesSchema,
    /// The readings, by NVML index.
    pub samples: Vec<GpuSample>,
    /// GPUs that could not be read, in words.
    pub problems: Vec<String>,
}

/// Reading of one GPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GpuSample {
    /// NVML index.
    pub index: u32,
    /// UUID of the GPU.
    pub gpu: String,
    /// When it was read.
    pub taken_at: String,
    /// Core temperature in degrees Celsius.
    pub temperature_celsius: Option<f64>,
    /// Memory temperature in degrees Celsius.
    pub memory_temperature_celsius: Option<f64>,
    /// Power in watts.
    pub power_watts: Option<f64>,
    /// Power limit in force, in watts.
    pub power_limit_watts: Option<f64>,
    /// Energy since the driver was loaded, in joules.
    pub energy_joules: Option<f64>,
    /// SM clock in hertz.
    pub sm_clock_hertz: Option<f64>,
    /// Memory clock in hertz.
    pub memory_clock_hertz: Option<f64>,
    /// Share of time with a kernel running, 0 to 1.
    pub utilization_ratio: Option<f64>,
    /// Share of time that memory was read or written, 0 to 1.
    pub memory_utilization_ratio: Option<f64>,
    /// Memory in use, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Corrected ECC errors since the driver was loaded.
    pub ecc_corrected: Option<u64>,
    /// Uncorrected ECC errors since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
    /// PCIe replays since the driver was loaded.
    pub pcie_replays: Option<u64>,
    /// Why the clocks are held down, as NVML's bits.
    pub clock_event_reasons: Option<u64>,
    /// Share of SMs busy on average, 0 to 1.
    pub sm_activity_ratio: Option<f64>,
    /// Slices that exist on it.
    pub slices: Vec<SliceSample>,
    /// Processes that hold it.
    pub processes: Vec<GpuProcess>,
    /// Newest XID since the reader started.
    pub last_xid: Option<u64>,
}

/// Reading of one slice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceSample {
    /// Its GPU instance.
    pub gi: u32,
    /// Its compute instance.
    pub ci: u32,
    /// UUID of its MIG device.
    pub uuid: String,
    /// Memory in use, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Share of its SMs busy on average, 0 to 1.
    pub sm_activity_ratio: Option<f64>,
}

impl GpuSample {
    /// The reading of the GPU with this NVML index.
    pub fn new(index: u32, sample: &kerf_types::sample::GpuSample) -> Self {
        Self {
            index,
            gpu: sample.gpu.to_string(),
            taken_at: time(sample.taken.0),
            temperature_celsius: sample.temperature_celsius,
            memory_temperature_celsius: sample.memory_temperature_celsius,
            power_watts: sample.power_watts,
            power_limit_watts: sample.power_limit_watts,
            energy_joules: sample.energy_joules,
            sm_clock_hertz: sample.sm_clock_hertz,
            memory_clock_hertz: sample.memory_clock_hertz,
            utilization_ratio: sample.utilization_ratio,
            memory_utilization_ratio: sample.memory_utilization_ratio,
            memory_used_bytes: sample.memory_used.map(|memory| memory.0),
            memory_total_bytes: sample.memory_total.map(|memory| memory.0),
            ecc_corrected: sample.ecc_corrected,
            ecc_uncorrected: sample.ecc_uncorrected,
            pcie_replays: sample.pcie_replays,
            clock_event_reasons: sample.clock_event_reasons,
            sm_activity_ratio: sample.sm_activity_ratio,
            slices: sample.slices.iter().map(Into::into).collect(),
            processes: sample.processes.iter().map(Into::into).collect(),
            last_xid: sample.last_xid,
        }
    }
}

impl From<&kerf_types::sample::SliceSample> for SliceSample {
    fn from(slice: &kerf_types::sample::SliceSample) -> Self {
        Self {
            gi: slice.gi.0,
            ci: slice.ci.0,
            uuid: slice.uuid.to_string(),
            memory_used_bytes: slice.memory_used.map(|memory| memory.0),
            memory_total_bytes: slice.memory_total.map(|memory| memory.0),
            sm_activity_ratio: slice.sm_activity_ratio,
        }
    }
}

#[cfg(test)]
mod tests;
