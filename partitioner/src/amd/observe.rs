//! One AMD GPU as it is now.

use kerf_types::inventory::Health;
use kerf_types::{AmdGpu, Bytes, PciAddress, Timestamp};
use nix::errno::Errno;

use super::{AmdError, kfd};
use crate::systree::{self, SysTree, fact};

/// AMD's vendor id.
const AMD: u32 = 0x1002;
const DRIVER: &str = "/sys/bus/pci/drivers/amdgpu";

/// The folder of a PCI function.
pub(super) fn folder(pci: PciAddress) -> String {
    format!("/sys/bus/pci/devices/{pci}")
}

/// The GPUs that amdgpu serves, in order of their addresses. Nothing of the driver itself is asked, so this
/// answers beside one that hangs.
pub fn addresses(tree: &dyn SysTree) -> Result<Vec<PciAddress>, crate::systree::TreeError> {
    let names = match tree.list(DRIVER) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        names => names?,
    };
    let mut found: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The GPU at this address. What it does not tell is unknown; only what tells which GPU it is must be there.
pub fn observe(tree: &dyn SysTree, pci: PciAddress, now: Timestamp) -> Result<AmdGpu, AmdError> {
    let served = addresses(tree).map_err(|cause| AmdError::Unreadable { pci, cause })?;
    let place = served.iter().position(|other| *other == pci);
    let place = place.ok_or(AmdError::NotFound { pci })?;
    let unreadable = |cause| AmdError::Unreadable { pci, cause };
    let nodes = kfd::nodes(tree, pci).map_err(unreadable)?;
    let nodes = nodes.ok_or(AmdError::Unsteady)?;
    let processes = kfd::processes(tree, &nodes.partitions).map_err(unreadable)?;
    let folder = folder(pci);
    // The driver may still have its name when the function has left the bus.
    if tree.list(&folder).is_err_and(|error| error.is_absent()) {
        return Err(AmdError::NotFound { pci });
    }
    let text = |name: &str| fact(tree, &format!("{folder}/{name}")).filter(|text| !text.is_empty());
    let label = |name: &str| text(name).and_then(|text| systree::label(&text));
    let ids = |name: &str| text(name).as_deref().and_then(hexadecimal);
    // amdgpu serves no other vendor's.
    let (vendor, device) = (ids("vendor").unwrap_or(AMD), ids("device"));
    let bytes = |name: &str| text(name)?.parse().ok().map(Bytes);
    let banks = || nodes.partitions.iter().filter_map(|one| one.memory);
    let banks = || Bytes(banks().map(|bytes| bytes.0).fold(0, u64::saturating_add));
    let xccs = nodes.partitions.iter().map(|one| one.xccs);
    let xccs = xccs.fold(0, u32::saturating_add);
    Ok(AmdGpu {
        index: u32::try_from(place).unwrap_or(u32::MAX),
        pci,
        name: label("product_name").unwrap_or_else(|| match device {
            Some(device) => format!("AMD {device:04x}"),
            None => "AMD GPU".to_owned(),
        }),
        pci_device_id: device.unwrap_or_default() << 16 | vendor,
        unique_id: label("unique_id"),
        serial: label("serial_number"),
        memory: bytes("mem_info_vram_total").unwrap_or_else(banks),
        memory_used: bytes("mem_info_vram_used"),
        utilisation_percent: text("gpu_busy_percent")
            .and_then(|percent| percent.parse().ok())
            .filter(|percent| *percent <= 100),
        // Which nodes there are is not asked here.
        numa_node: None,
        xccs: (xccs > 0).then_some(xccs),
        hive: (nodes.hive != 0).then(|| format!("{:016x}", nodes.hive)),
        compute: text("current_compute_partition").and_then(|mode| mode.parse().ok()),
        compute_modes: list(text("available_compute_partition")),
        memory_mode: text("current_memory_partition").and_then(|mode| mode.parse().ok()),
        memory_modes: list(text("available_memory_partition")),
        pending_memory: None,
        partitions: nodes.partitions,
        processes,
        health: health(tree, &folder, now),
    })
}

/// amdgpu answers EPERM for its modes while it resets the GPU.
fn health(tree: &dyn SysTree, folder: &str, now: Timestamp) -> Health {
    let path = format!("{folder}/current_compute_partition");
    match tree.read(&path) {
        Err(error) if error.errno() == Some(Errno::EPERM) => Health::Unresponsive {
            since: now,
            operation: "amdgpu resets it".to_owned(),
        },
        Err(error) if error.errno() == Some(Errno::EIO) => Health::Unresponsive {
            since: now,
            operation: "reading its compute mode".to_owned(),
        },
        _ => Health::Ok,
    }
}

/// `SPX, DPX, QPX`; modes that nobody knows yet, and those that stand there twice, are left out.
pub(crate) fn list<T: std::str::FromStr + PartialEq>(text: Option<String>) -> Vec<T> {
    let text = text.unwrap_or_default();
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    let mut found = Vec::new();
    for mode in names.filter_map(|name| name.parse().ok()) {
        if !found.contains(&mode) {
            found.push(mode);
        }
    }
    found
}

fn hexadecimal(text: &str) -> Option<u32> {
    let id = u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (id <= 0xffff).then_some(id)
}
