//! Processes that hold a GPU or an instance on it.

use kerf_types::inventory::GpuProcess;
use kerf_types::{Bytes, CiId, GiId};
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::error::{NvmlError, called, optional};

/// Every process on a GPU or a MIG device, by pid. One that computes and draws is listed once.
pub fn processes(device: &Device<'_>) -> Result<Vec<GpuProcess>, NvmlError> {
    let compute = called(
        "nvmlDeviceGetComputeRunningProcesses_v3",
        device.running_compute_processes(),
    );
    let graphics = called(
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        device.running_graphics_processes(),
    );
    let mps = called(
        "nvmlDeviceGetMPSComputeRunningProcesses_v3",
        device.mps_running_compute_processes(),
    );
    // Compute processes decide whether an instance may be destroyed, so not to know them is an error;
    // the other two kinds do not exist on every GPU.
    let mut infos = compute?;
    infos.extend(optional(graphics)?.unwrap_or_default());
    infos.extend(optional(mps)?.unwrap_or_default());
    Ok(merged(infos.iter().map(process).collect()))
}

fn process(info: &ProcessInfo) -> GpuProcess {
    GpuProcess {
        pid: info.pid,
        memory: match info.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(Bytes(bytes)),
            UsedGpuMemory::Unavailable => None,
        },
        gi: info.gpu_instance_id.map(GiId),
        ci: info.compute_instance_id.map(CiId),
    }
}

fn merged(mut processes: Vec<GpuProcess>) -> Vec<GpuProcess> {
    // Known memory sorts after unknown, so the last of equals is the one that knows most.
    processes.sort_by_key(|process| (process.pid, process.gi, process.ci, process.memory));
    processes.reverse();
    processes.dedup_by_key(|process| (process.pid, process.gi, process.ci));
    processes.reverse();
    processes
}
