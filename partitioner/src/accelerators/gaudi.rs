//! Gaudi: Habana's accelerators, in both layouts of their driver.
//!
//! After `Documentation/ABI/testing/sysfs-driver-habanalabs` and `drivers/accel/habanalabs/common/sysfs.c`: the
//! attributes of a device stand in `/sys/class/accel/accel<n>/device` since Linux 6.2, and in
//! `/sys/class/habanalabs/hl<n>` before. Its memory and load are told by ioctls alone, and which ports of two devices
//! are wired together by nobody: both stay unknown.

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::map::{Accelerator, AcceleratorHealth, DeviceClass, PciFunction, Vendor};

use super::Found;
use super::facts::{self, Scene, folder, is_processing_accelerator};
use super::tables::{self, gaudi as table};
use crate::sysfs::pci::nearest;

const HABANA: u16 = 0x1da3;
const OLD_CLASS: &str = "sys/class/habanalabs";

/// Whether a function is an accelerator of Habana's.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    let is_known = function.device.and_then(table::by_device).is_some();
    function.vendor == Some(HABANA) && (is_processing_accelerator(function) || is_known)
}

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let functions = scene.functions(is_mine);
    if functions.is_empty() {
        return Found::default();
    }
    let old = old_devices(scene);
    let accelerators = functions
        .iter()
        .map(|function| accelerator(scene, function, &old));
    Found {
        accelerators: accelerators.collect(),
        links: Vec::new(),
    }
}

/// Devices of the old layout, with where they sit. The class has a second device for each, `hl_controlD<n>`.
fn old_devices(scene: &Scene<'_>) -> BTreeMap<PciAddress, u32> {
    let numbers = scene.reader.numbered(OLD_CLASS, "hl");
    let place = |number: u32| {
        let folder = format!("{OLD_CLASS}/hl{number}");
        let linked = nearest(&scene.reader.root().canonical(&folder)?);
        let device = scene.device(folder);
        let told = || device.parsed("pci_addr", "a PCI address", |text| text.parse().ok());
        Some((linked.or_else(told)?, number))
    };
    numbers.into_iter().filter_map(place).collect()
}

fn accelerator(
    scene: &Scene<'_>,
    function: &PciFunction,
    old: &BTreeMap<PciAddress, u32>,
) -> Accelerator {
    let mut gaudi = scene.accelerator(function, Vendor::Habana);
    let devices = scene.devices(function).iter();
    let new = devices
        .copied()
        .find(|device| device.class == DeviceClass::Accel);
    let old = old.get(&function.address);
    let attributes = match (new, old) {
        (Some(device), _) => format!("sys/class/accel/{}/device", device.name),
        (None, Some(number)) => {
            gaudi.nodes.push(format!("/dev/hl{number}"));
            gaudi.nodes.sort();
            format!("{OLD_CLASS}/hl{number}")
        }
        (None, None) => folder(function.address),
    };
    let device = scene.device(attributes);
    let kind = device.label("device_type");
    let status = device.label("status");
    let told = status.map_or(AcceleratorHealth::Unknown, health);
    gaudi.health = facts::heard(&device, told);
    let model = kind.as_deref().and_then(table::by_kind);
    if let Some(model) = model.or_else(|| table::by_device(function.device?)) {
        model.name.clone_into(&mut gaudi.model);
        gaudi.architecture = Some(model.architecture.to_owned());
        tables::fill(&mut gaudi.capabilities, model.facts);
    } else if let Some(kind) = kind {
        gaudi.model = kind;
    }
    gaudi
}

/// `Operational`; everything else (`In reset`, `Disabled`, `Needs reset`, `In device creation`, and the `Malfunction`
/// of old kernels) says that it cannot be used now.
fn health(status: String) -> AcceleratorHealth {
    if status.eq_ignore_ascii_case("operational") {
        AcceleratorHealth::Ok
    } else {
        AcceleratorHealth::Failed(status)
    }
}
