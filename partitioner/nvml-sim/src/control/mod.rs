//! What a real machine would do by itself: faults, load, errors, resets. Owns the requests that
//! the verbs of `kerf sim` make; each changes the state under the same lock as an NVML call, so a
//! running client sees it at its next one.

mod show;

#[cfg(test)]
mod tests;

use std::path::Path;

use thiserror::Error;

use crate::model::events::{self, About};
use crate::model::gpu::Fault;
use crate::model::load::{LoadError, Process};
use crate::model::machine::{Machine, Policy};
use crate::model::status::Status;
use crate::store::{Store, StoreError, pid_namespace, start_time};

pub use show::{ComputeInstanceShown, GpuInstanceShown, GpuShown, MachineShown, show};

/// The XID with which a driver reports a GPU that has fallen off the bus.
const XID_FALLEN_OFF_THE_BUS: u64 = 79;
/// The XID of an uncorrectable ECC error.
const XID_DOUBLE_BIT_ECC: u64 = 48;

/// Something to break, or to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultRequest {
    /// The GPU falls off the bus: its calls answer GPU_IS_LOST. Raises XID 79.
    Lost {
        /// GPU index.
        gpu: u32,
    },
    /// Calls on the GPU block until it is cleared.
    Hang {
        /// GPU index.
        gpu: u32,
    },
    /// The driver reports an XID. The GPU goes on: report 79 alone does not lose it.
    Xid {
        /// GPU index.
        gpu: u32,
        /// The XID.
        number: u64,
        /// GPU instance that it is about.
        gi: Option<u32>,
    },
    /// Corrected memory errors.
    EccCorrected {
        /// GPU index.
        gpu: u32,
        /// How many.
        count: u64,
    },
    /// Uncorrected memory errors, which remap a row each and raise XID 48.
    EccUncorrected {
        /// GPU index.
        gpu: u32,
        /// How many.
        count: u64,
    },
    /// The GPU leaves the bus: neither the driver nor the kernel lists it any more, the indices of those
    /// behind it shift, and its instances and processes end.
    Gone {
        /// Place on the bus, which is the index while no GPU is gone.
        gpu: u32,
    },
    /// Calls on the GPU answer RESET_REQUIRED until it is reset.
    ResetRequired {
        /// GPU index.
        gpu: u32,
    },
    /// The GPU is well again: neither lost, gone nor hung, and in no need of a reset. Its instances are as
    /// they were, but for one that was gone.
    Clear {
        /// GPU index.
        gpu: u32,
    },
    /// Every call blocks, `nvmlInit` included.
    DriverHang,
    /// A function of NVML answers with this code and does nothing.
    Refuse {
        /// Its name, such as `nvmlDeviceGetMigMode`.
        function: String,
        /// The code.
        code: u32,
    },
    /// The driver answers again: it neither hangs nor refuses.
    DriverClear,
}

/// A process to put on a GPU or MIG device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// GPU index.
    pub gpu: u32,
    /// GPU instance; must be given in MIG mode.
    pub gi: Option<u32>,
    /// Compute instance; the first one of the GPU instance where it is not given.
    pub ci: Option<u32>,
    /// SM activity in percent of the GPU or GPU instance, 0 to 100.
    pub sm_percent: u32,
    /// Device memory.
    pub memory_bytes: u64,
    /// Process id. If it is a running process now, the load ends with it.
    pub pid: u32,
}

/// Which loads to end; what is not given matches all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSelector {
    /// GPU index.
    pub gpu: Option<u32>,
    /// GPU instance.
    pub gi: Option<u32>,
    /// Process id.
    pub pid: Option<u32>,
}

/// Why a request was refused.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The machine's state.
    #[error("the machine's state cannot be used")]
    Store(#[from] StoreError),
    /// No such GPU.
    #[error("gpu {gpu} does not exist, the machine has {count}")]
    NoGpu {
        /// Index asked for.
        gpu: u32,
        /// GPUs that there are.
        count: usize,
    },
    /// More than all.
    #[error("{percent} % is more than a GPU has")]
    Percent {
        /// What was asked for.
        percent: u32,
    },
    /// The load.
    #[error("the load does not fit")]
    Load(#[from] LoadError),
    /// The driver refuses the change.
    #[error("the driver refuses")]
    Driver(#[from] Status),
}

/// Breaks or mends something.
///
/// # Errors
/// `Store` without a machine in `dir`, `NoGpu`.
pub fn fault(dir: &Path, request: FaultRequest) -> Result<(), ControlError> {
    change(dir, |machine, now_us| apply(machine, request, now_us))
}

fn apply(machine: &mut Machine, request: FaultRequest, now_us: u64) -> Result<(), ControlError> {
    match request {
        FaultRequest::Lost { gpu } => {
            known(machine, gpu)?.fault = Fault::Lost;
            let about = About {
                data: XID_FALLEN_OFF_THE_BUS,
                ..About::default()
            };
            machine.raise(gpu, events::XID, about, now_us);
        }
        FaultRequest::Hang { gpu } => known(machine, gpu)?.fault = Fault::Hung,
        FaultRequest::Gone { gpu } => {
            known(machine, gpu)?;
            machine.leave(gpu, now_us)?;
        }
        FaultRequest::ResetRequired { gpu } => known(machine, gpu)?.fault = Fault::ResetRequired,
        FaultRequest::Clear { gpu } => known(machine, gpu)?.fault = Fault::None,
        FaultRequest::Xid { gpu, number, gi } => {
            known(machine, gpu)?;
            let about = About {
                data: number,
                gi,
                ci: None,
            };
            machine.raise(gpu, events::XID, about, now_us);
        }
        FaultRequest::EccCorrected { gpu, count } => {
            let ecc = &mut known(machine, gpu)?.ecc;
            ecc.volatile_corrected += count;
            ecc.aggregate_corrected += count;
            machine.raise(gpu, events::ECC_CORRECTED, About::default(), now_us);
        }
        FaultRequest::EccUncorrected { gpu, count } => {
            let ecc = &mut known(machine, gpu)?.ecc;
            ecc.volatile_uncorrected += count;
            ecc.aggregate_uncorrected += count;
            machine.raise(gpu, events::ECC_UNCORRECTED, About::default(), now_us);
            let about = About {
                data: XID_DOUBLE_BIT_ECC,
                ..About::default()
            };
            machine.raise(gpu, events::XID, about, now_us);
        }
        FaultRequest::DriverHang => machine.driver_hung = true,
        FaultRequest::Refuse { function, code } => {
            machine.refusals.insert(function, code);
        }
        FaultRequest::DriverClear => {
            machine.driver_hung = false;
            machine.refusals.clear();
        }
    }
    Ok(())
}

/// Puts a process on a GPU or MIG device.
///
/// # Errors
/// `Store`, `Percent`, `Load`.
pub fn load(dir: &Path, request: LoadRequest) -> Result<(), ControlError> {
    let LoadRequest {
        gpu,
        gi,
        ci,
        sm_percent,
        memory_bytes,
        pid,
    } = request;
    if sm_percent > 100 {
        return Err(ControlError::Percent {
            percent: sm_percent,
        });
    }
    let process = Process {
        pid,
        started: start_time(pid),
        pid_namespace: pid_namespace(),
        gi,
        ci,
        sm_percent,
        memory_bytes,
    };
    change(dir, |machine, now_us| {
        Ok(machine.set_load(gpu, process, now_us)?)
    })
}

/// Ends the loads that match; says whether there was one.
///
/// # Errors
/// `Store`.
pub fn clear_load(dir: &Path, which: LoadSelector) -> Result<bool, ControlError> {
    change(dir, |machine, now_us| {
        Ok(machine.end_processes(now_us, |gpu, process| {
            which.gpu.is_none_or(|wanted| wanted == gpu)
                && which.gi.is_none_or(|wanted| process.gi == Some(wanted))
                && which.pid.is_none_or(|wanted| wanted == process.pid)
        }))
    })
}

/// Resets a GPU as `nvidia-smi --gpu-reset` or a reboot would: a pending MIG mode takes hold and
/// the instances are gone.
///
/// # Errors
/// `Store`, `NoGpu`, `Driver` with `InUse` while a process runs on it.
pub fn reset(dir: &Path, gpu: u32) -> Result<(), ControlError> {
    change(dir, |machine, now_us| {
        known(machine, gpu)?;
        Ok(machine.reset(gpu, now_us)?)
    })
}

/// Chooses between behaviours in which real drivers differ.
///
/// # Errors
/// `Store`.
pub fn set_policy(dir: &Path, policy: Policy) -> Result<(), ControlError> {
    change(dir, |machine, _| {
        machine.policy = policy;
        Ok(())
    })
}

fn change<T>(
    dir: &Path,
    change: impl FnOnce(&mut Machine, u64) -> Result<T, ControlError>,
) -> Result<T, ControlError> {
    Store::new(dir).change(change)?
}

fn known(machine: &mut Machine, gpu: u32) -> Result<&mut crate::model::gpu::Gpu, ControlError> {
    let count = machine.gpus.len();
    machine
        .gpu_mut(gpu)
        .map_err(|_| ControlError::NoGpu { gpu, count })
}
