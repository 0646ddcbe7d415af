//! A host plan against the layout: rules, names and users are read here a second time, on their own.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{Gpu, Health, Inventory, MigMode, Profile, ProfileId, ProfileName, Step};

use super::{
    Expected, ExpectedParts, Violation, amd, check_slices, expand, report, share, together, users,
};
use crate::host::{GpuChange, HostPlan, HostRequest};

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
                Ok((expected, parts)) => {
                    let (plan, steps) = (&change.plan, &change.steps);
                    violations = check_slices(gpu, plan, steps, &expected, &parts);
                    violations.extend(changed_under_vgpus(request, steps));
                    let reading = expand::Reading {
                        gpu,
                        expected: &expected,
                        parts: &parts,
                    };
                    match &rule.places {
                        Some(places) => reading.places(change, places, &mut violations),
                        None => reading.counts(change, rule, &mut violations),
                    }
                    let wanted = (&expected, &parts);
                    report::check_change(request, gpu, change, wanted, &mut violations);
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
    found.extend(together::check(request, plan));
    found.extend(amd::check(request, plan));
    found.extend(share::check(request, plan));
    found
}

/// A GPU with vGPUs keeps its mode.
fn changed_under_vgpus(request: &HostRequest<'_>, steps: &[Step]) -> Option<Violation> {
    let step = steps.iter().position(|step| {
        let is_mode = matches!(step, Step::SetMigMode { .. });
        is_mode && request.usage.vgpus.contains_key(&step.gpu())
    });
    step.map(|step| Violation::CarriesVgpus { step })
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
    let mut selectors = rule.gpus.iter().filter(|_| rule.amd.is_none());
    selectors.any(|selector| match selector {
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
) -> Result<(Expected<'a>, ExpectedParts), Violation> {
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
    let mut parts: BTreeMap<(ProfileId, u8), u32> = BTreeMap::new();
    // Without profiles no name means anything: see `later`. Of a rule that is split a GPU has its share.
    let is_own = !profiles.is_empty() && !rule.together;
    let known = rule.slices.iter().filter(|_| is_own);
    for (name, count) in known.filter(|(_, count)| **count != 0) {
        let sum = match kind(profiles, name) {
            Some((id, None)) => slices.entry(id).or_insert(0),
            Some((id, Some(part))) => parts.entry((id, part)).or_insert(0),
            None => return Err(Violation::Layout(format!("{name} means no profile"))),
        };
        *sum = sum.saturating_add(*count);
    }
    if !rule.mig_enabled && !expand::by_name(rule).is_empty() {
        return Err(Violation::Layout("slices with MIG off".to_owned()));
    }
    if !rule.at_least.is_empty() || !rule.fill.is_empty() || rule.places.is_some() {
        // What such a rule means is vetted against the plan: see `expand`.
        (slices, parts) = (change.target.clone(), change.parts.clone());
    }
    if rule.together {
        // The same of a share, see `together`; it has no parts.
        slices = change.target.clone();
    }
    let pinned = users::pinned(gpu, request.usage);
    // Every slice that nobody uses weighs the same; one in use is pinned, or was given up by name.
    let (weights, part_weights) = users::weights(gpu, request.usage);
    let parts = ExpectedParts {
        slices: parts,
        pinned: pinned.parts,
        weights: part_weights,
    };
    let expected = Expected {
        profiles,
        mig_on: rule.mig_enabled,
        slices,
        pinned: pinned.whole,
        gpu_in_use: request.usage.gpus.contains_key(&gpu.pci),
        allow_reset: request.allow_reset,
        weights,
    };
    Ok((expected, parts))
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

/// The kind of slice that a name means: a profile, and for a part of its instances the compute slices.
pub(super) fn kind(profiles: &[Profile], name: &ProfileName) -> Option<(ProfileId, Option<u8>)> {
    let profile = meaning(profiles, name)?;
    let part = name.compute_slices.filter(|part| *part != name.slices);
    let parts = profile.parts();
    let known = part.is_none_or(|part| parts.iter().any(|row| row.slices == part));
    known.then_some((profile.id, part))
}

fn meaning<'p>(profiles: &'p [Profile], name: &ProfileName) -> Option<&'p Profile> {
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
    // Figures of one memory differ by less than a tenth; those of two profiles by half.
    let about = alike.iter().filter(|p| {
        let (has, said) = (u64::from(p.name.memory_gb), u64::from(name.memory_gb));
        has * 10 >= said * 9 && said * 10 >= has * 9
    });
    let about: Vec<_> = about.collect();
    match (exact.as_slice(), alike.as_slice(), about.as_slice()) {
        ([one], ..) | ([], [one], _) => Some(*one),
        ([], _, [one]) => Some(**one),
        _ => None,
    }
}
