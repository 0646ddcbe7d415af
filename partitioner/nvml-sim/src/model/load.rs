//! Simulated processes: who uses how much of which GPU or MIG device. Owns the memory accounting;
//! whether the process still lives is for the caller to say, from the real `/proc`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::gpu::{Fault, Gpu, GpuInstance};
use super::machine::Machine;
use super::product::{MemoryFigures, Product};
use super::share::MpsRole;
use super::status::Status;

/// A process on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id on the host.
    pub pid: u32,
    /// Its start time in clock ticks since boot, where it was a real process when the load was
    /// set: such a load ends with its process.
    pub started: Option<u64>,
    /// PID namespace in which it is that process, by the kernel's number. Nobody else can tell
    /// whether it still runs.
    #[serde(default)]
    pub pid_namespace: Option<u64>,
    /// GPU instance, in MIG mode.
    pub gi: Option<u32>,
    /// Compute instance, in MIG mode.
    pub ci: Option<u32>,
    /// SM activity, percent of the GPU or of the GPU instance.
    pub sm_percent: u32,
    /// Device memory.
    pub memory_bytes: u64,
    /// What it has to do with MPS, if anything.
    #[serde(default)]
    pub mps: Option<MpsRole>,
}

impl Process {
    /// Whether it runs on that MIG device.
    #[must_use]
    pub fn is_on(&self, gi: u32, ci: u32) -> bool {
        self.gi == Some(gi) && self.ci == Some(ci)
    }
}

/// Total, used and free memory, in bytes; `reserved` is the driver's and in none of the others
/// but the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// The driver's.
    pub reserved: u64,
    /// Allocated.
    pub used: u64,
}

impl Memory {
    /// What is left.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.total
            .saturating_sub(self.reserved)
            .saturating_sub(self.used)
    }
}

/// Why a load was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    /// No such GPU.
    #[error("gpu {gpu} does not exist")]
    NoGpu {
        /// Index asked for.
        gpu: u32,
    },
    /// The GPU is lost.
    #[error("gpu {gpu} is lost, nothing can run on it")]
    Lost {
        /// Index.
        gpu: u32,
    },
    /// In MIG mode work runs on an instance.
    #[error("gpu {gpu} is in MIG mode, name a gpu instance")]
    NeedsInstance {
        /// Index.
        gpu: u32,
    },
    /// Without MIG mode there are no instances.
    #[error("gpu {gpu} is not in MIG mode and has no gpu instance {gi}")]
    NotMig {
        /// Index.
        gpu: u32,
        /// Instance asked for.
        gi: u32,
    },
    /// No such instance, or it holds no such compute instance.
    #[error("gpu {gpu} has no compute instance in gpu instance {gi} to run on")]
    NoInstance {
        /// Index.
        gpu: u32,
        /// Instance asked for.
        gi: u32,
    },
    /// More memory than is free.
    #[error("{asked} bytes do not fit, {free} are free")]
    Memory {
        /// Bytes asked for.
        asked: u64,
        /// Bytes free.
        free: u64,
    },
    /// The compute mode lets no process in.
    #[error("gpu {gpu} is in compute mode prohibited")]
    Prohibited {
        /// Index.
        gpu: u32,
    },
    /// The compute mode lets one process in, and it is there.
    #[error("gpu {gpu} is in compute mode exclusive process, and process {pid} has it")]
    Exclusive {
        /// Index.
        gpu: u32,
        /// The process.
        pid: u32,
    },
    /// The state is of an unknown machine.
    #[error("the machine's state is not usable")]
    State(#[from] Status),
}

impl Machine {
    /// Puts a process on a GPU or MIG device; a second call with the same process and place
    /// replaces the first. `process.ci` may be `None` in MIG mode: the first one is taken.
    ///
    /// # Errors
    /// Each reason of `LoadError`.
    pub fn set_load(
        &mut self,
        gpu: u32,
        mut process: Process,
        now_us: u64,
    ) -> Result<(), LoadError> {
        let product = self.product()?;
        let state = self.gpu(gpu).map_err(|_| LoadError::NoGpu { gpu })?;
        if matches!(state.fault, Fault::Lost | Fault::Gone) {
            return Err(LoadError::Lost { gpu });
        }
        process.ci = state.place_of(&process)?;
        let mut others = state.clone();
        others
            .processes
            .retain(|other| !same_place(other, &process));
        if let Err(other) = state.admits(&process, &others.processes) {
            return Err(match other {
                Some(pid) => LoadError::Exclusive { gpu, pid },
                None => LoadError::Prohibited { gpu },
            });
        }
        let memory = match process.gi.and_then(|gi| others.instance(gi)) {
            Some(gi) => others.gi_memory(product, gi, self.policy.memory),
            None => others.memory(product),
        };
        if process.memory_bytes > memory.free() {
            return Err(LoadError::Memory {
                asked: process.memory_bytes,
                free: memory.free(),
            });
        }
        self.settle(gpu, now_us)?;
        let state = self.gpu_mut(gpu)?;
        state.processes.retain(|other| !same_place(other, &process));
        state.processes.push(process);
        Ok(())
    }

    /// Ends every process for which `gone` holds; says whether there was one.
    pub fn end_processes(&mut self, now_us: u64, gone: impl Fn(u32, &Process) -> bool) -> bool {
        let mut ended = false;
        for gpu in 0..u32::try_from(self.gpus.len()).unwrap_or(0) {
            let Ok(state) = self.gpu(gpu) else { continue };
            if !state.processes.iter().any(|process| gone(gpu, process)) {
                continue;
            }
            ended = true;
            if self.settle(gpu, now_us).is_ok()
                && let Ok(state) = self.gpu_mut(gpu)
            {
                state.processes.retain(|process| !gone(gpu, process));
            }
        }
        ended
    }
}

fn same_place(a: &Process, b: &Process) -> bool {
    (a.pid, a.gi, a.ci) == (b.pid, b.gi, b.ci)
}

impl Gpu {
    /// The compute instance on which `process` would run.
    fn place_of(&self, process: &Process) -> Result<Option<u32>, LoadError> {
        let gpu = self.index;
        let gi = match (self.mig, process.gi) {
            (false, None) => return Ok(None),
            (false, Some(gi)) => return Err(LoadError::NotMig { gpu, gi }),
            (true, None) => return Err(LoadError::NeedsInstance { gpu }),
            (true, Some(gi)) => gi,
        };
        let mut compute = self
            .instance(gi)
            .into_iter()
            .flat_map(|found| &found.compute);
        let found = compute.find(|ci| process.ci.is_none_or(|wanted| wanted == ci.id));
        found
            .map(|ci| Some(ci.id))
            .ok_or(LoadError::NoInstance { gpu, gi })
    }

    /// Memory of the whole GPU.
    #[must_use]
    pub fn memory(&self, product: &Product) -> Memory {
        let slices: u32 = self.instances.iter().map(|gi| gi.slices(product)).sum();
        let processes: u64 = self
            .processes
            .iter()
            .map(|process| process.memory_bytes)
            .sum();
        Memory {
            total: product.memory_mib << 20,
            reserved: product.reserved_kib << 10,
            used: ((u64::from(slices) * product.slice_overhead_kib) << 10) + processes,
        }
    }

    /// Memory of a GPU instance, shared by its compute instances.
    #[must_use]
    pub fn gi_memory(&self, product: &Product, gi: &GpuInstance, figures: MemoryFigures) -> Memory {
        let on_it = self
            .processes
            .iter()
            .filter(|process| process.gi == Some(gi.id));
        let processes: u64 = on_it.map(|process| process.memory_bytes).sum();
        let overhead = (u64::from(gi.slices(product)) * product.slice_overhead_kib) << 10;
        Memory {
            total: gi.profile(product).map_or(0, |profile| {
                product.instance_mib(profile, gi.start, figures) << 20
            }),
            reserved: 0,
            used: overhead + processes,
        }
    }
}
