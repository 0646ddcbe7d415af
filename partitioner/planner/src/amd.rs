//! AMD GPUs: which steps lead from the modes that they have to those that are wanted.
//!
//! There is nothing to search for, since a GPU is partitioned as a whole; what counts is what is refused. A mode
//! that does not go with what the GPU will be, a GPU that is leased, in use or unwell, a memory mode that would
//! change GPUs of the hive which nobody named: each is refused for the whole host before anything is done.

use std::collections::BTreeMap;

pub use kerf_types::amd::AmdWish;
use kerf_types::amd::{ModeError, check_mode};
use kerf_types::{AmdGpu, ComputePartition, MemoryPartition, PciAddress, Step};

use crate::host::GpuName;

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct AmdRequest<'a> {
    /// The AMD GPUs of the host.
    pub gpus: &'a [AmdGpu],
    /// What some of them shall be.
    pub wishes: &'a BTreeMap<PciAddress, AmdWish>,
    /// GPUs that are leased, with the holder's text.
    pub leased: &'a BTreeMap<PciAddress, String>,
}

/// What to do on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmdChange {
    /// The GPU.
    pub gpu: GpuName,
    /// Its modes now.
    pub from: AmdWish,
    /// What is wanted of it.
    pub wish: AmdWish,
    /// The steps; none where it is as it shall be, or as far as it can be now.
    pub steps: Vec<Step>,
    /// The memory mode that it has once the driver is loaded anew, where that is another.
    pub memory_later: Option<MemoryPartition>,
    /// The compute mode that is to be set then: the driver chooses one by itself when the memory mode changes.
    pub compute_later: Option<ComputePartition>,
}

/// Why it cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmdPlanError {
    /// There is no such GPU.
    #[error("the host has no AMD GPU at {pci}")]
    NoGpu {
        /// The address.
        pci: PciAddress,
    },
    /// It is not well.
    #[error("AMD {gpu} is not well")]
    Sick {
        /// The GPU.
        gpu: GpuName,
    },
    /// Its driver does not offer the mode.
    #[error("AMD {gpu} does not offer {mode}")]
    NotOffered {
        /// The GPU.
        gpu: GpuName,
        /// The mode.
        mode: String,
    },
    /// The compute mode does not go with what the GPU is or will be.
    #[error("AMD {gpu}")]
    Mode {
        /// The GPU.
        gpu: GpuName,
        /// Why.
        #[source]
        cause: ModeError,
    },
    /// Somebody has it.
    #[error("AMD {gpu} is in use by {by}")]
    InUse {
        /// The GPU.
        gpu: GpuName,
        /// Who.
        by: String,
    },
    /// Another GPU of the hive would change with it, and nobody asked for that.
    #[error(
        "memory mode {mode} of AMD {gpu} would change AMD {other} too, which is in the same hive"
    )]
    Hive {
        /// The GPU.
        gpu: GpuName,
        /// Its wanted mode.
        mode: MemoryPartition,
        /// The other one.
        other: GpuName,
    },
    /// Another memory mode was asked for before, and a driver forgets no request.
    #[error(
        "AMD {gpu} has been asked for {pending} and will have it when the driver is loaded anew"
    )]
    Pending {
        /// The GPU.
        gpu: GpuName,
        /// What was asked for.
        pending: MemoryPartition,
    },
}

/// The steps for every GPU that is named, in order of their addresses; or the first reason why not.
pub fn plan_amd(request: &AmdRequest<'_>) -> Result<Vec<AmdChange>, AmdPlanError> {
    let mut changes = Vec::new();
    // The request is the hive's: one write is enough.
    let mut asked: Vec<&str> = Vec::new();
    for (&pci, wish) in request.wishes {
        let gpu = request.gpus.iter().find(|gpu| gpu.pci == pci);
        let gpu = gpu.ok_or(AmdPlanError::NoGpu { pci })?;
        if !gpu.health.is_ok() {
            return Err(AmdPlanError::Sick { gpu: gpu.into() });
        }
        let memory_later = memory(request, gpu, wish.memory)?;
        let mut steps = Vec::new();
        let compute_later = match memory_later {
            Some(memory) => later(gpu, wish.compute, memory)?,
            None => {
                steps.extend(now(request, gpu, wish.compute)?);
                None
            }
        };
        if let Some(mode) = memory_later.filter(|mode| gpu.pending_memory != Some(*mode)) {
            let hive = gpu.hive.as_deref();
            if hive.is_none_or(|hive| !asked.contains(&hive)) {
                steps.push(Step::SetAmdMemory { gpu: pci, mode });
                asked.extend(hive);
            }
        }
        changes.push(AmdChange {
            gpu: gpu.into(),
            from: AmdWish {
                compute: gpu.compute,
                memory: gpu.memory_mode,
            },
            wish: *wish,
            steps,
            memory_later,
            compute_later,
        });
    }
    Ok(changes)
}

/// The memory mode that the GPU will have when the driver is loaded anew, where it is not the one that it has.
fn memory(
    request: &AmdRequest<'_>,
    gpu: &AmdGpu,
    wanted: Option<MemoryPartition>,
) -> Result<Option<MemoryPartition>, AmdPlanError> {
    let Some(mode) = wanted else {
        return Ok(gpu.pending_memory);
    };
    if gpu.memory_mode == Some(mode) {
        // Writing the mode that it has takes no request back.
        return match gpu.pending_memory {
            Some(pending) => Err(AmdPlanError::Pending {
                gpu: gpu.into(),
                pending,
            }),
            None => Ok(None),
        };
    }
    if !gpu.memory_modes.contains(&mode) {
        return Err(AmdPlanError::NotOffered {
            gpu: gpu.into(),
            mode: mode.to_string(),
        });
    }
    let in_hive = |other: &&AmdGpu| gpu.hive.is_some() && other.hive == gpu.hive;
    for other in request.gpus.iter().filter(in_hive) {
        let wish = request.wishes.get(&other.pci);
        if wish.and_then(|wish| wish.memory) != Some(mode) {
            return Err(AmdPlanError::Hive {
                gpu: gpu.into(),
                mode,
                other: other.into(),
            });
        }
    }
    Ok(Some(mode))
}

/// The compute mode that is to be set after the memory mode has changed.
fn later(
    gpu: &AmdGpu,
    wanted: Option<ComputePartition>,
    memory: MemoryPartition,
) -> Result<Option<ComputePartition>, AmdPlanError> {
    let Some(mode) = wanted else {
        return Ok(None);
    };
    possible(gpu, mode, Some(memory))?;
    Ok(Some(mode))
}

/// The step to the wanted compute mode, if it has another one.
fn now(
    request: &AmdRequest<'_>,
    gpu: &AmdGpu,
    wanted: Option<ComputePartition>,
) -> Result<Option<Step>, AmdPlanError> {
    let Some(mode) = wanted.filter(|mode| gpu.compute != Some(*mode)) else {
        return Ok(None);
    };
    possible(gpu, mode, gpu.memory_mode)?;
    if let Some(holder) = request.leased.get(&gpu.pci) {
        let by = holder.clone();
        return Err(AmdPlanError::InUse {
            gpu: gpu.into(),
            by,
        });
    }
    if !gpu.processes.is_empty() {
        let processes = gpu.processes.iter();
        let names: Vec<String> = processes.map(|pid| format!("process {pid}")).collect();
        let by = names.join(", ");
        return Err(AmdPlanError::InUse {
            gpu: gpu.into(),
            by,
        });
    }
    Ok(Some(Step::SetAmdCompute { gpu: gpu.pci, mode }))
}

fn possible(
    gpu: &AmdGpu,
    mode: ComputePartition,
    memory: Option<MemoryPartition>,
) -> Result<(), AmdPlanError> {
    if !gpu.compute_modes.contains(&mode) {
        return Err(AmdPlanError::NotOffered {
            gpu: gpu.into(),
            mode: mode.to_string(),
        });
    }
    let (Some(memory), Some(xccs)) = (memory, gpu.xccs) else {
        return Ok(());
    };
    let gpu = GpuName::from(gpu);
    check_mode(mode, memory, xccs).map_err(|cause| AmdPlanError::Mode { gpu, cause })
}
