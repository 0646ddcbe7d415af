//! Whole GPUs: idle, uncut, near each other.
//!
//! Where it is known what joins the GPUs of the host, the set is chosen [exactly](exact). Where it is not (a host of more
//! GPUs than the tables hold, a host of another that is known by its record alone), NUMA nodes tell what is near.

mod exact;

use std::collections::BTreeMap;

use kerf_types::ask::Same;
use kerf_types::inventory::NvLinkRemote;
use kerf_types::{Gpu, MigMode, PciAddress};

use super::bounds::Bounds;
use super::{GpuView, Pick, Refusal, Shortage, Unmet, common};
use crate::host::{GpuName, Usage, changes_mode_at_once, processes};
use crate::rings::GpuRings;

/// A GPU that can be given as a whole.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    gpu: &'a Gpu,
    disable_mig: bool,
}

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// How many.
    pub count: u32,
    /// Whether each must have an NVLink way to each other.
    pub joined: bool,
    /// Which they may be.
    pub bounds: &'a Bounds<'a>,
}

impl<'a> Wanted<'a> {
    /// So many, joined by whatever joins them.
    pub fn new(count: u32, bounds: &'a Bounds<'a>) -> Self {
        Self {
            count,
            joined: false,
            bounds,
        }
    }

    /// How many, as the length of a list.
    fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }
}

/// The best GPUs.
pub(super) fn choose(
    views: &[GpuView<'_>],
    usage: &Usage,
    rings: Option<&GpuRings>,
    wanted: &Wanted<'_>,
) -> Result<Vec<Pick>, Shortage> {
    let mut free = Vec::new();
    let mut reasons = Vec::new();
    for view in views {
        match candidate(view, usage) {
            Ok(candidate) => free.push(candidate),
            Err(refusal) => reasons.push((view.name(), refusal)),
        }
    }
    free.sort_by_key(|candidate| (candidate.disable_mig, candidate.gpu.index));
    let field = rings.and_then(|rings| exact::Field::of(rings, &free, wanted.bounds));
    let mut candidates = Vec::new();
    for one in &free {
        let near = field.as_ref().map(exact::Field::near);
        match wanted.bounds.refuses(one.gpu.pci, near) {
            None => candidates.push(*one),
            Some(refusal) => reasons.push((one.gpu.into(), refusal)),
        }
    }
    let chosen = match &field {
        Some(field) => field.best(wanted.len(), wanted.joined),
        None => best(&candidates, wanted),
    };
    match chosen {
        Some(chosen) => Ok(chosen.iter().map(|one| one.pick()).collect()),
        None => Err(shortage(&candidates, reasons, wanted)),
    }
}

/// What is in the way of a set of the candidates, with what speaks against the others.
fn shortage(
    candidates: &[Candidate<'_>],
    mut reasons: Vec<(GpuName, Refusal)>,
    wanted: &Wanted<'_>,
) -> Shortage {
    let available = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
    let short = available < wanted.count;
    let is_candidate = |pci| candidates.iter().any(|one| one.gpu.pci == pci);
    let missing = wanted.bounds.missing(is_candidate);
    for one in candidates {
        let refusal = if short || missing.is_some() {
            Refusal::TooFew(1)
        } else if let Some(same) = wanted.bounds.only.same {
            Refusal::Apart(same)
        } else if one.disable_mig && one.gpu.nvlinks.is_empty() {
            // It may well be joined; the driver tells of no link in MIG mode (nvidia-smi: "Nvlink queries
            // are not supported for Devices in MIG mode").
            Refusal::LinksUnknown
        } else {
            Refusal::NotJoined
        };
        reasons.push((one.gpu.into(), refusal));
    }
    reasons.sort_by_key(|(gpu, _)| gpu.index);
    Shortage {
        available: if short { available } else { 0 },
        unmet: missing.map(Unmet::NotFree),
        reasons,
    }
}

fn candidate<'a>(view: &GpuView<'a>, usage: &Usage) -> Result<Candidate<'a>, Refusal> {
    common(view, usage)?;
    let gpu = view.gpu;
    if !gpu.instances.is_empty() {
        return Err(Refusal::Cut(gpu.instances.len()));
    }
    if let Some(busy) = processes(gpu, None) {
        return Err(Refusal::Busy(busy.to_string()));
    }
    let disable_mig = match gpu.mig_mode {
        MigMode::Unsupported | MigMode::Disabled => false,
        MigMode::EnablePending | MigMode::DisablePending => return Err(Refusal::ModePending),
        MigMode::Enabled if view.may_disable_mig && changes_mode_at_once(gpu) => true,
        MigMode::Enabled => return Err(Refusal::MigOn),
    };
    Ok(Candidate { gpu, disable_mig })
}

/// Near beats unchanged: first one NUMA node without a mode change, then one NUMA node, then as few nodes as
/// can be without a mode change, then as few as can be.
fn best<'a>(candidates: &[Candidate<'a>], wanted: &Wanted<'_>) -> Option<Vec<Candidate<'a>>> {
    let count = wanted.len();
    let unchanged: Vec<Candidate<'a>> = candidates
        .iter()
        .filter(|one| !one.disable_mig)
        .copied()
        .collect();
    let pools = [unchanged.as_slice(), candidates];
    let same_node = wanted.bounds.only.same == Some(Same::Numa);
    let one_node = |pool: &[Candidate<'a>]| {
        let mut nodes = by_node(pool);
        if same_node {
            // Of two whose nodes are not known nobody can say that they are the same.
            nodes.retain(|node| node.iter().all(|one| one.gpu.numa_node.is_some()));
        }
        let mut nodes: Vec<&Vec<Candidate<'a>>> =
            nodes.iter().filter(|node| node.len() >= count).collect();
        // The tightest node, so that a larger ask later still finds a whole one.
        nodes.sort_by_key(|node| node.len());
        nodes.into_iter().find_map(|node| take(node, wanted))
    };
    let any_node = |pool: &[Candidate<'a>]| {
        let mut nodes = by_node(pool);
        nodes.sort_by_key(|node| std::cmp::Reverse(node.len()));
        take(&tight_last(nodes, count), wanted)
    };
    let near = pools.iter().find_map(|pool| one_node(pool));
    match near {
        None if !same_node => pools.iter().find_map(|pool| any_node(pool)),
        near => near,
    }
}

/// The candidates of each NUMA node, nodes in order of their id; unknown counts as a node of its own.
fn by_node<'a>(pool: &[Candidate<'a>]) -> Vec<Vec<Candidate<'a>>> {
    let mut nodes: BTreeMap<Option<u32>, Vec<Candidate<'a>>> = BTreeMap::new();
    for one in pool {
        nodes.entry(one.gpu.numa_node).or_default().push(*one);
    }
    nodes.into_values().collect()
}

/// The largest nodes first, and as the last one that is needed the smallest that suffices.
fn tight_last(nodes: Vec<Vec<Candidate<'_>>>, count: usize) -> Vec<Candidate<'_>> {
    let mut out = Vec::new();
    let mut rest = nodes;
    while !rest.is_empty() {
        let left = count.saturating_sub(out.len());
        let tight = rest
            .iter()
            .rposition(|node| node.len() >= left)
            .unwrap_or(0);
        out.extend(rest.remove(tight));
    }
    out
}

/// The first of a pool, after those of it that must be among them.
fn take<'a>(pool: &[Candidate<'a>], wanted: &Wanted<'_>) -> Option<Vec<Candidate<'a>>> {
    let count = wanted.len();
    let must = &wanted.bounds.include;
    let (mut chosen, rest): (Vec<_>, Vec<_>) = pool
        .iter()
        .copied()
        .partition(|one| must.contains(&one.gpu.pci));
    if chosen.len() < must.len() {
        return None;
    }
    if !wanted.joined {
        chosen.extend(rest.into_iter().take(count.saturating_sub(chosen.len())));
        return (chosen.len() == count).then_some(chosen);
    }
    let near_to = |one: &Candidate<'a>, all: &[Candidate<'a>]| {
        let mut others = all.iter().filter(|other| other.gpu.pci != one.gpu.pci);
        others.all(|other| are_joined(one.gpu, other.gpu))
    };
    if !chosen.iter().all(|one| near_to(one, &chosen)) {
        return None;
    }
    let rest = rest.into_iter().filter(|one| near_to(one, &chosen));
    let rest: Vec<Candidate<'a>> = rest.collect();
    clique(&rest, count, &mut chosen).then_some(chosen)
}

/// Extends `chosen` to `count` GPUs of `pool` that are all joined, in the order of the pool.
fn clique<'a>(pool: &[Candidate<'a>], count: usize, chosen: &mut Vec<Candidate<'a>>) -> bool {
    let Some(need) = count.checked_sub(chosen.len()).filter(|need| *need > 0) else {
        return true;
    };
    let mut tail = pool;
    while let Some((one, next)) = tail.split_first() {
        if tail.len() < need {
            return false;
        }
        tail = next;
        let near: Vec<Candidate<'a>> = next
            .iter()
            .filter(|other| are_joined(one.gpu, other.gpu))
            .copied()
            .collect();
        chosen.push(*one);
        if clique(&near, count, chosen) {
            return true;
        }
        chosen.pop();
    }
    false
}

/// Whether NVLink joins two GPUs: directly, or both through switches. These are one fabric, but its manager can part the
/// GPUs of a host into cliques that do not reach each other.
fn are_joined(a: &Gpu, b: &Gpu) -> bool {
    let by_switch = has_switch(a) && has_switch(b) && !are_parted(a, b);
    by_switch || links_to(a, b.pci) || links_to(b, a.pci)
}

fn are_parted(a: &Gpu, b: &Gpu) -> bool {
    let place = |gpu: &Gpu| {
        let fabric = gpu.fabric?;
        Some((fabric.cluster, fabric.clique?))
    };
    matches!((place(a), place(b)), (Some(one), Some(other)) if one != other)
}

fn has_switch(gpu: &Gpu) -> bool {
    let mut links = gpu.nvlinks.iter();
    links.any(|link| link.active && matches!(link.remote, NvLinkRemote::Switch(_)))
}

fn links_to(gpu: &Gpu, other: PciAddress) -> bool {
    let mut links = gpu.nvlinks.iter();
    links.any(|link| link.active && link.remote == NvLinkRemote::Gpu(other))
}

impl Candidate<'_> {
    fn pick(&self) -> Pick {
        Pick::Gpu {
            gpu: self.gpu.pci,
            uuid: self.gpu.uuid.clone(),
            disable_mig: self.disable_mig,
        }
    }
}
