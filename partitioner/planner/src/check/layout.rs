//! A host plan against the layout: rules, names and users are read here a second time, on their own.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{
    GiId, Gpu, Health, Inventory, MigMode, Placement, Profile, ProfileId, ProfileName,
};

use super::{Expected, Violation, check_plan, expand, report};
use crate::host::{GpuChange, HostPlan, HostRequest, Usage, Use};

/// Everything that is wrong with `plan` as an answer to `request`, with the GPU's index.
pub fn check_host(request: &HostRequest<'_>, plan: &HostPlan) -> Vec<(u32, Violation)> {
    let mut found = Vec::new();
    for gpu in &request.inventory.gpus {
        let changes: Vec<_> = plan
            .gpus
            .iter()
            .filter(|change| change.pci == gpu.pci)
            .collect();
        let mut violations = Vec::new();
        match (rule_of(request, gpu), changes.as_slice()) {
            (None, []) => {}
            (None, _) => violations.push(Violation::NotNamed(gpu.pci)),
            (Some(_), []) if !gpu.health.is_ok() => {}
            (Some(_), _) if !gpu.health.is_ok() => violations.push(Violation::Unhealthy(gpu.pci)),
            (Some(rule), [change]) => match expected(request, gpu, rule, change) {
                Ok(expected) => {
                    violations = check_plan(gpu, &change.plan, &change.steps, &expected);
                    match &rule.places {
                        Some(places) => {
                            expand::places(gpu, change, places, &expected, &mut violations);
                        }
                        None => expand::counts(gpu, change, rule, &expected, &mut violations),
                    }
                    report::check_change(request, gpu, change, &expected, &mut violations);
                    later(gpu, change, rule, &expected, &mut violations);
                }
                Err(violation) => violations.push(violation),
            },
            (Some(_), _) => violations.push(Violation::NotPlanned(gpu.pci)),
        }
        found.extend(
            violations
                .into_iter()
                .map(|violation| (gpu.index, violation)),
        );
    }
    for change in &plan.gpus {
        if !request
            .inventory
            .gpus
            .iter()
            .any(|gpu| gpu.pci == change.pci)
        {
            found.push((change.index, Violation::NotNamed(change.pci)));
        }
    }
    let sums = report::check_sums(request, plan).into_iter();
    found.extend(sums.map(|violation| (0, violation)));
    found
}

/// Slices are left to a later plan only where nobody knows the profiles yet, all of them, and only behind
/// the mode that makes the driver tell.
fn later(
    gpu: &Gpu,
    change: &GpuChange,
    rule: &LayoutRule,
    expected: &Expected<'_>,
    found: &mut Vec<Violation>,
) {
    let waits = expected.profiles.is_empty() && rule.mig_enabled;
    let wanted: BTreeMap<ProfileName, u32> = match waits {
        true => expand::by_name(rule),
        false => BTreeMap::new(),
    };
    let is_on = matches!(gpu.mig_mode, MigMode::Enabled | MigMode::DisablePending);
    if change.later != wanted || (is_on && !wanted.is_empty()) {
        found.push(Violation::Claim("what is planned later"));
    }
}

/// The only rule that speaks of a GPU. A layout with two has no plan, which `expected` then shows.
fn rule_of<'a>(request: &HostRequest<'a>, gpu: &Gpu) -> Option<&'a LayoutRule> {
    request
        .layout
        .rules
        .iter()
        .find(|rule| speaks_of(rule, gpu, request.inventory))
}

/// Whether a rule means a GPU of the host. A lost one gives way at an index that another GPU has.
pub(super) fn speaks_of(rule: &LayoutRule, gpu: &Gpu, inventory: &Inventory) -> bool {
    let lost = |gpu: &Gpu| matches!(gpu.health, Health::Lost { .. });
    let at = |index: u32| inventory.gpus.iter().filter(move |gpu| gpu.index == index);
    rule.gpus.iter().any(|selector| match selector {
        GpuSelector::All => true,
        GpuSelector::Index(index) => *index == gpu.index && (!lost(gpu) || at(*index).all(lost)),
        GpuSelector::Uuid(uuid) => *uuid == gpu.uuid,
        GpuSelector::Pci(pci) => *pci == gpu.pci,
        GpuSelector::Model(pattern) => kerf_types::pattern::matches(pattern, &gpu.name),
        GpuSelector::Label(_) => false,
    })
}

fn expected<'a>(
    request: &HostRequest<'a>,
    gpu: &'a Gpu,
    rule: &LayoutRule,
    change: &GpuChange,
) -> Result<Expected<'a>, Violation> {
    if request
        .layout
        .rules
        .iter()
        .filter(|rule| speaks_of(rule, gpu, request.inventory))
        .count()
        > 1
    {
        return Err(Violation::Layout("two rules name the GPU".to_owned()));
    }
    let profiles = profiles(gpu, request.inventory.gpus.iter());
    let mut slices: BTreeMap<ProfileId, u32> = BTreeMap::new();
    // Without profiles no name means anything: see `later`.
    let known = rule.slices.iter().filter(|_| !profiles.is_empty());
    for (name, count) in known.filter(|(_, count)| **count != 0) {
        let id = meaning(profiles, name)
            .ok_or_else(|| Violation::Layout(format!("{name} means no profile")))?;
        let sum = slices.entry(id).or_insert(0);
        *sum = sum.saturating_add(*count);
    }
    if !rule.mig_enabled && !expand::by_name(rule).is_empty() {
        return Err(Violation::Layout("slices with MIG off".to_owned()));
    }
    if !rule.at_least.is_empty() || !rule.fill.is_empty() || rule.places.is_some() {
        // What such a rule means is vetted against the plan: see `expand`.
        slices = change.target.clone();
    }
    Ok(Expected {
        profiles,
        mig_on: rule.mig_enabled,
        slices,
        pinned: pinned(gpu, request.usage),
        gpu_in_use: request.usage.gpus.contains_key(&gpu.pci),
        allow_reset: request.allow_reset,
        // Every slice that nobody uses weighs the same; one in use is pinned, or was given up by name.
        weights: forced_weights(gpu, request.usage),
    })
}

/// The GPU's own profiles, or those of the first GPU of its model that has some.
pub(super) fn profiles<'a>(gpu: &'a Gpu, all: impl Iterator<Item = &'a Gpu>) -> &'a [Profile] {
    let model = (gpu.pci_device_id, gpu.pci_subsystem_id);
    let alike = all.filter(|other| (other.pci_device_id, other.pci_subsystem_id) == model);
    let mut lists = std::iter::once(gpu)
        .chain(alike)
        .map(|gpu| gpu.profiles.as_slice());
    lists.find(|list| !list.is_empty()).unwrap_or(&[])
}

pub(super) fn meaning(profiles: &[Profile], name: &ProfileName) -> Option<ProfileId> {
    let placeable = || {
        profiles
            .iter()
            .filter(|profile| !profile.placements.is_empty())
    };
    let text = format!("{}g.{}gb{}", name.slices, name.memory_gb, name.attribute);
    let exact: Vec<_> = placeable()
        .filter(|profile| profile.name.to_string() == text)
        .collect();
    let alike: Vec<_> = placeable()
        .filter(|p| (p.name.slices, &p.name.attribute) == (name.slices, &name.attribute))
        .collect();
    match (name.compute_slices, exact.as_slice(), alike.as_slice()) {
        (Some(compute), _, _) if compute != name.slices => None,
        (_, [one], _) | (_, [], [one]) => Some(one.id),
        _ => None,
    }
}

/// Places of the instances that must stay: somebody uses them, and nobody has given them up by name.
pub(super) fn pinned(gpu: &Gpu, usage: &Usage) -> BTreeSet<Placement> {
    let mut places = in_use(gpu, usage);
    for instance in &gpu.instances {
        if instance
            .compute
            .iter()
            .any(|one| usage.forced.contains(&one.uuid))
        {
            places.remove(&instance.placement);
        }
    }
    places
}

/// What the instances weigh that somebody uses and that may go all the same.
fn forced_weights(gpu: &Gpu, usage: &Usage) -> BTreeMap<GiId, u64> {
    let (used, pinned) = (in_use(gpu, usage), pinned(gpu, usage));
    let forced = gpu.instances.iter();
    let forced =
        forced.filter(|one| used.contains(&one.placement) && !pinned.contains(&one.placement));
    forced.map(|one| (one.id, 1_000)).collect()
}

/// Places of the instances that somebody uses.
pub(super) fn in_use(gpu: &Gpu, usage: &Usage) -> BTreeSet<Placement> {
    let mut places = BTreeSet::new();
    for (slice, by) in &usage.slices {
        if slice.gpu == gpu.pci && *by != Use::Free {
            places.insert(slice.placement);
        }
    }
    for process in &gpu.processes {
        let instance = gpu
            .instances
            .iter()
            .find(|instance| process.gi == Some(instance.id));
        places.extend(instance.map(|instance| instance.placement));
    }
    places
}
