//! What the kernel shows and what drivers' libraries know, put together: one list of accelerators with all their links.
//!
//! Pure and idempotent: a map that is whole stays as it is.

use kerf_api::json::inventory::architecture_word;
use kerf_types::inventory::{Architecture, Gpu, Health, Inventory};
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Capability, CapabilityKey, CapabilityValue, LinkKind,
    Provenance, Vendor,
};
use kerf_types::{AmdGpu, HostMap, MigMode, PciAddress};

use super::links::links;
use super::path::PciTree;
use crate::accelerators::capabilities_of_nvidia;

/// The map of a host with what NVML and KFD know of its GPUs.
pub fn whole(inventory: &Inventory) -> HostMap {
    let mut map = HostMap::clone(&inventory.map);
    for gpu in &inventory.gpus {
        let one = entry(&mut map.accelerators, gpu.pci, Vendor::Nvidia);
        add_nvidia(one, gpu);
    }
    if !inventory.gpus.is_empty() {
        let served = |one: &Accelerator| inventory.gpus.iter().any(|gpu| Some(gpu.pci) == one.pci);
        let of_driver = |one: &Accelerator| {
            let driver = one.driver.as_deref().unwrap_or_default();
            one.vendor == Some(Vendor::Nvidia) && driver.split(' ').next() == Some("nvidia")
        };
        // The kernel goes on showing a GPU that has fallen off the bus, and the driver counts it no more.
        let lost = map.accelerators.iter_mut();
        for one in lost.filter(|one| of_driver(one) && !served(one)) {
            one.health = AcceleratorHealth::Failed("gone: its driver does not list it".to_owned());
        }
    }
    for gpu in &inventory.amd {
        let one = entry(&mut map.accelerators, gpu.pci, Vendor::Amd);
        add_amd(one, gpu);
    }
    Accelerator::sort(&mut map.accelerators);
    // These follow from the rest.
    let follows =
        |kind| matches!(kind, LinkKind::NvLink | LinkKind::NvLinkC2c) || !LinkKind::is_own(kind);
    map.links.retain(|link| !follows(link.kind));
    let tree = PciTree::of(&map);
    map.links = links(inventory, &tree, &map.accelerators, &map.links);
    map
}

fn entry(all: &mut Vec<Accelerator>, pci: PciAddress, vendor: Vendor) -> &mut Accelerator {
    let at = all.iter().position(|one| one.pci == Some(pci));
    let at = at.unwrap_or_else(|| {
        all.push(Accelerator::at(pci, vendor));
        all.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
    &mut all[at]
}

fn add_nvidia(one: &mut Accelerator, gpu: &Gpu) {
    if !gpu.name.is_empty() {
        one.model.clone_from(&gpu.name);
    }
    one.memory = Some(gpu.memory).filter(|memory| memory.0 > 0);
    if gpu.architecture != Architecture::Other(0) {
        one.architecture = Some(architecture_word(gpu.architecture));
    }
    one.serial = gpu.serial.clone().or(one.serial.take());
    one.unique_id = Some(gpu.uuid.to_string());
    one.numa_node = gpu.numa_node.or(one.numa_node);
    one.health = health(&gpu.health);
    let node = format!("/dev/nvidia{}", gpu.minor.0);
    if !one.nodes.contains(&node) {
        one.nodes.push(node);
        one.nodes.sort();
    }
    let published = capabilities_of_nvidia(gpu.compute_capability, &gpu.name, one.memory);
    if !published.is_empty() {
        // What stands there from the tables is by the name alone, and the driver may tell other memory.
        let is_told = |one: &Capability| {
            !matches!(
                one.provenance,
                Provenance::Published | Provenance::Unverified
            )
        };
        one.capabilities.retain(|_, one| is_told(one));
    }
    for (key, value) in published {
        one.capabilities.entry(key).or_insert(value);
    }
    let modes = with_mig(one);
    let mut tell = |key, value| {
        let provenance = Provenance::Driver;
        one.capabilities
            .insert(key, Capability { value, provenance });
    };
    if gpu.mig_mode != MigMode::Unsupported {
        tell(CapabilityKey::PartitionModes, CapabilityValue::Words(modes));
    }
    if let Some(most) = gpu.profiles.iter().map(|profile| profile.max_count).max() {
        tell(
            CapabilityKey::PartitionMax,
            CapabilityValue::Count(most.into()),
        );
    }
    if !gpu.nvlinks.is_empty() {
        let links = u64::try_from(gpu.nvlinks.len()).unwrap_or(u64::MAX);
        tell(CapabilityKey::LinkCount, CapabilityValue::Count(links));
    }
}

/// The ways to cut it that are known already, with MIG among them.
fn with_mig(one: &Accelerator) -> Vec<String> {
    let known = one.capabilities.get(&CapabilityKey::PartitionModes);
    let mut modes = match known.map(|modes| &modes.value) {
        Some(CapabilityValue::Words(words)) => words.clone(),
        _ => Vec::new(),
    };
    if !modes.iter().any(|mode| mode == "mig") {
        modes.push("mig".to_owned());
        modes.sort();
    }
    modes
}

fn add_amd(one: &mut Accelerator, gpu: &AmdGpu) {
    if !gpu.name.is_empty() {
        one.model.clone_from(&gpu.name);
    }
    if gpu.memory.0 > 0 {
        one.memory = Some(gpu.memory);
    }
    one.memory_used = gpu.memory_used;
    one.utilisation_percent = gpu.utilisation_percent;
    one.serial = gpu.serial.clone().or(one.serial.take());
    one.unique_id = gpu.unique_id.clone().or(one.unique_id.take());
    one.numa_node = gpu.numa_node.or(one.numa_node);
    // That it has answered is how it is, unless the kernel's part knows that something of it does not.
    if !gpu.health.is_ok() || one.health == AcceleratorHealth::Unknown {
        one.health = health(&gpu.health);
    }
}

fn health(health: &Health) -> AcceleratorHealth {
    match health {
        Health::Ok => AcceleratorHealth::Ok,
        Health::Lost { .. } => AcceleratorHealth::Failed("lost".to_owned()),
        Health::Unresponsive { operation, .. } => {
            AcceleratorHealth::Failed(format!("unresponsive ({operation})"))
        }
        Health::ResetRequired { .. } => AcceleratorHealth::Failed("reset required".to_owned()),
        Health::Xid { code, .. } => AcceleratorHealth::Failed(format!("XID {code}")),
        // Nothing is held against it, and nothing is known.
        Health::Maintenance { .. } => AcceleratorHealth::Unknown,
    }
}
