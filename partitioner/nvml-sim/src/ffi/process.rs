//! Processes on GPUs and MIG devices, in every version of the calls.

use super::call::{self, Device};
use super::handle::Handle;
use super::pointer::{Array, InOut, Out, Version, Versioned};
use super::utilization::memory_percent;
use crate::model::load::Process;
use crate::model::share::MpsRole;
use crate::model::status::Status;

/// What a record holds where there is no instance.
const NO_INSTANCE: u32 = u32::MAX;

nvml! {
    fn nvmlDeviceGetComputeRunningProcesses_v3(
        device: Handle,
        count: InOut<u32>,
        infos: Array<ProcessV2>,
    ) {
        infos.fill_counted(&count, &records(device)?)
    }

    fn nvmlDeviceGetComputeRunningProcesses_v2(
        device: Handle,
        count: InOut<u32>,
        infos: Array<ProcessV2>,
    ) {
        infos.fill_counted(&count, &records(device)?)
    }

    fn nvmlDeviceGetComputeRunningProcesses(
        device: Handle,
        count: InOut<u32>,
        infos: Array<ProcessV1>,
    ) {
        let records: Vec<ProcessV1> = records(device)?.iter().map(ProcessV1::from).collect();
        infos.fill_counted(&count, &records)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses_v3(
        device: Handle,
        count: InOut<u32>,
        _infos: Array<ProcessV2>,
    ) {
        none(device, &count)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses_v2(
        device: Handle,
        count: InOut<u32>,
        _infos: Array<ProcessV2>,
    ) {
        none(device, &count)
    }

    fn nvmlDeviceGetGraphicsRunningProcesses(
        device: Handle,
        count: InOut<u32>,
        _infos: Array<ProcessV1>,
    ) {
        none(device, &count)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
        device: Handle,
        count: InOut<u32>,
        infos: Array<ProcessV2>,
    ) {
        infos.fill_counted(&count, &mps_records(device)?)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses_v2(
        device: Handle,
        count: InOut<u32>,
        infos: Array<ProcessV2>,
    ) {
        infos.fill_counted(&count, &mps_records(device)?)
    }

    fn nvmlDeviceGetMPSComputeRunningProcesses(
        device: Handle,
        count: InOut<u32>,
        infos: Array<ProcessV1>,
    ) {
        let records: Vec<ProcessV1> = mps_records(device)?.iter().map(ProcessV1::from).collect();
        infos.fill_counted(&count, &records)
    }

    // Mode 0 compute, 1 graphics, 2 MPS.
    fn nvmlDeviceGetRunningProcessDetailList(device: Handle, list: Versioned) {
        let mut answer = list.get::<DetailList>()?;
        let records = match answer.mode {
            0 => records(device)?,
            1 => Vec::new(),
            2 => mps_records(device)?,
            _ => return Err(Status::InvalidArgument),
        };
        call::device(device)?;
        let details: Vec<Detail> = records.iter().map(Detail::from).collect();
        let room = answer.count;
        answer.count = u32::try_from(details.len()).unwrap_or(u32::MAX);
        list.put(answer)?;
        if room < answer.count || (answer.entries.is_null() && answer.count > 0) {
            return Err(Status::InsufficientSize);
        }
        answer.entries.fill(&details)
    }

    fn nvmlDeviceGetProcessUtilization(
        device: Handle,
        samples: Array<UtilizationV1>,
        count: InOut<u32>,
        _last_seen_us: u64,
    ) {
        let busy = busy_processes(device)?;
        if busy.is_empty() && !samples.is_null() {
            count.put(0)?;
            return Err(Status::NotFound);
        }
        let list: Vec<UtilizationV1> = busy
            .iter()
            .map(|&(pid, sm, at_us)| UtilizationV1 {
                pid,
                at_us,
                sm,
                memory: memory_percent(sm),
                encoder: 0,
                decoder: 0,
            })
            .collect();
        samples.fill_counted(&count, &list)
    }

    fn nvmlDeviceGetProcessesUtilizationInfo(device: Handle, info: Versioned) {
        let busy = busy_processes(device)?;
        let mut answer = info.get::<UtilizationList>()?;
        let list: Vec<UtilizationV2> = busy
            .iter()
            .map(|&(pid, sm, at_us)| UtilizationV2 {
                at_us,
                pid,
                sm,
                memory: memory_percent(sm),
                media: [0; 4],
            })
            .collect();
        let room = answer.count;
        answer.count = u32::try_from(list.len()).unwrap_or(u32::MAX);
        info.put(answer)?;
        if room < answer.count || (answer.entries.is_null() && answer.count > 0) {
            return Err(Status::InsufficientSize);
        }
        answer.entries.fill(&list)
    }

    fn nvmlDeviceGetAccountingMode(device: Handle, mode: Out<u32>) {
        call::gpu(device)?;
        mode.put(0)
    }

    fn nvmlDeviceGetAccountingBufferSize(device: Handle, size: Out<u32>) {
        call::gpu(device)?;
        size.put(4_000)
    }

    fn nvmlDeviceGetAccountingPids(device: Handle, count: InOut<u32>, _pids: Array<u32>) {
        call::gpu(device)?;
        count.put(0)
    }
}

/// `nvmlProcessInfo_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessV1 {
    pid: u32,
    memory_bytes: u64,
}

/// `nvmlProcessInfo_v2_t`, which the third version of the calls uses too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessV2 {
    pid: u32,
    memory_bytes: u64,
    gi: u32,
    ci: u32,
}

/// `nvmlProcessDetail_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Detail {
    record: ProcessV2,
    protected_bytes: u64,
}

/// `nvmlProcessDetailList_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DetailList {
    version: u32,
    mode: u32,
    count: u32,
    entries: Array<Detail>,
}

impl Version for DetailList {
    const NUMBER: u32 = 1;
}

/// `nvmlProcessUtilizationSample_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UtilizationV1 {
    pid: u32,
    at_us: u64,
    sm: u32,
    memory: u32,
    encoder: u32,
    decoder: u32,
}

/// `nvmlProcessUtilizationInfo_v1_t`; encoder, decoder, JPEG and optical flow come last.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UtilizationV2 {
    at_us: u64,
    pid: u32,
    sm: u32,
    memory: u32,
    media: [u32; 4],
}

/// `nvmlProcessesUtilizationInfo_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UtilizationList {
    version: u32,
    count: u32,
    last_seen_us: u64,
    entries: Array<UtilizationV2>,
}

impl Version for UtilizationList {
    const NUMBER: u32 = 1;
}

impl From<&Process> for ProcessV2 {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid,
            memory_bytes: process.memory_bytes,
            gi: process.gi.unwrap_or(NO_INSTANCE),
            ci: process.ci.unwrap_or(NO_INSTANCE),
        }
    }
}

impl From<&ProcessV2> for ProcessV1 {
    fn from(record: &ProcessV2) -> Self {
        Self {
            pid: record.pid,
            memory_bytes: record.memory_bytes,
        }
    }
}

impl From<&ProcessV2> for Detail {
    fn from(record: &ProcessV2) -> Self {
        Self {
            record: *record,
            protected_bytes: 0,
        }
    }
}

/// Processes of a MIG device, or all of a GPU's, its MIG devices included. Clients of MPS are among them, as
/// nvidia-smi's type `M+C` says.
fn records(device: Handle) -> Result<Vec<ProcessV2>, Status> {
    Ok(processes(device)?.iter().map(ProcessV2::from).collect())
}

/// Those that are clients of an MPS server.
fn mps_records(device: Handle) -> Result<Vec<ProcessV2>, Status> {
    let all = processes(device)?;
    let clients = all
        .iter()
        .filter(|process| process.mps == Some(MpsRole::Client));
    Ok(clients.map(ProcessV2::from).collect())
}

fn processes(device: Handle) -> Result<Vec<Process>, Status> {
    match call::device(device)? {
        Device::Gpu(view) => Ok(view.gpu().processes.clone()),
        Device::Mig(found) => {
            let (gi, ci) = found.instances()?;
            let all = found.view.gpu().processes.iter();
            Ok(all
                .filter(|process| process.is_on(gi.id, ci.id))
                .copied()
                .collect())
        }
    }
}

/// Simulated processes compute; none draws.
fn none(device: Handle, count: &InOut<u32>) -> Result<(), Status> {
    call::device(device)?;
    count.put(0)
}

/// Processes that use the SMs now: pid, percent, time. In MIG mode the driver does not say.
fn busy_processes(device: Handle) -> Result<Vec<(u32, u32, u64)>, Status> {
    let view = call::gpu(device)?;
    if view.gpu().mig {
        return Err(Status::NotSupported);
    }
    let busy = view
        .gpu()
        .processes
        .iter()
        .filter(|process| process.sm_percent > 0);
    Ok(busy
        .map(|process| (process.pid, process.sm_percent.min(100), view.now_us))
        .collect())
}
