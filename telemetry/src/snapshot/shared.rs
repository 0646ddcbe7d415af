//! Devices that are shared by MPS.

use kerf_types::{GpuUuid, MigUuid};

/// A device that is shared by MPS.
#[derive(Debug, Clone)]
pub struct MpsEntry {
    /// The GPU.
    pub gpu: GpuUuid,
    /// The slice on it; `None` for the whole GPU.
    pub mig: Option<MigUuid>,
    /// Whether places on it are given.
    pub is_ready: bool,
    /// How many clients it has; `None` where its daemon does not say.
    pub clients: Option<u64>,
    /// Whether its server is in FAULT; `None` where its daemon does not say.
    pub is_fault: Option<bool>,
}
