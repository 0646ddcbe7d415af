//! Intel's GPUs, under xe and i915.
//!
//! After `drivers/gpu/drm/xe/xe_tile_sysfs.c` (`tile<t>`, and `physical_vram_size_bytes` of the kernels that have
//! it), `xe_survivability_mode.c`, and Intel's own release of i915, which shows `gt/gt<n>` and `lmem_total_bytes` of a
//! card. Power and temperature (`sysfs-driver-intel-xe-hwmon`, `-i915-hwmon`) are no facts of an inventory. Which ports
//! of Xe Link are connected is not shown by any driver of the kernel.

use kerf_types::Bytes;
use kerf_types::map::{
    Accelerator, AcceleratorHealth, CapabilityKey as Key, ClassDevice, DeviceClass, PciFunction,
    Vendor,
};

use super::Found;
use super::facts::{self, Scene, folder, is_display};
use super::tables::{self, intel as table};

const INTEL: u16 = 0x8086;
const XE: &str = "xe";
const I915: &str = "i915";

/// Whether a function is a GPU of Intel's: one that xe or i915 serves, or a model that they would. Old graphics that
/// neither serves compute nothing.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    let is_served = matches!(function.driver.as_deref(), Some(XE | I915));
    let is_known = function.device.and_then(table::model).is_some() || is_ponte_vecchio(function);
    function.vendor == Some(INTEL) && is_display(function) && (is_served || is_known)
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

fn accelerator(scene: &Scene<'_>, function: &PciFunction) -> Accelerator {
    let mut gpu = scene.accelerator(function, Vendor::Intel);
    facts::sriov(&mut gpu.capabilities, function);
    let folders = scene.reader.numbered(&folder(function.address), "tile");
    let tiles = tiles(scene, function, &folders);
    facts::count(&mut gpu.capabilities, Key::Chiplets, tiles);
    gpu.memory = memory(scene, function, &folders);
    let device = scene.device(folder(function.address));
    gpu.health = facts::heard(&device, health(scene, function));
    if let Some(model) = function.device.and_then(table::model) {
        model.name.clone_into(&mut gpu.model);
        gpu.architecture = Some(model.architecture.to_owned());
        // Published of the whole model: of a virtual function it would be a lie.
        if function.physical_function.is_none() {
            tables::fill(&mut gpu.capabilities, model.facts);
        }
    }
    gpu
}

/// Tiles: xe has a folder for each, i915 a folder for each GT. The second GT of an integrated GPU is its media unit,
/// and those of Ponte Vecchio are its tiles. `None` where neither tells.
fn tiles(scene: &Scene<'_>, function: &PciFunction, folders: &[u32]) -> Option<u64> {
    let found = match folders {
        [] if is_ponte_vecchio(function) => {
            let card = card(scene, function)?;
            scene.reader.numbered(&format!("{card}/gt"), "gt").len()
        }
        tiles => tiles.len(),
    };
    u64::try_from(found).ok().filter(|tiles| *tiles > 0)
}

/// What all tiles have, or what the card has.
fn memory(scene: &Scene<'_>, function: &PciFunction, folders: &[u32]) -> Option<Bytes> {
    let device = scene.device(folder(function.address));
    let of_tile = |tile: &u32| device.number(&format!("tile{tile}/physical_vram_size_bytes"));
    let of_card = || {
        let card = card(scene, function)?;
        scene.device(card).number("lmem_total_bytes")
    };
    let tiles = facts::sum(folders.iter().map(of_tile)).filter(|bytes| *bytes > 0);
    let bytes: Option<u64> = tiles.or_else(of_card);
    bytes.filter(|bytes| *bytes > 0).map(Bytes)
}

/// xe shows `survivability_mode` for a card that only waits for new firmware.
fn health(scene: &Scene<'_>, function: &PciFunction) -> AcceleratorHealth {
    let path = format!("{}/survivability_mode", folder(function.address));
    match scene.reader.root().canonical(&path) {
        Some(_) => AcceleratorHealth::Failed("survivability mode".to_owned()),
        None => AcceleratorHealth::Unknown,
    }
}

/// The folder of a function's card.
fn card(scene: &Scene<'_>, function: &PciFunction) -> Option<String> {
    let is_card = |device: &&ClassDevice| {
        let digits = device.name.strip_prefix("card");
        device.class == DeviceClass::Drm
            && digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
    };
    let card = scene.devices(function).iter().copied().find(is_card)?;
    Some(format!("sys/class/drm/{}", card.name))
}

fn is_ponte_vecchio(function: &PciFunction) -> bool {
    function.device.is_some_and(table::is_ponte_vecchio)
}
