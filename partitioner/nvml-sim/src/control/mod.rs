//! What a real machine would do by itself: faults, load, errors, resets. Owns the requests that
//! the verbs of `kerf sim` make; each changes the state under the same lock as an NVML call, so a
//! running client sees it at its next one.

mod fault;
mod show;
mod snapshot;
pub mod tools;

#[cfg(test)]
mod tests;

use std::path::Path;

use thiserror::Error;

use crate::machine::{CreateError, show_holders};
use crate::model::load::{LoadError, Process};
use crate::model::machine::{Machine, Policy};
use crate::model::status::Status;
use crate::store::{Store, StoreError, pid_namespace, start_time};

pub use fault::FaultRequest;
pub use show::{ComputeInstanceShown, GpuInstanceShown, GpuShown, MachineShown, show};
pub use snapshot::{Snapshot, restore, snapshot};

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
    /// The files that show the state.
    #[error("the machine's tree cannot be changed")]
    Files(#[source] CreateError),
    /// The driver refuses the change.
    #[error("the driver refuses")]
    Driver(#[from] Status),
    /// The machine's kernel.
    #[error("the machine's kernel cannot be used")]
    Kernel(#[from] crate::kernel::ControlError),
}

/// Breaks or mends something.
///
/// # Errors
/// `Store` without a machine in `dir`, `NoGpu`.
pub fn fault(dir: &Path, request: FaultRequest) -> Result<(), ControlError> {
    change(dir, |machine, now_us| {
        fault::apply(machine, request, now_us)
    })
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
        mps: None,
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

/// Unloads and loads the driver, as a reboot does: no instance is left, and on Hopper and later MIG
/// mode is off.
///
/// # Errors
/// `Store`, `Driver` with `InUse` while anything holds the driver.
pub fn reload(dir: &Path) -> Result<(), ControlError> {
    change(dir, |machine, now_us| Ok(machine.reload(now_us)?))
}

/// Puts two boards into each other's slots, as a reboot of the bus may number them: each UUID and serial number is at the
/// other place from then on, whatever is wrong with that place.
///
/// # Errors
/// `Store`, `NoGpu`.
pub fn exchange(dir: &Path, one: u32, other: u32) -> Result<(), ControlError> {
    change(dir, |machine, _| {
        let identity = |machine: &mut Machine, index: u32| {
            let gpu = known(machine, index)?;
            Ok::<_, ControlError>((gpu.uuid, gpu.serial.clone()))
        };
        let (first, second) = (identity(machine, one)?, identity(machine, other)?);
        for (index, (uuid, serial)) in [(one, second), (other, first)] {
            let gpu = known(machine, index)?;
            gpu.uuid = uuid;
            gpu.serial = serial;
        }
        Ok(())
    })
}

/// Chooses between behaviours in which real drivers differ. What holds the GPUs shows in the
/// machine's tree.
///
/// # Errors
/// `Store`, `Files`.
pub fn set_policy(dir: &Path, policy: Policy) -> Result<(), ControlError> {
    change(dir, |machine, _| {
        machine.policy = policy;
        Ok(())
    })?;
    show_holders(dir, policy).map_err(ControlError::Files)
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
