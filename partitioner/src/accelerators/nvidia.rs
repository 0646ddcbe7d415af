//! NVIDIA's GPUs as far as the kernel shows them: what only NVML knows is added by whoever asks it.
//!
//! After the driver's README, chapter "The NVIDIA /proc file system interface" (`gpus/<address>/information`).

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::map::{Accelerator, PciFunction, Vendor};

use super::Found;
use super::facts::Scene;
use super::peers;
use super::tables::{self, nvidia as table};
use crate::sysfs::Root;
use crate::sysfs::driver::{self, DriverGpu};

const NVIDIA: u16 = 0x10de;

/// Whether a function is a GPU of NVIDIA's: VGA or 3D. Its audio function and an NVSwitch are none.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    function.vendor == Some(NVIDIA) && matches!(function.class_pair(), Some(0x0300 | 0x0302))
}

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let functions = scene.functions(is_mine);
    if functions.is_empty() {
        return Found::default();
    }
    // Reading these files takes the driver's lock, which may be held for ever. Where they are the driver's NVML tells the
    // same behind a deadline, so that the driver is not entered here; elsewhere they are plain files.
    let read = |root: &Root| match root.is_on_proc(driver::GPUS) {
        true => Ok(Vec::new()),
        false => driver::gpus(root),
    };
    // The driver's folder may be unreadable; then the GPUs are there without its words.
    let told = read(scene.reader.root()).unwrap_or_else(|error| {
        let what = crate::in_words(&error);
        scene
            .reader
            .odd("proc/driver/nvidia/gpus", what)
            .unwrap_or_default()
    });
    let told: BTreeMap<PciAddress, DriverGpu> =
        told.into_iter().map(|gpu| (gpu.pci, gpu)).collect();
    let accelerators = functions
        .iter()
        .map(|function| accelerator(scene, function, told.get(&function.address)));
    let mut accelerators: Vec<Accelerator> = accelerators.collect();
    peers::add(scene.reader, &peers::NVIDIA, &mut accelerators);
    Found {
        accelerators,
        links: Vec::new(),
    }
}

fn accelerator(scene: &Scene<'_>, function: &PciFunction, told: Option<&DriverGpu>) -> Accelerator {
    let mut gpu = scene.accelerator(function, Vendor::Nvidia);
    let Some(told) = told else {
        return gpu;
    };
    if let Some(minor) = told.minor {
        gpu.nodes.push(format!("/dev/nvidia{}", minor.0));
        gpu.nodes.sort();
    }
    gpu.unique_id = told.uuid.as_ref().map(ToString::to_string);
    let Some(name) = told.model.as_deref().and_then(crate::systree::label) else {
        return gpu;
    };
    if let Some(model) = table::model(&name) {
        tables::fill(&mut gpu.capabilities, model.facts);
        if let Some(architecture) = table::architecture(model.compute) {
            gpu.architecture = Some(architecture.name.to_owned());
            tables::fill(&mut gpu.capabilities, architecture.facts);
        }
    }
    gpu.model = name;
    gpu
}
