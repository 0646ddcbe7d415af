//! From an inventory to the documents of a layout: GPUs that hold the same stand together.

use std::collections::BTreeMap;

use kerf_api::json::checkpoint::{Nameless, lying_on};
use kerf_api::json::layout::{GpuName, Gpus, LayoutDocument, LayoutRuleDocument, LayoutSchema};
use kerf_types::{AmdWish, Gpu, Inventory, MigMode, PciAddress, Sharing};
use serde::Serialize;

/// What some GPUs hold: whether MIG is on, or will be, how many of which profile, and how they are shared.
type Held = (bool, BTreeMap<String, u32>, Option<Sharing>);

fn groups<'i>(
    inventory: &'i Inventory,
    shared: &BTreeMap<PciAddress, Sharing>,
) -> Result<Vec<(Held, Vec<&'i Gpu>)>, Nameless> {
    let mut groups: Vec<(Held, Vec<&'i Gpu>)> = Vec::new();
    for gpu in inventory
        .gpus
        .iter()
        .filter(|gpu| gpu.mig_mode != MigMode::Unsupported || shared.contains_key(&gpu.pci))
    {
        let mut slices = BTreeMap::new();
        for name in lying_on(gpu)?.into_values() {
            *slices.entry(name.to_string()).or_insert(0) += 1;
        }
        let on = matches!(gpu.mig_mode, MigMode::Enabled | MigMode::EnablePending);
        let held = (on, slices, shared.get(&gpu.pci).copied());
        match groups.iter_mut().find(|(known, _)| *known == held) {
            Some((_, gpus)) => gpus.push(gpu),
            None => groups.push((held, vec![gpu])),
        }
    }
    Ok(groups)
}

/// A kerf.v1.Layout. GPUs go by their addresses, which stay when another GPU drops out.
pub fn kerf(
    inventory: &Inventory,
    shared: &BTreeMap<PciAddress, Sharing>,
) -> Result<LayoutDocument, Nameless> {
    let groups = groups(inventory, shared)?.into_iter();
    let rules = groups.map(|((on, slices, sharing), gpus)| {
        let names = gpus.iter().map(|gpu| GpuName::Text(gpu.pci.to_string()));
        LayoutRuleDocument {
            gpus: Gpus::List(names.collect()),
            mig: Some(on),
            slices,
            sharing: sharing.map(Into::into),
            ..LayoutRuleDocument::default()
        }
    });
    Ok(LayoutDocument {
        schema: LayoutSchema::V1,
        rules: rules.chain(amd(inventory)).collect(),
    })
}

/// The modes of AMD GPUs that have some. One that waits for its driver has those that it will have.
fn amd(inventory: &Inventory) -> Vec<LayoutRuleDocument> {
    let mut groups: Vec<(AmdWish, Vec<GpuName>)> = Vec::new();
    for gpu in &inventory.amd {
        let modes = AmdWish {
            // Which compute mode the driver chooses with another memory mode, it says then.
            compute: gpu.compute.filter(|_| gpu.pending_memory.is_none()),
            memory: gpu.pending_memory.or(gpu.memory_mode),
        };
        if modes == AmdWish::default() {
            continue;
        }
        let name = GpuName::Text(gpu.pci.to_string());
        match groups.iter_mut().find(|(known, _)| *known == modes) {
            Some((_, gpus)) => gpus.push(name),
            None => groups.push((modes, vec![name])),
        }
    }
    let rules = groups.into_iter().map(|(modes, gpus)| LayoutRuleDocument {
        gpus: Gpus::List(gpus),
        amd: Some(modes.into()),
        ..LayoutRuleDocument::default()
    });
    rules.collect()
}

/// A file of mig-parted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MigParted {
    version: &'static str,
    mig_configs: BTreeMap<&'static str, Vec<Entry>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    devices: Vec<u32>,
    mig_enabled: bool,
    mig_devices: BTreeMap<String, u32>,
}

/// The same for mig-parted, which knows GPUs by their indices alone, and none of AMD's.
pub fn mig_parted(inventory: &Inventory) -> Result<MigParted, Nameless> {
    let entries = groups(inventory, &BTreeMap::new())?.into_iter().map(
        |((mig_enabled, mig_devices, _), gpus)| Entry {
            devices: gpus.iter().map(|gpu| gpu.index).collect(),
            mig_enabled,
            mig_devices,
        },
    );
    Ok(MigParted {
        version: "v1",
        mig_configs: [("current", entries.collect())].into(),
    })
}
