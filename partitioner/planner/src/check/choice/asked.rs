//! A choice against the constraints of its ask: what must be among the GPUs is, what is avoided is not, and what they are
//! to have in common they have.
//!
//! It reads names and nearness again, one GPU after the other, and knows no sets. What nobody knows speaks against a
//! choice as much as what is known to be otherwise.

use kerf_types::Ask;
use kerf_types::ask::{GpuRef, NicWithin, Same};

use crate::choose::{Choice, GpuView, Pick};
use crate::rings::GpuRings;

/// A choice that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskViolation {
    /// Something that is no whole GPU is among them.
    #[error("something that is no whole GPU is among them")]
    NotWhole,
    /// A GPU that must be among them is not.
    #[error("GPU {0} is not among them")]
    NotIncluded(GpuRef),
    /// A GPU that is to be avoided is.
    #[error("GPU {0} is among them")]
    IsAvoided(GpuRef),
    /// No network interface is known to be so near.
    #[error("GPU {gpu} has no network interface within {within}")]
    NoNic {
        /// Index of the GPU.
        gpu: u32,
        /// How near.
        within: NicWithin,
    },
    /// It is not known to have this in common with another.
    #[error("GPU {gpu} does not have the same {same} as another")]
    IsApart {
        /// Index of the GPU.
        gpu: u32,
        /// What.
        same: Same,
    },
}

/// Everything of a choice that its ask forbids.
pub fn check_ask(
    views: &[GpuView<'_>],
    rings: Option<&GpuRings>,
    ask: &Ask,
    choice: &Choice,
) -> Vec<AskViolation> {
    let mut found = Vec::new();
    let Some(only) = ask.constraints().filter(|only| !only.is_empty()) else {
        return found;
    };
    let whole = |pick: &Pick| matches!(pick, Pick::Gpu { .. });
    if !choice.picks.iter().all(whole) {
        found.push(AskViolation::NotWhole);
    }
    let chosen = |view: &&GpuView<'_>| choice.picks.iter().any(|pick| pick.gpu() == view.gpu.pci);
    let chosen: Vec<&GpuView<'_>> = views.iter().filter(chosen).collect();
    let is_there = |name: &&GpuRef| chosen.iter().any(|view| is_named(view, name));
    let missing = only.include.iter().filter(|name| !is_there(name)).cloned();
    found.extend(missing.map(AskViolation::NotIncluded));
    let avoided = only.avoid.iter().filter(is_there).cloned();
    found.extend(avoided.map(AskViolation::IsAvoided));
    for (at, view) in chosen.iter().enumerate() {
        let gpu = view.gpu.index;
        if let Some(within) = only.nic.filter(|within| !has_nic(view, rings, *within)) {
            found.push(AskViolation::NoNic { gpu, within });
        }
        let mut before = chosen.iter().take(at);
        let apart = |same: &Same| before.any(|other| !have_same(view, other, rings, *same));
        if let Some(same) = only.same.filter(apart) {
            found.push(AskViolation::IsApart { gpu, same });
        }
    }
    found
}

fn has_nic(view: &GpuView<'_>, rings: Option<&GpuRings>, within: NicWithin) -> bool {
    let device = rings.and_then(|rings| {
        let devices = rings.table().host().devices();
        devices.get(rings.number(view.gpu.pci)?)
    });
    let nic = device.and_then(|device| device.nic);
    nic.is_some_and(|level| within.has(level))
}

fn have_same(a: &GpuView<'_>, b: &GpuView<'_>, rings: Option<&GpuRings>, same: Same) -> bool {
    match same {
        Same::Numa => node(a, rings).is_some() && node(a, rings) == node(b, rings),
        Same::Switch => rings.is_some_and(|rings| {
            let two = rings.number(a.gpu.pci).zip(rings.number(b.gpu.pci));
            let host = rings.table().host();
            two.is_some_and(|(a, b)| host.pair(a, b).is_below_one_switch)
        }),
    }
}

fn is_named(view: &GpuView<'_>, name: &GpuRef) -> bool {
    match name {
        GpuRef::Index(index) => *index == view.gpu.index,
        GpuRef::Pci(pci) => *pci == view.gpu.pci,
        GpuRef::Uuid(uuid) => *uuid == view.gpu.uuid,
    }
}

/// The NUMA node as the map has it, else as the driver does.
fn node(view: &GpuView<'_>, rings: Option<&GpuRings>) -> Option<u32> {
    let number = rings.and_then(|rings| rings.number(view.gpu.pci));
    let device = rings.zip(number);
    match device {
        Some((rings, at)) => rings.table().host().devices().get(at)?.numa_node,
        None => view.gpu.numa_node,
    }
}
