//! What NVIDIA's kernel driver says of its GPUs without NVML, from `/proc/driver/nvidia/gpus`.
//!
//! This names a GPU that NVML has lost. Reading it enters the driver and can hang as NVML does: callers
//! that promise an answer read it in a thread or a process that they can leave behind.

use kerf_types::{DeviceMinor, GpuUuid, PciAddress};

use super::{Root, SysfsError};

/// A folder for each GPU.
pub const GPUS: &str = "proc/driver/nvidia/gpus";

/// A GPU as the kernel driver knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverGpu {
    /// Where it sits.
    pub pci: PciAddress,
    /// Marketing name.
    pub model: Option<String>,
    /// UUID; the driver shows question marks before the first use of the GPU.
    pub uuid: Option<GpuUuid>,
    /// Minor of `/dev/nvidia<minor>`.
    pub minor: Option<DeviceMinor>,
}

/// Every GPU that the kernel driver serves, by address: the order of NVML's indices.
pub fn gpus(root: &Root) -> Result<Vec<DriverGpu>, SysfsError> {
    let mut gpus: Vec<DriverGpu> = root
        .list(GPUS)?
        .iter()
        .filter_map(|name| gpu(root, name))
        .collect();
    gpus.sort_by_key(|gpu| gpu.pci);
    Ok(gpus)
}

/// Addresses of the GPUs that the kernel driver serves, in the order of NVML's indices. Only the folder is
/// read, which does not enter the driver.
pub fn addresses(root: &Root) -> Result<Vec<PciAddress>, SysfsError> {
    let names = root.list(GPUS)?;
    let mut found: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
    found.sort();
    Ok(found)
}

fn gpu(root: &Root, name: &str) -> Option<DriverGpu> {
    let pci = name.parse().ok()?;
    let text = root
        .fact(&format!("{GPUS}/{name}/information"))
        .unwrap_or_default();
    let field = |key: &str| {
        let of = |line: &str| {
            Some(
                line.strip_prefix(key)?
                    .trim_start_matches(':')
                    .trim()
                    .to_owned(),
            )
        };
        text.lines().find_map(of)
    };
    Some(DriverGpu {
        pci,
        model: field("Model"),
        uuid: field("GPU UUID").and_then(|uuid| uuid.parse().ok()),
        minor: field("Device Minor")
            .and_then(|minor| minor.parse().ok())
            .map(DeviceMinor),
    })
}
