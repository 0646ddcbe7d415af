//! Accelerators that no other file knows: NEC's vector engines, and whatever is of PCI's class for accelerators.
//!
//! The files of a vector engine are those of NEC's `ve_drv`, as hwloc reads them (`hwloc/topology-linux.c`,
//! `/sys/class/ve`).

use kerf_types::Bytes;
use kerf_types::map::{
    Accelerator, CapabilityKey as Key, ClassDevice, DeviceClass, PciFunction, Vendor,
};

use super::facts::NOBODY;
use super::facts::{self, Scene, is_processing_accelerator};
use super::tables::{self, nec as table};
use super::{Found, is_known};

const NEC: u16 = 0x1bcf;
const GIBIBYTE: u64 = 1 << 30;

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let mut accelerators: Vec<Accelerator> = Vec::new();
    let engines = scene
        .devices
        .iter()
        .filter(|device| device.class == DeviceClass::Ve);
    let engines: Vec<&ClassDevice> = engines.collect();
    for function in scene.functions(is_other) {
        let engine = engines
            .iter()
            .find(|engine| engine.pci == Some(function.address));
        let mut accelerator =
            scene.accelerator(function, vendor(function.vendor.unwrap_or(NOBODY)));
        facts::sriov(&mut accelerator.capabilities, function);
        if let Some(engine) = engine {
            vector_engine(scene, &mut accelerator, &engine.name);
        }
        accelerators.push(accelerator);
    }
    Found {
        accelerators,
        links: Vec::new(),
    }
}

/// A vector engine is a co-processor to PCI (0b40h).
fn is_other(function: &PciFunction) -> bool {
    let is_engine = function.vendor == Some(NEC) && function.class_pair() == 0x0b40;
    (is_engine || is_processing_accelerator(function)) && !is_known(function)
}

fn vendor(id: u16) -> Vendor {
    match id {
        0x1002 | 0x1022 | 0x10ee => Vendor::Amd,
        0x1d0f => Vendor::Aws,
        0x1ae0 => Vendor::Google,
        0x8086 => Vendor::Intel,
        0x1da3 => Vendor::Habana,
        NEC => Vendor::Nec,
        0x10de => Vendor::Nvidia,
        other => Vendor::Other(other),
    }
}

/// `memory_size` is in gibibytes.
fn vector_engine(scene: &Scene<'_>, accelerator: &mut Accelerator, name: &str) {
    let file = |file: &str| format!("sys/class/ve/{name}/{file}");
    let model = scene.label(&file("model"));
    accelerator.model = model.map_or_else(
        || "NEC Vector Engine".to_owned(),
        |model| format!("NEC Vector Engine {model}"),
    );
    accelerator.serial = scene.label(&file("serial"));
    let size: Option<u64> = scene.reader.number(&file("memory_size"));
    accelerator.memory = size.and_then(|size| size.checked_mul(GIBIBYTE)).map(Bytes);
    let cores: Option<u64> = scene.reader.number(&file("num_of_core"));
    let capabilities = &mut accelerator.capabilities;
    facts::count(capabilities, Key::ComputeUnits, cores.unwrap_or(0));
    tables::fill(capabilities, table::VECTOR_ENGINE);
}
