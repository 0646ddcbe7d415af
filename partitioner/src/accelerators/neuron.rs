//! AWS's Inferentia and Trainium.
//!
//! After AWS's "Neuron Sysfs User Guide" and the driver that writes it (`aws-neuron/aws-neuron-driver`,
//! `neuron_cdev.c`, `neuron_sysfs_metrics.c`). A device is a folder of the class `neuron_device` that has no parent, so
//! the kernel does not show which PCI function it is: its number is a routing id of the firmware. Every counter there
//! takes a write as "clear": they are opened for reading alone. Drivers before 2.13 lack `connected_devices`, those
//! before 2.14 `stats/hardware`, and 2.31 has moved files to places that could not be confirmed: what is not where the
//! guide has it is unknown.

use std::collections::BTreeMap;

use kerf_types::Bytes;
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Capabilities, CapabilityKey as Key, End, Link, LinkKind,
    PciFunction, Vendor,
};

use super::Found;
use super::facts::{self, Scene};
use super::tables::{self, neuron as table};
use crate::sysfs::Device;
use crate::sysfs::pci::nearest;

const AMAZON: u16 = 0x1d0f;
/// Where the devices are; the class has links to them.
const FOLDERS: [&str; 2] = [
    "sys/devices/virtual/neuron_device",
    "sys/class/neuron_device",
];
/// `neuron_pci_driver.name` and the module's name.
const DRIVER: &str = "neuron-driver";
const MODULE: &str = "neuron";
/// `MAX_NEURON_DEVICE_COUNT` of the driver: more than that are no devices of its.
const MOST: usize = 64;

/// Whether a function is a Neuron device.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    function.vendor == Some(AMAZON) && function.device.and_then(table::by_device).is_some()
}

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let functions = scene.functions(is_mine);
    let class = FOLDERS
        .into_iter()
        .find(|folder| has_devices(scene, folder));
    let class = class.unwrap_or_default();
    let devices = devices(scene, class, &functions);
    let places: Vec<_> = devices.values().filter_map(|device| device.pci).collect();
    // A function that a driver serves is one of the devices; without devices, or a driver, it stands for itself.
    let is_lost = |function: &&&PciFunction| {
        devices.is_empty() || (function.driver.is_none() && !places.contains(&function.address))
    };
    let lost = functions.iter().filter(is_lost).map(|function| {
        let mut accelerator = scene.accelerator(function, Vendor::Aws);
        if let Some(model) = function.device.and_then(table::by_device) {
            describe(&mut accelerator, model);
        }
        accelerator
    });
    let lost: Vec<Accelerator> = lost.collect();
    let links = links(scene, class, &devices);
    Found {
        accelerators: devices.into_values().chain(lost).collect(),
        links,
    }
}

fn has_devices(scene: &Scene<'_>, class: &str) -> bool {
    !scene.reader.numbered(class, "neuron").is_empty()
}

/// The devices by number.
fn devices(
    scene: &Scene<'_>,
    class: &str,
    functions: &[&PciFunction],
) -> BTreeMap<u32, Accelerator> {
    if class.is_empty() {
        return BTreeMap::new();
    }
    let mut numbers = scene.reader.numbered(class, "neuron");
    numbers.truncate(MOST);
    let count = numbers.len();
    let device = |number: u32| {
        let folder = format!("{class}/neuron{number}");
        let linked = scene.reader.root().canonical(&folder);
        let linked = linked.as_deref().and_then(nearest);
        let at = functions.iter().find(|one| Some(one.address) == linked);
        let only = functions
            .first()
            .filter(|_| count == 1 && functions.len() == 1);
        (
            number,
            device(scene, functions, number, &folder, at.or(only).copied()),
        )
    };
    numbers.into_iter().map(device).collect()
}

fn device(
    scene: &Scene<'_>,
    functions: &[&PciFunction],
    number: u32,
    folder: &str,
    function: Option<&PciFunction>,
) -> Accelerator {
    let device = scene.device(folder.to_owned());
    let mut neuron = match function {
        Some(function) => scene.accelerator(function, Vendor::Aws),
        None => without_function(scene, functions, number),
    };
    let name = device.label("info/architecture/device_name");
    let instance = device.label("info/architecture/instance_type");
    neuron.serial = device.label("info/serial_number");
    neuron.nodes = vec![format!("/dev/neuron{number}")];
    let cores: Option<u64> = device.number("core_count");
    facts::count(&mut neuron.capabilities, Key::ComputeUnits, cores);
    neuron.memory_used = memory_used(scene, folder, &device);
    neuron.health = facts::heard(&device, health(&device));
    let model = name.as_deref().and_then(table::by_name);
    let model = model.or_else(|| table::by_device(functions.first()?.device?));
    if let Some(model) = model {
        describe(&mut neuron, model);
    }
    neuron.architecture = instance
        .map(|word| word.to_lowercase())
        .or(neuron.architecture);
    neuron.model = name.unwrap_or(neuron.model);
    neuron
}

/// A device whose function is not known. Where all functions are next to one NUMA node, so is it.
fn without_function(scene: &Scene<'_>, functions: &[&PciFunction], number: u32) -> Accelerator {
    let near = functions.first().and_then(|one| one.numa_node);
    let are_alike = functions.iter().all(|one| one.numa_node == near);
    let name = functions.iter().find_map(|one| one.driver.as_deref());
    let version = scene.label(&format!("sys/module/{MODULE}/version"));
    let driver = name.unwrap_or(DRIVER);
    Accelerator {
        id: format!("neuron{number}"),
        vendor: Some(Vendor::Aws),
        model: format!("neuron{number}"),
        pci: None,
        numa_node: near.filter(|_| are_alike),
        memory: None,
        memory_used: None,
        architecture: None,
        serial: None,
        unique_id: None,
        driver: Some(version.map_or(driver.to_owned(), |version| format!("{driver} {version}"))),
        nodes: Vec::new(),
        health: AcceleratorHealth::Unknown,
        utilisation_percent: None,
        capabilities: Capabilities::new(),
    }
}

fn describe(neuron: &mut Accelerator, model: &table::Model) {
    model.name.clone_into(&mut neuron.model);
    neuron.architecture = Some(model.architecture.to_owned());
    tables::fill(&mut neuron.capabilities, model.facts);
}

/// What all cores use: `total` of a memory counter is what is in use now.
fn memory_used(scene: &Scene<'_>, folder: &str, device: &Device<'_, '_>) -> Option<Bytes> {
    let cores = scene.reader.numbered(folder, "neuron_core");
    let used = |core: u32| {
        let file = format!("neuron_core{core}/stats/memory_usage/device_mem/total");
        device.number(&file)
    };
    facts::sum(cores.into_iter().map(used)).map(Bytes)
}

/// A device with errors that could neither be corrected nor repaired has lost data, and will again.
fn health(device: &Device<'_, '_>) -> AcceleratorHealth {
    let errors = |file: &str| device.number::<u64>(&format!("stats/hardware/{file}"));
    let (memory, sram) = (
        errors("mem_ecc_uncorrected"),
        errors("sram_ecc_uncorrected"),
    );
    match (memory, sram) {
        (None, None) => AcceleratorHealth::Unknown,
        (memory, sram) => match memory.unwrap_or(0).saturating_add(sram.unwrap_or(0)) {
            0 => AcceleratorHealth::Ok,
            errors => AcceleratorHealth::Failed(format!("{errors} uncorrected ECC errors")),
        },
    }
}

/// `connected_devices` is `1, 3, 4, 12`; an empty line says that there are none. Both ends list a link, so the higher
/// count of the two stands; an end that is not there is odd.
fn links(scene: &Scene<'_>, class: &str, devices: &BTreeMap<u32, Accelerator>) -> Vec<Link> {
    let mut pairs: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for number in devices.keys().copied() {
        let device = scene.device(format!("{class}/neuron{number}"));
        let peers = device.parsed("connected_devices", "a list of other devices", |text| {
            let known = |peer: &u32| *peer != number && devices.contains_key(peer);
            peers(text).filter(|peers| peers.iter().all(known))
        });
        let mut own: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for peer in peers.unwrap_or_default() {
            let count = own.entry((number.min(peer), number.max(peer))).or_default();
            *count = count.saturating_add(1);
        }
        for (pair, count) in own {
            let kept = pairs.entry(pair).or_default();
            *kept = count.max(*kept);
        }
    }
    let end = |number: u32| Some(End::Accelerator(devices.get(&number)?.id.clone()));
    let link = |((one, other), count): ((u32, u32), u32)| {
        let (one, other) = (end(one)?, end(other)?);
        Some(Link {
            a: one.clone().min(other.clone()),
            b: one.max(other),
            kind: LinkKind::NeuronLink,
            count,
            gbps: None,
            ancestor: String::new(),
        })
    };
    pairs.into_iter().filter_map(link).collect()
}

fn peers(text: &str) -> Option<Vec<u32>> {
    text.split(',')
        .map(|peer| peer.trim().parse().ok())
        .collect()
}
