//! What an operator or a test does to a kernel: faults, processes that open KFD, the driver loaded anew.

use thiserror::Error;

use super::amd::{Amd, Client, Policy};
use super::state::{Fault, State};
use super::vgpu::{Mig, Vgpu, Vm};
use super::{Errno, Kernel};
use crate::store::{pid_namespace, start_time};

/// Why something could not be done to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ControlError {
    /// The machine has no AMD GPUs.
    #[error("the machine has no AMD GPUs")]
    NoAmd,
    /// Its driver offers no vGPUs.
    #[error("the machine's driver offers no vGPUs")]
    NoVgpu,
    /// It has no such vGPU.
    #[error("there is no vGPU of that name")]
    NoSuchVgpu,
    /// A GPU or a vGPU is in use.
    #[error("it is in use")]
    Busy,
    /// It has no such GPU for vGPUs.
    #[error("the machine has no GPU {gpu}")]
    NoVgpuGpu {
        /// The index asked for.
        gpu: u32,
    },
    /// It has no such GPU.
    #[error("the machine has no AMD GPU {gpu}")]
    NoGpu {
        /// The index asked for.
        gpu: u32,
    },
    /// Processes are in the way.
    #[error("processes use the driver")]
    InUse,
    /// The state could not be changed.
    #[error("the kernel's state could not be changed")]
    State(#[source] Errno),
}

impl Kernel {
    /// What it remembers.
    ///
    /// # Errors
    /// `State` where it cannot be read.
    pub fn state(&self) -> Result<State, ControlError> {
        let seen = self.seen().map_err(ControlError::State)?;
        Ok(seen.state.clone())
    }

    /// Makes it remember what it remembered when [`Kernel::state`] said so.
    ///
    /// # Errors
    /// `State` where it cannot be changed.
    pub fn put_back(&self, state: &State) -> Result<(), ControlError> {
        self.change(|now| now.clone_from(state))
            .map_err(ControlError::State)
    }

    /// Adds a fault of the file at a path, which may go through links.
    ///
    /// # Errors
    /// `State` where it cannot be changed.
    pub fn set_fault(&self, fault: Fault) -> Result<(), ControlError> {
        let seen = self.seen().map_err(ControlError::State)?;
        let path = self.resolve(&seen.view, &fault.path, true);
        let path = path.map_err(ControlError::State)?;
        self.change(|state| state.faults.push(Fault { path, ..fault }))
            .map_err(ControlError::State)
    }

    /// Lifts all faults.
    ///
    /// # Errors
    /// `State` where it cannot be changed.
    pub fn clear_faults(&self) -> Result<(), ControlError> {
        self.change(|state| state.faults.clear())
            .map_err(ControlError::State)
    }

    /// A process opens KFD and holds memory of a GPU; it ends with the process if it is a real one.
    ///
    /// # Errors
    /// `NoAmd`, `NoGpu` or `State`.
    pub fn open_kfd(&self, pid: u32, gpu: u32, memory_bytes: u64) -> Result<(), ControlError> {
        let started = start_time(pid);
        let client = Client {
            pid,
            started,
            pid_namespace: started.and_then(|_| pid_namespace()),
            gpu,
            memory_bytes,
        };
        self.on_amd(|amd| amd.open(client).map_err(|_| ControlError::NoGpu { gpu }))
    }

    /// A process closes KFD; says whether there was one.
    ///
    /// # Errors
    /// `NoAmd` or `State`.
    pub fn close_kfd(&self, pid: u32) -> Result<bool, ControlError> {
        self.on_amd(|amd| Ok(amd.close(pid)))
    }

    /// The driver is unloaded and loaded.
    ///
    /// # Errors
    /// `InUse` while a process has opened KFD; `NoAmd` or `State`.
    pub fn reload_driver(&self) -> Result<(), ControlError> {
        self.on_amd(|amd| amd.reload().map_err(|_| ControlError::InUse))
    }

    /// A GPU goes into reset, or comes out of it.
    ///
    /// # Errors
    /// `NoAmd`, `NoGpu` or `State`.
    pub fn set_reset(&self, gpu: u32, in_reset: bool) -> Result<(), ControlError> {
        let unknown = |_| ControlError::NoGpu { gpu };
        self.on_amd(|amd| amd.set_reset(gpu, in_reset).map_err(unknown))
    }

    /// Chooses among the ways in which kernels differ.
    ///
    /// # Errors
    /// `NoAmd` or `State`.
    pub fn set_policy(&self, policy: Policy) -> Result<(), ControlError> {
        self.on_amd(|amd| {
            amd.policy = policy;
            Ok(())
        })
    }

    /// A virtual machine opens a vGPU, named by its function's address or its UUID; it ends with the process if
    /// that is a real one. While it has it, taking the vGPU of a function away is refused with `errno`.
    ///
    /// # Errors
    /// `NoVgpu`, `NoSuchVgpu`, `Busy` or `State`.
    pub fn attach_vm(
        &self,
        vgpu: &str,
        pid: u32,
        name: &str,
        errno: Errno,
    ) -> Result<(), ControlError> {
        let started = start_time(pid);
        let vm = Vm {
            pid,
            started,
            pid_namespace: started.and_then(|_| pid_namespace()),
            name: name.to_owned(),
            errno: errno.number(),
        };
        self.on_vgpu(|all| {
            all.attach(vgpu, vm).map_err(|errno| match errno {
                Errno::EBUSY => ControlError::Busy,
                _ => ControlError::NoSuchVgpu,
            })
        })
    }

    /// A virtual machine closes its vGPU; says whether there was one.
    ///
    /// # Errors
    /// `NoVgpu` or `State`.
    pub fn detach_vm(&self, pid: u32) -> Result<bool, ControlError> {
        self.on_vgpu(|all| Ok(all.detach(|vm| vm.pid == pid)))
    }

    /// Whether sizes may be mixed on a GPU, as `nvidia-smi vgpu -shm` says it.
    ///
    /// # Errors
    /// `Busy` while it has vGPUs; `NoVgpu`, `NoVgpuGpu` or `State`.
    pub fn set_heterogeneous(&self, gpu: u32, on: bool) -> Result<(), ControlError> {
        self.on_vgpu(|all| {
            all.set_heterogeneous(gpu, on).map_err(|errno| match errno {
                Errno::EBUSY => ControlError::Busy,
                _ => ControlError::NoVgpuGpu { gpu },
            })
        })
    }

    /// What the driver remembers of a GPU's MIG, for a kernel that lives in this process alone: a machine's own is
    /// NVML's, and copied from there.
    ///
    /// # Errors
    /// `NoVgpu`, `NoVgpuGpu` or `State`.
    pub fn set_mig(&self, gpu: u32, mig: Mig) -> Result<(), ControlError> {
        self.on_vgpu(|all| {
            let place = crate::model::machine::place(gpu);
            let known = all.gpus.get_mut(place);
            known.ok_or(ControlError::NoVgpuGpu { gpu })?.mig = mig;
            Ok(())
        })
    }

    fn on_vgpu<T>(
        &self,
        act: impl FnOnce(&mut Vgpu) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        self.change(|state| act(state.vgpu.as_mut().ok_or(ControlError::NoVgpu)?))
            .map_err(ControlError::State)?
    }

    fn on_amd<T>(
        &self,
        act: impl FnOnce(&mut Amd) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        self.change(|state| act(state.amd.as_mut().ok_or(ControlError::NoAmd)?))
            .map_err(ControlError::State)?
    }
}
