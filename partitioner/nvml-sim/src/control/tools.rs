//! What the vendor's tools ask of the driver beside NVML: which device a name means, how long a time slice is, who
//! may have a context, and which processes an MPS server and its clients are.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{ControlError, change};
use crate::model::gpu::Fault;
use crate::model::load::Process;
use crate::model::machine::Machine;
use crate::model::share::MpsRole;
use crate::model::status::Status;
use crate::model::tool::{Tool, ToolTrouble};
use crate::store::{Store, pid_namespace, start_time};

/// How often a call that hangs looks whether it may go on.
const HANG_POLL: Duration = Duration::from_millis(20);

/// A GPU or MIG device that a tool was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Place on the bus.
    pub gpu: u32,
    /// NVML's index.
    pub index: u32,
    /// GPU and compute instance of a MIG device.
    pub instance: Option<(u32, u32)>,
    /// `GPU-…` or `MIG-…`.
    pub uuid: String,
    /// Time slice.
    pub time_slice: u32,
    /// Who may have a context, as NVML numbers it.
    pub compute_mode: u32,
    /// MPS clients that it takes at a time.
    pub mps_clients: u32,
    /// Clients that it has.
    pub mps_present: u32,
}

/// A process that an MPS server is, or that has come to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpsProcess {
    /// Process id.
    pub pid: u32,
    /// What it is.
    pub role: MpsRole,
    /// SMs that it keeps busy, percent of the GPU or GPU instance.
    pub sm_percent: u32,
    /// Device memory.
    pub memory_bytes: u64,
}

/// The device of that UUID, index or PCI address. Blocks while the driver or the GPU hangs, as a tool does.
///
/// # Errors
/// `Store`; `Driver` with `NotFound`, `GpuIsLost` or `ResetRequired`.
pub fn device(dir: &Path, name: &str) -> Result<Device, ControlError> {
    let store = Store::new(dir);
    loop {
        let machine = store.read()?;
        if !machine.driver_hung {
            let found = find(&machine, name).ok_or(Status::NotFound)?;
            match machine.gpu(found.gpu)?.fault {
                Fault::None => return Ok(found),
                Fault::Lost | Fault::Gone => return Err(Status::GpuIsLost.into()),
                Fault::ResetRequired => return Err(Status::ResetRequired.into()),
                Fault::Hung => {}
            }
        }
        thread::sleep(HANG_POLL);
    }
}

/// All GPUs, by NVML's indices. Blocks while the driver hangs.
///
/// # Errors
/// `Store`.
pub fn devices(dir: &Path) -> Result<Vec<Device>, ControlError> {
    let store = Store::new(dir);
    loop {
        let machine = store.read()?;
        if !machine.driver_hung {
            let names = (0..machine.listed().count()).map(|index| index.to_string());
            return Ok(names.filter_map(|name| find(&machine, &name)).collect());
        }
        thread::sleep(HANG_POLL);
    }
}

fn find(machine: &Machine, name: &str) -> Option<Device> {
    for (index, gpu) in (0..).zip(machine.listed()) {
        let uuid = format!("GPU-{}", gpu.uuid);
        let bdf = machine.site(gpu.index).ok()?.bdf.to_string();
        let is_it = uuid.eq_ignore_ascii_case(name)
            || index.to_string() == name
            || [bdf.as_str(), &format!("0000{bdf}")].contains(&name.to_ascii_lowercase().as_str());
        let mut parts = gpu.mig_devices();
        let part = parts.find(|(_, ci)| format!("MIG-{}", ci.uuid).eq_ignore_ascii_case(name));
        if !is_it && part.is_none() {
            continue;
        }
        let instance = part.map(|(gi, ci)| (gi.id, ci.id));
        let present = gpu.processes.iter().filter(|process| {
            process.mps == Some(MpsRole::Client)
                && instance.is_none_or(|(gi, ci)| process.is_on(gi, ci))
        });
        return Some(Device {
            gpu: gpu.index,
            index,
            instance,
            uuid: part.map_or(uuid, |(_, ci)| format!("MIG-{}", ci.uuid)),
            time_slice: gpu.settings.time_slice,
            compute_mode: gpu.settings.compute_mode,
            mps_clients: machine
                .mps_clients(gpu.index, instance.map(|(gi, _)| gi))
                .ok()?,
            mps_present: u32::try_from(present.count()).unwrap_or(u32::MAX),
        });
    }
    None
}

/// Says how long a time slice of a GPU is.
///
/// # Errors
/// `Store`, `Driver`.
pub fn set_time_slice(dir: &Path, gpu: u32, length: u32) -> Result<(), ControlError> {
    change(dir, |machine, _| Ok(machine.set_time_slice(gpu, length)?))
}

/// Says who may have a context on a GPU.
///
/// # Errors
/// `Store`, `Driver`.
pub fn set_compute_mode(dir: &Path, gpu: u32, mode: u32) -> Result<(), ControlError> {
    change(dir, |machine, _| Ok(machine.set_compute_mode(gpu, mode)?))
}

/// An MPS server or client comes to a device; it goes with its process.
///
/// # Errors
/// `Store`, `Load`.
pub fn enter_mps(dir: &Path, device: &Device, process: MpsProcess) -> Result<(), ControlError> {
    let process = Process {
        pid: process.pid,
        started: start_time(process.pid),
        pid_namespace: pid_namespace(),
        gi: device.instance.map(|(gi, _)| gi),
        ci: device.instance.map(|(_, ci)| ci),
        sm_percent: process.sm_percent,
        memory_bytes: process.memory_bytes,
        mps: Some(process.role),
    };
    change(dir, |machine, now_us| {
        Ok(machine.set_load(device.gpu, process, now_us)?)
    })
}

/// An MPS server or client goes from wherever it is.
///
/// # Errors
/// `Store`.
pub fn leave_mps(dir: &Path, pid: u32) -> Result<(), ControlError> {
    change(dir, |machine, now_us| {
        machine.end_processes(now_us, |_, process| {
            process.pid == pid && process.mps.is_some()
        });
        Ok(())
    })
}

/// How a command of a tool goes wrong, once. One that hangs comes back when the fault has been cleared, and does as
/// it should then.
///
/// # Errors
/// `Store`.
pub fn tool_trouble(
    dir: &Path,
    tool: Tool,
    command: &str,
) -> Result<Option<ToolTrouble>, ControlError> {
    let store = Store::new(dir);
    let mut waited = false;
    loop {
        match store.read()?.tool_trouble(tool, command) {
            None => return Ok(None),
            Some(ToolTrouble::Hang) => {
                waited = true;
                thread::sleep(HANG_POLL);
            }
            Some(_) if waited => return Ok(None),
            Some(_) => {
                return change(dir, |machine, _| {
                    Ok(machine.take_tool_trouble(tool, command))
                });
            }
        }
    }
}
