//! Google's TPUs: PCI functions that Google's driver serves up to v4, and VFIO since v5.
//!
//! After Google's `tpu_info` (see [`super::tables::tpu`]). The kernel shows nothing of a chip but its function: memory,
//! health, load and the links between chips are told by `libtpu` alone.

use kerf_types::map::{Accelerator, PciFunction, Vendor};

use super::Found;
use super::facts::Scene;
use super::tables::{self, tpu as table};

const GOOGLE: u16 = 0x1ae0;

/// Whether a function is a TPU: Google has interfaces and disks under the same vendor id, so the device id counts.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    function.vendor == Some(GOOGLE) && model(function).is_some()
}

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let functions = scene.functions(is_mine);
    let accelerators = functions
        .iter()
        .map(|function| accelerator(scene, function));
    Found {
        accelerators: accelerators.collect(),
        links: Vec::new(),
    }
}

fn model(function: &PciFunction) -> Option<&'static table::Model> {
    table::model(
        function.device?,
        function.subsystem.map(|(_, device)| device),
    )
}

fn accelerator(scene: &Scene<'_>, function: &PciFunction) -> Accelerator {
    let mut tpu = scene.accelerator(function, Vendor::Google);
    if let Some(model) = model(function) {
        model.name.clone_into(&mut tpu.model);
        tpu.architecture = Some(model.architecture.to_owned());
        tables::fill(&mut tpu.capabilities, model.facts);
    }
    tpu
}
