//! Who may have a context on a whole GPU: anybody, nobody, or one process, which an MPS server with all its
//! clients counts as.
//!
//! Owns the comparison with what the driver reads back. Never decides: kerfd says when a GPU is an MPS server's.

use kerf_api::partitioner::v1::ComputeMode;
use kerf_types::PciAddress;
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::ComputeMode as Wrapped;

use super::error::{NvmlError, called};
use super::observe::GpuAccess;

/// Why a compute mode was not set.
#[derive(Debug, thiserror::Error)]
pub enum ComputeModeError {
    /// The driver refused.
    #[error("set compute mode of {gpu} to {wanted}")]
    Driver {
        /// The GPU.
        gpu: PciAddress,
        /// The mode.
        wanted: &'static str,
        /// Its refusal.
        #[source]
        cause: NvmlError,
    },
    /// No mode is named, or one that does not exist.
    #[error("no compute mode is named for {gpu}")]
    Unknown {
        /// The GPU.
        gpu: PciAddress,
    },
    /// The driver says that it was done, and it is not.
    #[error("compute mode of {gpu} reads back as {found}, not {wanted}")]
    NotDone {
        /// The GPU.
        gpu: PciAddress,
        /// The mode.
        wanted: &'static str,
        /// What was read back.
        found: &'static str,
    },
}

/// The mode now.
pub fn get(nvml: &Nvml, gpu: PciAddress) -> Result<ComputeMode, NvmlError> {
    let device = GpuAccess::Pci(gpu).device(nvml)?;
    let mode = called("nvmlDeviceGetComputeMode", device.compute_mode())?;
    Ok(match mode {
        Wrapped::Default => ComputeMode::Default,
        Wrapped::Prohibited => ComputeMode::Prohibited,
        // One thread of one process is as exclusive, for everybody else.
        Wrapped::ExclusiveProcess | Wrapped::ExclusiveThread => ComputeMode::ExclusiveProcess,
    })
}

/// Sets the mode; nothing is done where it is so already. Answers with what was read back.
pub fn set(
    nvml: &Nvml,
    gpu: PciAddress,
    wanted: ComputeMode,
) -> Result<ComputeMode, ComputeModeError> {
    let asked = match wanted {
        ComputeMode::Unspecified => return Err(ComputeModeError::Unknown { gpu }),
        ComputeMode::Default => Wrapped::Default,
        ComputeMode::Prohibited => Wrapped::Prohibited,
        ComputeMode::ExclusiveProcess => Wrapped::ExclusiveProcess,
    };
    let failed = |cause| ComputeModeError::Driver {
        gpu,
        wanted: words(wanted),
        cause,
    };
    if get(nvml, gpu).map_err(failed)? == wanted {
        return Ok(wanted);
    }
    let mut device = GpuAccess::Pci(gpu).device(nvml).map_err(failed)?;
    called("nvmlDeviceSetComputeMode", device.set_compute_mode(asked)).map_err(failed)?;
    let found = get(nvml, gpu).map_err(failed)?;
    if found == wanted {
        return Ok(found);
    }
    Err(ComputeModeError::NotDone {
        gpu,
        wanted: words(wanted),
        found: words(found),
    })
}

fn words(mode: ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Unspecified => "none",
        ComputeMode::Default => "default",
        ComputeMode::Prohibited => "prohibited",
        ComputeMode::ExclusiveProcess => "exclusive process",
    }
}
