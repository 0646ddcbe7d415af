//! What an operator or a test does to a kernel: faults, processes that open KFD, the driver loaded anew.

use thiserror::Error;

use super::amd::{Amd, Client, Policy};
use super::state::{Fault, State};
use super::{Errno, Kernel};
use crate::store::{pid_namespace, start_time};

/// Why something could not be done to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ControlError {
    /// The machine has no AMD GPUs.
    #[error("the machine has no AMD GPUs")]
    NoAmd,
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

    fn on_amd<T>(
        &self,
        act: impl FnOnce(&mut Amd) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        self.change(|state| act(state.amd.as_mut().ok_or(ControlError::NoAmd)?))
            .map_err(ControlError::State)?
    }
}
