//! What has changed of a host between two looks, for those who watch `kerf events`. Pure.
//!
//! Told is what somebody plans by: devices that come, go, or are another one at the same place, drivers, links that go
//! down, memory and processors that are taken away. What changes all the time (load, memory in use) is not.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::inventory::{Gpu, Nic, NumaNode};
use kerf_types::map::{Accelerator, AcceleratorHealth, PciFunction};
use kerf_types::{HostMap, MigMode, PciAddress};

const HAS_COME: &str = "has come";
const IS_GONE: &str = "is gone";

/// What is told of several things at once.
const PLURAL: [&str; 2] = ["CPUs", "device nodes"];

/// One change, as an event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub subject: String,
    /// What has changed.
    pub text: String,
}

/// What a look at the host apart from NVIDIA's GPUs sees.
#[derive(Debug, Clone, Copy)]
pub struct Platform<'a> {
    /// NUMA nodes.
    pub numa_nodes: &'a [NumaNode],
    /// Network interfaces.
    pub nics: &'a [Nic],
    /// The rest.
    pub map: &'a HostMap,
    /// NVIDIA's and AMD's GPUs that their drivers serve. Whoever reads them tells that they come and go.
    pub served: &'a BTreeSet<PciAddress>,
}

/// What has changed from one look to the next.
pub fn of_platform(before: Platform<'_>, after: Platform<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let (old, new) = (before.map, after.map);
    let is_served = |change: &Change| {
        let at = |served: &BTreeSet<PciAddress>| {
            let address: Result<PciAddress, _> = change.subject.parse();
            address.is_ok_and(|address| served.contains(&address))
        };
        match change.text.as_str() {
            HAS_COME => at(after.served),
            IS_GONE => at(before.served),
            _ => false,
        }
    };
    let accelerator = |one: &Accelerator| (one.id.clone(), told_of_accelerator(one));
    let accelerators = each(&old.accelerators, &new.accelerators, accelerator);
    changes.extend(accelerators.into_iter().filter(|one| !is_served(one)));
    let nic = |nic: &Nic| (nic.name.clone(), told_of_nic(nic));
    changes.extend(each(before.nics, after.nics, nic));
    let nvme =
        |nvme: &kerf_types::map::Nvme| (nvme.name.clone(), vec![("state", known(&nvme.state))]);
    changes.extend(each(&old.nvme, &new.nvme, nvme));
    let node = |node: &NumaNode| {
        // How much there is moves with a balloon.
        let memory = node.memory.map_or("unknown", |memory| match memory.0 {
            0 => "gone",
            _ => "there",
        });
        let told = vec![("CPUs", known(&node.cpus)), ("memory", memory.to_owned())];
        (format!("NUMA node {}", node.id), told)
    };
    changes.extend(each(before.numa_nodes, after.numa_nodes, node));
    let functions = of_functions(&old.pci, &new.pci, &changes);
    changes.extend(functions.into_iter().filter(|one| !is_served(one)));
    if old.cpus.online != new.cpus.online {
        changes.push(Change {
            subject: "processors".to_owned(),
            text: format!(
                "CPUs {} are online, were {}",
                new.cpus.online, old.cpus.online
            ),
        });
    }
    changes
}

/// What has changed of PCI functions. An accelerator that comes or goes is told once, and of virtual functions their
/// number.
fn of_functions(old: &[PciFunction], new: &[PciFunction], told: &[Change]) -> Vec<Change> {
    let physical = |all: &[PciFunction]| -> Vec<PciFunction> {
        let all = all.iter().filter(|one| one.physical_function.is_none());
        all.cloned().collect()
    };
    let function = |one: &PciFunction| (one.address.to_string(), told_of_function(one));
    let mut changes = each(&physical(old), &physical(new), function);
    changes.retain(|change| !told.contains(change));
    changes
}

/// A name with what is told of it.
type Told = (String, Vec<(&'static str, String)>);

/// What came, what went, and which of the told things differ.
fn each<T>(before: &[T], after: &[T], told: impl Fn(&T) -> Told) -> Vec<Change> {
    let before: BTreeMap<_, _> = before.iter().map(&told).collect();
    let after: BTreeMap<_, _> = after.iter().map(&told).collect();
    let mut changes = Vec::new();
    for (subject, now) in &after {
        let mut tell = |text: String| {
            let subject = subject.clone();
            changes.push(Change { subject, text });
        };
        let Some(was) = before.get(subject) else {
            tell(HAS_COME.to_owned());
            continue;
        };
        for ((what, now), (_, was)) in now.iter().zip(was).filter(|(now, was)| now != was) {
            let (is, before) = match PLURAL.contains(what) {
                true => ("are", "were"),
                false => ("is", "was"),
            };
            tell(format!("{what} {is} {now}, {before} {was}"));
        }
    }
    let gone = before
        .keys()
        .filter(|subject| !after.contains_key(*subject));
    changes.extend(gone.map(|subject| Change {
        subject: subject.clone(),
        text: IS_GONE.to_owned(),
    }));
    changes
}

fn known(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "unknown".to_owned())
}

fn told_of_accelerator(one: &Accelerator) -> Vec<(&'static str, String)> {
    let health = match &one.health {
        AcceleratorHealth::Unknown => "unknown".to_owned(),
        AcceleratorHealth::Ok => "ok".to_owned(),
        AcceleratorHealth::Failed(word) => word.clone(),
    };
    let nodes = match one.nodes.is_empty() {
        true => "none".to_owned(),
        false => one.nodes.join(" "),
    };
    vec![
        ("model", one.model.clone()),
        ("id", known(&one.unique_id)),
        ("device nodes", nodes),
        ("health", health),
    ]
}

fn told_of_nic(nic: &Nic) -> Vec<(&'static str, String)> {
    let rate = nic.rate.map(|rate| rate.to_string());
    let rate = rate.unwrap_or_else(|| "unknown".to_owned());
    let pci = nic
        .pci
        .map_or_else(|| "none".to_owned(), |pci| pci.to_string());
    vec![("rate", rate), ("PCI address", pci)]
}

fn told_of_function(function: &PciFunction) -> Vec<(&'static str, String)> {
    let driver = function.driver.clone().unwrap_or_else(|| "none".to_owned());
    let id = |id: Option<u16>| id.map_or_else(|| "????".to_owned(), |id| format!("{id:04x}"));
    let ids = format!("{}:{}", id(function.vendor), id(function.device));
    let functions = function.sriov.map_or(0, |functions| functions.enabled);
    vec![
        ("device", ids),
        ("driver", driver),
        ("number of virtual functions", functions.to_string()),
    ]
}

/// What has changed of a GPU at the same address.
pub fn of_gpu(before: &Gpu, after: &Gpu) -> Vec<String> {
    let mut texts = Vec::new();
    if before.uuid != after.uuid {
        texts.push(format!(
            "{} is at its place, was {}",
            after.uuid, before.uuid
        ));
    }
    if before.index != after.index {
        texts.push(format!("index is {}, was {}", after.index, before.index));
    }
    if before.minor != after.minor {
        texts.push(format!(
            "minor is {}, was {}",
            after.minor.0, before.minor.0
        ));
    }
    if before.mig_mode != after.mig_mode {
        texts.push(format!("MIG mode is {}", mig_word(after.mig_mode)));
    }
    let active = |gpu: &Gpu| gpu.nvlinks.iter().filter(|link| link.active).count();
    let (was, now) = (active(before), active(after));
    // In MIG mode the driver tells of no link, which is not that they are down.
    if was != now && before.mig_mode == after.mig_mode && after.mig_mode != MigMode::Enabled {
        texts.push(format!("{now} NVLinks are up, were {was}"));
    }
    texts
}

fn mig_word(mode: MigMode) -> &'static str {
    match mode {
        MigMode::Unsupported => "unsupported",
        MigMode::Disabled => "off",
        MigMode::Enabled => "on",
        MigMode::EnablePending => "on after a reset",
        MigMode::DisablePending => "off after a reset",
    }
}
