//! GPU performance monitoring: samples of counters and the metrics between two of them, for a GPU
//! or one GPU instance. Hopper and later. Owns the samples of this process.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::sync::{Mutex, PoisonError};

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{HeadAndArray, InOut, Out};
use crate::model::meter::as_f64;
use crate::model::status::Status;

/// `NVML_GPM_METRIC_MAX` of the newest header; the array of the caller may be shorter, and
/// `numMetrics` says how much of it is used.
const MOST_METRICS: u32 = 477;

/// Links of the products that have GPM and NVSwitches.
const LINKS: f64 = 18.0;

nvml! {
    fn nvmlGpmQueryDeviceSupport(device: Handle, support: InOut<Support>) {
        let view = call::gpu(device)?;
        let mut answer = support.get()?;
        if answer.version != 1 {
            return Err(Status::ArgumentVersionMismatch);
        }
        answer.supported = u32::from(view.product.architecture.hopper_or_later());
        support.put(answer)
    }

    fn nvmlGpmSampleAlloc(sample: Out<SampleHandle>) {
        call::machine()?;
        let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
        samples.last += 1;
        let number = samples.last;
        samples.taken.insert(number, None);
        sample.put(SampleHandle(number << 4))
    }

    fn nvmlGpmSampleFree(sample: SampleHandle) {
        let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
        samples.taken.remove(&(sample.0 >> 4)).map(|_| ()).ok_or(Status::InvalidArgument)
    }

    fn nvmlGpmSampleGet(device: Handle, sample: SampleHandle) {
        let view = supported(device)?;
        let percent = view.gpu().sm_percent(view.product);
        let busy_us = view.gpu().meter.busy_us(percent, view.now_us);
        let multiprocessors = view.product.multiprocessors;
        let links = nvlink_mbps(&view);
        store(sample, Counters { links, ..Counters::of(&view, busy_us, 1.0, multiprocessors) })
    }

    fn nvmlGpmMigSampleGet(device: Handle, gi: u32, sample: SampleHandle) {
        let view = supported(device)?;
        view.gpu().require_mig()?;
        let instance = view.gpu().instance(gi).ok_or(Status::NotFound)?;
        let busy_us = instance.meter.busy_us(view.gpu().gi_percent(gi), view.now_us);
        let slices = f64::from(instance.slices(view.product));
        let share = slices / f64::from(view.product.compute_slices);
        let profile = instance.profile(view.product).ok_or(Status::Unknown)?;
        store(sample, Counters::of(&view, busy_us, share, profile.multiprocessors))
    }

    fn nvmlGpmMetricsGet(request: HeadAndArray<MetricsHead, Metric>) {
        call::machine()?;
        metrics(&request)
    }

    // Streaming keeps the counters on between samples; here they always are.
    fn nvmlGpmQueryIfStreamingEnabled(device: Handle, enabled: Out<u32>) {
        supported(device)?;
        enabled.put(1)
    }

    fn nvmlGpmSetStreamingEnabled(device: Handle, state: u32) {
        supported(device)?;
        if state > 1 { Err(Status::InvalidArgument) } else { Ok(()) }
    }
}

/// `nvmlGpmSupport_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Support {
    version: u32,
    supported: u32,
}

/// `nvmlGpmSample_t`.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct SampleHandle(u64);

/// `nvmlGpmMetricsGet_t` up to its array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MetricsHead {
    version: u32,
    count: u32,
    from: SampleHandle,
    to: SampleHandle,
}

/// `nvmlGpmMetric_t`: at its end short name, long name and unit.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Metric {
    id: u32,
    status: u32,
    value: f64,
    names: [*const c_char; 3],
}

/// What a sample holds.
#[derive(Clone, Copy)]
struct Counters {
    at_us: u64,
    busy_us: u64,
    /// The part of the GPU that the sample is about: rates scale with it.
    share: f64,
    /// Speed of all active links in MB/s.
    links: f64,
    /// How long the machine runs.
    up_us: u64,
    /// Cycles of all multiprocessors in a microsecond, at their highest clock.
    cycles_per_us: f64,
}

impl Counters {
    /// Without links, as a GPU instance has none.
    fn of(view: &View, busy_us: u64, share: f64, multiprocessors: u32) -> Self {
        let cycles_per_us = f64::from(multiprocessors) * f64::from(view.product.clocks.max);
        Self {
            at_us: view.now_us,
            busy_us,
            share,
            links: 0.0,
            up_us: view.now_us.saturating_sub(view.machine.created_us),
            cycles_per_us,
        }
    }
}

struct Samples {
    taken: BTreeMap<u64, Option<Counters>>,
    last: u64,
}

static SAMPLES: Mutex<Samples> = Mutex::new(Samples {
    taken: BTreeMap::new(),
    last: 0,
});

fn supported(device: Handle) -> Result<View, Status> {
    let view = call::gpu(device)?;
    if view.product.architecture.hopper_or_later() {
        Ok(view)
    } else {
        Err(Status::NotSupported)
    }
}

fn nvlink_mbps(view: &View) -> f64 {
    let active = matches!(view.machine.link_active(view.index, 0), Ok(true));
    let nvlink = view.product.nvlink;
    if active {
        f64::from(nvlink.links * nvlink.speed_mbps)
    } else {
        0.0
    }
}

fn store(sample: SampleHandle, counters: Counters) -> Result<(), Status> {
    let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    *samples
        .taken
        .get_mut(&(sample.0 >> 4))
        .ok_or(Status::InvalidArgument)? = Some(counters);
    Ok(())
}

fn taken(sample: SampleHandle) -> Result<Counters, Status> {
    let samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    samples
        .taken
        .get(&(sample.0 >> 4))
        .copied()
        .flatten()
        .ok_or(Status::InvalidArgument)
}

fn metrics(request: &HeadAndArray<MetricsHead, Metric>) -> Result<(), Status> {
    let head = request.head()?;
    if head.version != 1 {
        return Err(Status::ArgumentVersionMismatch);
    }
    if head.count > MOST_METRICS {
        return Err(Status::InvalidArgument);
    }
    let (from, to) = (taken(head.from)?, taken(head.to)?);
    let elapsed_us = to.at_us.checked_sub(from.at_us).filter(|&us| us > 0);
    let elapsed_us = elapsed_us.ok_or(Status::InvalidArgument)?;
    let busy = as_f64(to.busy_us.saturating_sub(from.busy_us)) / as_f64(elapsed_us);
    let entries = request.items();
    for index in 0..usize::try_from(head.count).unwrap_or(0) {
        let mut metric = entries.get(index)?;
        metric.names = names(metric.id).map(CStr::as_ptr);
        match value(metric.id, busy.min(1.0), &to) {
            Some(value) => (metric.status, metric.value) = (0, value),
            None => (metric.status, metric.value) = (Status::NotSupported.code(), 0.0),
        }
        entries.set(index, metric)?;
    }
    Ok(())
}

/// Short name, long name and unit.
fn names(id: u32) -> [&'static CStr; 3] {
    match id {
        1 => [c"Graphics", c"Graphics engine activity", c"%"],
        2 => [c"SM", c"SM activity", c"%"],
        3 => [c"SM Occ", c"SM occupancy", c"%"],
        4 => [c"Integer", c"Integer pipe activity", c"%"],
        5 => [c"Tensor", c"Tensor pipe activity", c"%"],
        6 => [c"DFMA", c"Tensor pipe activity, double precision", c"%"],
        7 => [c"HMMA", c"Tensor pipe activity, half precision", c"%"],
        9 => [c"IMMA", c"Tensor pipe activity, integer", c"%"],
        10 => [c"DRAM BW", c"Memory bandwidth in use", c"%"],
        11 => [c"FP64", c"FP64 pipe activity", c"%"],
        12 => [c"FP32", c"FP32 pipe activity", c"%"],
        13 => [c"FP16", c"FP16 pipe activity", c"%"],
        20 => [c"PCIe Tx", c"PCIe traffic sent", c"MiB/s"],
        21 => [c"PCIe Rx", c"PCIe traffic received", c"MiB/s"],
        30..=37 => [c"NVDEC", c"Video decoder activity", c"%"],
        40..=47 => [c"NVJPG", c"JPEG engine activity", c"%"],
        50 | 51 => [c"NVOFA", c"Optical flow engine activity", c"%"],
        60..=97 if id.is_multiple_of(2) => [c"NVLink Rx", c"NVLink traffic received", c"MiB/s"],
        60..=97 => [c"NVLink Tx", c"NVLink traffic sent", c"MiB/s"],
        248 => [c"SM Elapsed", c"SM cycles elapsed", c"cycles"],
        249 => [c"SM Active", c"SM cycles active", c"cycles"],
        250..=254 | 257..=260 => [c"Pipe Active", c"Pipe cycles active", c"cycles"],
        255 => [c"PCIe Tx", c"PCIe bytes sent", c"bytes"],
        256 => [c"PCIe Rx", c"PCIe bytes received", c"bytes"],
        261..=296 => [c"NVLink", c"NVLink bytes", c"bytes"],
        _ => [c"", c"", c""],
    }
}

/// A metric for an SM activity of `busy` (0 to 1): percentages of the pipes as a mixed-precision
/// training step shows them, rates in MiB/s. Ids are `NVML_GPM_METRIC_*`.
fn value(id: u32, busy: f64, at: &Counters) -> Option<f64> {
    let percent = busy * 100.0;
    match id {
        1 | 2 => Some(percent),
        3 => Some(percent * 0.62),
        4 => Some(percent * 0.18),
        5 | 7 => Some(percent * 0.55),
        6 | 9 | 11 => Some(0.0),
        10 => Some(percent * 0.41),
        12 => Some(percent * 0.21),
        13 => Some(percent * 0.07),
        20 => Some((0.3 + 8.6 * busy) * at.share),
        21 => Some((0.3 + 18.4 * busy) * at.share),
        30..=37 | 40..=47 | 50 | 51 => Some(0.0),
        60 | 61 => Some(at.links * 0.1 * busy),
        62..=97 => Some(at.links * 0.1 * busy / LINKS),
        _ => total(id, at),
    }
}

/// A counter that only grows, from the machine's start to the second sample: cycles of
/// multiprocessors and pipes, bytes of PCIe and of each link. The rates are those of `value`.
fn total(id: u32, at: &Counters) -> Option<f64> {
    const MIB: f64 = 1_048_576.0;
    let (up, busy) = (as_f64(at.up_us), as_f64(at.busy_us));
    let active = busy * at.cycles_per_us;
    match id {
        248 => Some(up * at.cycles_per_us),
        249 => Some(active),
        250 | 252 => Some(active * 0.55),
        251 | 253 | 254 | 258 => Some(0.0),
        255 => Some((0.3 * up + 8.6 * busy) / 1e6 * MIB * at.share),
        256 => Some((0.3 * up + 18.4 * busy) / 1e6 * MIB * at.share),
        257 => Some(active * 0.18),
        259 => Some(active * 0.21),
        260 => Some(active * 0.07),
        261..=296 => Some(at.links * 0.1 * busy / LINKS),
        _ => None,
    }
}
