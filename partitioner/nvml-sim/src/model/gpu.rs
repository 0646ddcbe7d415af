//! One GPU's state. Owns identity, faults and settings; MIG instances, load and time-varying
//! values are methods in `mig`, `load` and `meter`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fabric::FabricFault;
use super::load::Process;
use super::machine::Machine;
use super::meter::Meter;
use super::product::Product;
use super::spec::{PciFunction, Role};
use super::status::Status;

/// A GPU.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gpu {
    /// Place on the bus. It is the NVML index as long as no GPU before it is gone.
    pub index: u32,
    /// Minor number of `/dev/nvidia<minor>`.
    pub minor: u32,
    /// UUID, printed with `GPU-` before it.
    pub uuid: Uuid,
    /// Serial number of the board.
    pub serial: String,
    /// What is wrong with it.
    pub fault: Fault,
    /// MIG mode now.
    pub mig: bool,
    /// MIG mode after the next reset.
    pub mig_pending: bool,
    /// GPU instances in order of creation.
    pub instances: Vec<GpuInstance>,
    /// Processes on it.
    pub processes: Vec<Process>,
    /// Integral of its activity.
    pub meter: Meter,
    /// Settings that a client may change.
    pub settings: Settings,
    /// Memory errors counted.
    pub ecc: Ecc,
    /// What is wrong with its way into the NVLink fabric; nothing in a state that was written before there was any.
    #[serde(default)]
    pub fabric: FabricFault,
    /// vGPUs on it, each with the GPU instance that carries it. They are the kernel's: this is what it has told.
    #[serde(default)]
    pub vgpus: Vec<Option<u32>>,
}

/// What is wrong with a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It has fallen off the bus: every call on it answers GPU_IS_LOST.
    Lost,
    /// Every call on it blocks until the fault is lifted.
    Hung,
    /// It has left the bus: the driver does not count or list it any more, and the indices of those behind
    /// it go down by one. A handle from before answers GPU_IS_LOST. Its instances and processes
    /// end with it, and its files under `/sys` and `/proc/driver/nvidia/gpus` are away until the fault is lifted; device nodes stay, as they do where
    /// nobody removes them.
    Gone,
    /// Every call on it answers RESET_REQUIRED until it is reset.
    ResetRequired,
}

/// Settings that a client may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Persistence mode.
    pub persistence: bool,
    /// `nvmlComputeMode_t`: 0, 2 or 3.
    pub compute_mode: u32,
    /// How long a time slice is, of the four that there are; 0 is the driver's choice. A state that was written
    /// before it could be chosen has that.
    #[serde(default)]
    pub time_slice: u32,
    /// Power limit asked for.
    pub power_limit_mw: u32,
    /// Locked graphics clocks, lowest and highest in MHz.
    pub locked_clocks_mhz: Option<(u32, u32)>,
}

/// ECC error counts; the volatile ones begin at zero with a driver load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ecc {
    /// Corrected, since the driver was loaded.
    pub volatile_corrected: u64,
    /// Uncorrected, since the driver was loaded.
    pub volatile_uncorrected: u64,
    /// Corrected in the board's life.
    pub aggregate_corrected: u64,
    /// Uncorrected in the board's life; each one remaps a row.
    pub aggregate_uncorrected: u64,
}

/// A GPU instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GpuInstance {
    /// Id: a function of the place.
    pub id: u32,
    /// Profile id.
    pub profile: u32,
    /// First placement unit.
    pub start: u32,
    /// Which incarnation; handles hold it.
    pub serial: u32,
    /// Compute instances in order of creation.
    pub compute: Vec<ComputeInstance>,
    /// Integral of its activity.
    pub meter: Meter,
}

/// A compute instance: together with its GPU instance, a MIG device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComputeInstance {
    /// Id: the lowest free one of its GPU instance.
    pub id: u32,
    /// Profile id.
    pub profile: u32,
    /// First compute slice.
    pub start: u32,
    /// Which incarnation; handles hold it.
    pub serial: u32,
    /// UUID of the MIG device, printed with `MIG-` before it.
    pub uuid: Uuid,
    /// Index among the MIG devices of the GPU: the lowest free one when it was made, so that
    /// indices have holes after a destroy.
    pub mig_index: u32,
}

impl Gpu {
    /// The instance with that id.
    #[must_use]
    pub fn instance(&self, id: u32) -> Option<&GpuInstance> {
        self.instances.iter().find(|gi| gi.id == id)
    }

    /// Every MIG device: a compute instance with its parent.
    pub fn mig_devices(&self) -> impl Iterator<Item = (&GpuInstance, &ComputeInstance)> {
        self.instances
            .iter()
            .flat_map(|gi| gi.compute.iter().map(move |ci| (gi, ci)))
    }
}

impl Machine {
    /// GPUs that the driver lists, in the order of NVML's indices.
    pub fn listed(&self) -> impl Iterator<Item = &Gpu> {
        self.gpus.iter().filter(|gpu| gpu.fault != Fault::Gone)
    }

    /// The product of every GPU in it.
    ///
    /// # Errors
    /// `LibRmVersionMismatch` for a state of an unknown machine.
    pub fn product(&self) -> Result<&'static Product, Status> {
        let spec = self.spec().ok_or(Status::LibRmVersionMismatch)?;
        spec.nvidia().ok_or(Status::DriverNotLoaded)
    }

    /// Where a GPU sits.
    ///
    /// # Errors
    /// `LibRmVersionMismatch` for a state of an unknown machine, `InvalidArgument` for a GPU that
    /// it does not have.
    pub fn site(&self, gpu: u32) -> Result<&'static PciFunction, Status> {
        let spec = self.spec().ok_or(Status::LibRmVersionMismatch)?;
        super::machine::function(spec, Role::Gpu(gpu)).ok_or(Status::InvalidArgument)
    }
}
