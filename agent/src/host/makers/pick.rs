//! Which of a host's devices an ask for other makers' devices gets. Pure.
//!
//! Devices of one NUMA node come before devices of several, from the node that has the fewest left over; parts come from
//! the board that has the fewest free parts, so that whole boards stay whole. Links between devices do not count.

use std::collections::BTreeMap;

use kerf_types::ask::{Constraints, GpuRef, Same};
use kerf_types::topology::LinkClass;
use kerf_types::{Ask, DeviceKind, LeasedDevice, PciAddress};

use super::offer::Offer;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// Of which kind.
    pub kind: DeviceKind,
    /// How many.
    pub count: u32,
    /// Which they may be.
    pub only: &'a Constraints,
}

impl<'a> Wish<'a> {
    /// That of an ask; `None` for an ask for NVIDIA's.
    pub fn of(ask: &'a Ask) -> Option<Self> {
        match ask {
            Ask::Devices { kind, count, only } => Some(Self {
                kind: *kind,
                count: *count,
                only,
            }),
            _ => None,
        }
    }
}

/// A device of the kind that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    /// What it is.
    pub offer: &'a Offer,
    /// Why it is not free.
    pub closed: Option<String>,
    /// How near its nearest network interface is; asked for only where the ask binds it.
    pub nic: Option<LinkClass>,
}

/// Why an ask gets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Short {
    /// This host cannot serve it, whoever leaves.
    Never(String),
    /// What it needs is not free.
    Now(String),
}

/// The devices, in order of their names; or why there are none.
pub(super) fn pick(
    wish: Wish<'_>,
    candidates: &[Candidate<'_>],
) -> Result<Vec<LeasedDevice>, Short> {
    let Wish { kind, count, only } = wish;
    if candidates.is_empty() {
        return Err(Short::Never(none_of(kind)));
    }
    if only.same == Some(Same::Switch) {
        let why = "same=switch is known of NVIDIA's GPUs alone; same=numa is known of all";
        return Err(Short::Never(why.to_owned()));
    }
    if kind.is_part() && !only.include.is_empty() {
        let why = format!(
            "include= names whole devices, and a {kind} is a part of one: device=NAME names it"
        );
        return Err(Short::Never(why));
    }
    let missing = only.include.iter().find(|name| {
        let mut all = candidates.iter();
        !all.any(|one| is_named(one.offer, name))
    });
    if let Some(name) = missing {
        return Err(Short::Never(format!("this host has no {kind} {name}")));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    // A layout, or `kerf vgpu create`, may make more parts; boards are as many as there are.
    if candidates.len() < count && !kind.is_part() {
        let why = format!("this host has {} {kind}", candidates.len());
        return Err(Short::Never(why));
    }
    let allowed = candidates.iter().filter(|one| is_allowed(only, one));
    let (free, closed): (Vec<_>, Vec<_>) = allowed.partition(|one| one.closed.is_none());
    match chosen(&free, count, only) {
        Some(mut devices) => {
            devices.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(devices)
        }
        None => Err(Short::Now(words(wish, candidates.len(), &free, &closed))),
    }
}

fn none_of(kind: DeviceKind) -> String {
    match kind {
        DeviceKind::AmdPartition => {
            "no AMD GPU of this host is cut into partitions: a layout with amd: {compute: cpx} does that".to_owned()
        }
        DeviceKind::Vgpu => {
            "kerf has made no vGPU for containers on this host: `kerf vgpu create --for-containers` does that"
                .to_owned()
        }
        kind => format!("this host has no {kind} that its driver serves"),
    }
}

/// Whether a name of an ask means this device, or the board that it is a part of.
fn is_named(offer: &Offer, name: &GpuRef) -> bool {
    match name {
        GpuRef::Pci(pci) => offer.device.pci == Some(*pci) || offer.board == Some(*pci),
        GpuRef::Index(index) => offer.index == Some(*index),
        GpuRef::Uuid(uuid) => offer.uuid.as_ref() == Some(uuid),
    }
}

fn is_allowed(only: &Constraints, one: &Candidate<'_>) -> bool {
    let is_avoided = only.avoid.iter().any(|name| is_named(one.offer, name));
    let is_near = only
        .nic
        .is_none_or(|within| one.nic.is_some_and(|level| within.has(level)));
    let is_placed = only.same != Some(Same::Numa) || one.offer.numa_node.is_some();
    let is_of_type = only.vgpu_type.as_ref().is_none_or(|kind| {
        let own = one.offer.vgpu_type.as_ref();
        own.is_some_and(|(id, name)| kind.is_of(*id, name))
    });
    !is_avoided && is_near && is_placed && is_of_type
}

fn chosen(free: &[&Candidate<'_>], count: usize, only: &Constraints) -> Option<Vec<LeasedDevice>> {
    let is_must = |one: &Candidate<'_>| {
        let mut names = only.include.iter();
        names.any(|name| is_named(one.offer, name))
    };
    let musts = |all: &[&Candidate<'_>]| all.iter().filter(|one| is_must(one)).count();
    let mut nodes: BTreeMap<u32, Vec<&Candidate<'_>>> = BTreeMap::new();
    for one in free {
        if let Some(node) = one.offer.numa_node {
            nodes.entry(node).or_default().push(one);
        }
    }
    let holds = |all: &Vec<&Candidate<'_>>| all.len() >= count && musts(all) == only.include.len();
    let node = nodes.into_values().filter(holds).min_by_key(Vec::len);
    let from = match node {
        Some(all) => all,
        None if only.same.is_some() => return None,
        None => free.to_vec(),
    };
    if !holds(&from) || only.include.len() > count {
        return None;
    }
    let mut siblings: BTreeMap<Option<PciAddress>, usize> = BTreeMap::new();
    for one in free {
        *siblings.entry(one.offer.on()).or_default() += 1;
    }
    let mut order = from;
    order.sort_by_key(|one| {
        let device = &one.offer.device;
        let left = siblings.get(&one.offer.on()).copied().unwrap_or(0);
        let rank = match device.kind.is_part() {
            true => left,
            // A board that is not cut before one whose parts others may want.
            false => one.offer.parts,
        };
        (!is_must(one), rank, device.pci, device.name.clone())
    });
    let taken = order.into_iter().take(count);
    Some(taken.map(|one| one.offer.device.clone()).collect())
}

/// How many are free, and of the others why not; those of one reason together.
fn words(wish: Wish<'_>, all: usize, free: &[&Candidate<'_>], closed: &[&Candidate<'_>]) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in closed {
        let why = one.closed.as_deref().unwrap_or_default();
        let name = one.offer.device.name.as_str();
        reasons.entry(why).or_default().push(name);
    }
    let mut words = vec![format!(
        "{} of {all} {} may serve it now",
        free.len(),
        wish.kind
    )];
    let reasons = reasons.iter();
    words.extend(reasons.map(|(why, names)| format!("{}: {why}", names.join(", "))));
    if !wish.only.is_empty() {
        let bound: Vec<String> = wish.only.terms().collect();
        words.push(format!("it must hold {}", bound.join(",")));
    }
    words.join("; ")
}
