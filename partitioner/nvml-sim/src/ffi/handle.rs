//! Handles: opaque to the caller, a number to us. Owns the encoding. A handle to an instance holds
//! its serial, so it names nothing once the instance is gone, even when its id is given again.
//!
//! The number looks like an aligned address in user space, because runtimes with a garbage
//! collector (Go) inspect what is typed as a pointer.

use crate::model::status::Status;

/// Something that a handle can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A GPU, by index.
    Gpu(u32),
    /// A MIG device: GPU, serial of the compute instance.
    Mig(u32, u32),
    /// A GPU instance: GPU, serial.
    Gi(u32, u32),
    /// A compute instance: GPU, serial.
    Ci(u32, u32),
}

/// `nvmlDevice_t`, `nvmlGpuInstance_t`, `nvmlComputeInstance_t`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(u64);

const KIND_SHIFT: u32 = 44;
const GPU_SHIFT: u32 = 36;
const SERIAL_SHIFT: u32 = 4;

impl Handle {
    /// The handle of `target`.
    pub fn of(target: Target) -> Self {
        let (kind, gpu, serial) = match target {
            Target::Gpu(gpu) => (1u64, gpu, 0),
            Target::Mig(gpu, serial) => (2, gpu, serial),
            Target::Gi(gpu, serial) => (3, gpu, serial),
            Target::Ci(gpu, serial) => (4, gpu, serial),
        };
        let (gpu, serial) = (u64::from(gpu), u64::from(serial));
        Self(kind << KIND_SHIFT | gpu << GPU_SHIFT | serial << SERIAL_SHIFT)
    }

    /// What it names; that it exists is for the caller to see.
    pub fn target(self) -> Result<Target, Status> {
        let field = |shift: u32, bits: u32| {
            let value = self.0 >> shift & ((1 << bits) - 1);
            u32::try_from(value).map_err(|_| Status::InvalidArgument)
        };
        let (gpu, serial) = (field(GPU_SHIFT, 8)?, field(SERIAL_SHIFT, 32)?);
        let target = match self.0 >> KIND_SHIFT {
            1 => Target::Gpu(gpu),
            2 => Target::Mig(gpu, serial),
            3 => Target::Gi(gpu, serial),
            4 => Target::Ci(gpu, serial),
            _ => return Err(Status::InvalidArgument),
        };
        if Self::of(target) == self {
            Ok(target)
        } else {
            Err(Status::InvalidArgument)
        }
    }
}
