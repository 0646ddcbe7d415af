//! Accelerators that no other file knows: NEC's vector engines, Xeon Phi, and whatever is of PCI's class for
//! accelerators or of the kernel's.
//!
//! The files of a vector engine are those of NEC's `ve_drv`, and those of a Xeon Phi (Knights Corner) of Intel's `mic`,
//! as hwloc reads them (`hwloc/topology-linux.c`, `/sys/class/ve`, `/sys/class/mic`) and a machine of its has them.

use kerf_types::Bytes;
use kerf_types::map::{
    Accelerator, AcceleratorHealth, CapabilityKey as Key, ClassDevice, DeviceClass, PciFunction,
    Vendor,
};

use super::facts::{self, Scene, is_processing_accelerator};
use super::tables::{self, nec as table};
use super::{Found, is_known};

const NEC: u16 = 0x1bcf;
const GIBIBYTE: u64 = 1 << 30;

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let class = |function: &PciFunction| {
        let is_its = |device: &&ClassDevice| {
            let is_accelerator = matches!(
                device.class,
                DeviceClass::Accel | DeviceClass::Mic | DeviceClass::Ve
            );
            is_accelerator
        };
        scene.devices(function).iter().copied().find(is_its)
    };
    // A vector engine is a co-processor to PCI (0b40h); others of that class, such as QuickAssist, compress.
    let is_engine = |one: &PciFunction| one.vendor == Some(NEC) && one.class_pair() == Some(0x0b40);
    let functions = scene.functions(|function| {
        let is_one = is_processing_accelerator(function) || is_engine(function);
        // A 3D controller has no screen to draw on, so it computes, whoever made it.
        let is_nobodys = function.vendor.is_none() && function.class_pair() == Some(0x0302);
        (is_one || is_nobodys || class(function).is_some()) && !is_known(function)
    });
    let accelerators = functions.into_iter().map(|function| {
        let mut accelerator = scene.accelerator(function, function.vendor.map(vendor));
        facts::sriov(&mut accelerator.capabilities, function);
        match class(function).map(|device| (device.class, &device.name)) {
            Some((DeviceClass::Ve, name)) => vector_engine(scene, &mut accelerator, name),
            Some((DeviceClass::Mic, name)) => xeon_phi(scene, &mut accelerator, name),
            _ => {}
        }
        accelerator
    });
    Found {
        accelerators: accelerators.collect(),
        links: Vec::new(),
    }
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
    let device = scene.device(format!("sys/class/ve/{name}"));
    let model = device.label("model");
    accelerator.model = model.map_or_else(
        || "NEC Vector Engine".to_owned(),
        |model| format!("NEC Vector Engine {model}"),
    );
    accelerator.serial = device.label("serial");
    let size: Option<u64> = device.number("memory_size");
    accelerator.memory = size.and_then(|size| size.checked_mul(GIBIBYTE)).map(Bytes);
    let cores: Option<u64> = device.number("num_of_core");
    accelerator.health = facts::heard(&device, AcceleratorHealth::Unknown);
    let capabilities = &mut accelerator.capabilities;
    facts::count(capabilities, Key::ComputeUnits, cores);
    tables::fill(capabilities, table::VECTOR_ENGINE);
}

/// `active_cores` and `memsize`, in kibibytes, are hexadecimal without a prefix.
fn xeon_phi(scene: &Scene<'_>, accelerator: &mut Accelerator, name: &str) {
    let device = scene.device(format!("sys/class/mic/{name}"));
    let family = device.label("family");
    accelerator.model = family.map_or_else(
        || "Intel Xeon Phi".to_owned(),
        |family| format!("Intel Xeon Phi {family}"),
    );
    accelerator.serial = device.label("serialnumber");
    let size = device.hex("memsize").map(u64::from);
    let size = size.filter(|size| *size > 0);
    accelerator.memory = size.and_then(|size| size.checked_mul(1024)).map(Bytes);
    let told = match device.label("state") {
        None => AcceleratorHealth::Unknown,
        Some(state) if state == "online" => AcceleratorHealth::Ok,
        Some(state) => AcceleratorHealth::Failed(state),
    };
    let cores = device.hex("active_cores").map(u64::from);
    accelerator.health = facts::heard(&device, told);
    facts::count(&mut accelerator.capabilities, Key::ComputeUnits, cores);
}
