//! Sharing a GPU without MIG: who may have a context on it, how long a time slice is, how many clients an MPS server
//! takes. Owns the rules; the tools that ask are programs of their own.

use serde::{Deserialize, Serialize};

use super::gpu::Gpu;
use super::load::Process;
use super::machine::Machine;
use super::status::Status;

/// `nvmlComputeMode_t`: any number of processes.
pub const COMPUTE_DEFAULT: u32 = 0;
/// One thread of one process, which is withdrawn.
const COMPUTE_EXCLUSIVE_THREAD: u32 = 1;
/// None.
pub const COMPUTE_PROHIBITED: u32 = 2;
/// One process.
pub const COMPUTE_EXCLUSIVE_PROCESS: u32 = 3;
/// The longest of the four time slices: 0 the driver's choice, 1 short, 2 medium, 3 long.
pub const LONGEST_TIME_SLICE: u32 = 3;
/// Clients of all MPS servers of a whole GPU, from Volta on (nvidia-cuda-mps-control(1)).
pub const MPS_CLIENTS: u32 = 48;

/// What a process has to do with MPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MpsRole {
    /// It is a server.
    Server,
    /// It is a client of one.
    Client,
}

impl Machine {
    /// Says who may have a context on a GPU.
    ///
    /// # Errors
    /// `InvalidArgument` for a mode that does not exist, `NotSupported` for one that was withdrawn, and for all but
    /// the default while MIG is on.
    pub fn set_compute_mode(&mut self, gpu: u32, mode: u32) -> Result<(), Status> {
        let state = self.gpu_mut(gpu)?;
        match mode {
            COMPUTE_DEFAULT => {}
            COMPUTE_PROHIBITED | COMPUTE_EXCLUSIVE_PROCESS if !state.mig => {}
            COMPUTE_PROHIBITED | COMPUTE_EXCLUSIVE_PROCESS | COMPUTE_EXCLUSIVE_THREAD => {
                return Err(Status::NotSupported);
            }
            _ => return Err(Status::InvalidArgument),
        }
        state.settings.compute_mode = mode;
        Ok(())
    }

    /// Says how long a time slice of a GPU is.
    ///
    /// # Errors
    /// `InvalidArgument` for a length that does not exist, `NotSupported` while MIG is on.
    pub fn set_time_slice(&mut self, gpu: u32, length: u32) -> Result<(), Status> {
        let state = self.gpu_mut(gpu)?;
        if state.mig {
            return Err(Status::NotSupported);
        }
        if length > LONGEST_TIME_SLICE {
            return Err(Status::InvalidArgument);
        }
        state.settings.time_slice = length;
        Ok(())
    }

    /// How many MPS clients a GPU, or a GPU instance of it, takes at a time: an instance has its part of the
    /// compute slices.
    ///
    /// # Errors
    /// `InvalidArgument` for a GPU or instance that does not exist.
    pub fn mps_clients(&self, gpu: u32, gi: Option<u32>) -> Result<u32, Status> {
        let state = self.gpu(gpu)?;
        let Some(gi) = gi else {
            return Ok(MPS_CLIENTS);
        };
        let product = self.product()?;
        let found = state.instance(gi).ok_or(Status::InvalidArgument)?;
        let all = product.compute_slices.max(1);
        Ok((MPS_CLIENTS * found.slices(product) / all).max(1))
    }
}

impl Gpu {
    /// Whether a process may have a context beside the `others`.
    pub(super) fn admits(&self, process: &Process, others: &[Process]) -> Result<(), Option<u32>> {
        // A driver with MIG on knows no mode but the default.
        if self.mig || process.mps == Some(MpsRole::Client) {
            return Ok(());
        }
        let mut others = others
            .iter()
            .filter(|other| other.mps != Some(MpsRole::Client));
        match self.settings.compute_mode {
            COMPUTE_PROHIBITED => Err(None),
            COMPUTE_EXCLUSIVE_PROCESS => others.next().map_or(Ok(()), |other| Err(Some(other.pid))),
            _ => Ok(()),
        }
    }
}
