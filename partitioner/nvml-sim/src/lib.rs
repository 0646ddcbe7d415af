//! A simulated NVIDIA driver.
//!
//! As a cdylib it is `libnvidia-ml.so.1`: the NVML C ABI over a device model whose state lives in
//! a file beside the library, so that it outlives every process as a driver's state does. As an
//! rlib it makes the machine folders (`machine`) and changes what a real machine would do by
//! itself: faults and load (`control`). Machines with accelerators of other makers have no such library: what their
//! drivers show is in the folder all the same.
//!
//! - `model` owns every rule and is pure.
//! - `fuse` stops a client at a chosen call, for drills.
//! - `store` owns the state file: one lock, atomic replacement, cheap re-reading.
//! - `kernel` owns what the machine's kernel shows and takes under `/sys`, for GPUs without a library.
//! - `import` makes a machine of a description in place of a name.
//! - `ffi` owns the C ABI and all of the unsafe code but `machine::sys`.

pub mod control;
mod ffi;
pub mod fuse;
pub mod import;
pub mod kernel;
pub mod machine;
pub mod model;
mod store;

pub use machine::{CreateError, CreateOptions, MachineInfo, create, find_library, machines, open};
pub use model::tables::{GridSpec, grid, grids};
pub use store::StoreError;

/// The driver that is simulated, as the captures under `nvidia-smi` have it.
pub const DRIVER_VERSION: &str = "590.48.01";
/// Its NVML version.
pub const NVML_VERSION: &str = "13.590.48.01";
/// Its CUDA version: 1000 × major + 10 × minor.
pub const CUDA_VERSION: i32 = 13_010;
