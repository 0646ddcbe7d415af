//! Rules whose slices were split over their GPUs, read a second time: which GPUs, which names, and that what all of
//! them hold at the end is what is wanted, at the cost and with the bound that the plan says.

use kerf_types::layout::LayoutRule;
use kerf_types::{Gpu, GpuInstance, Profile, ProfileId, ProfileName};

use super::layout::{kind, profiles, speaks_of};
use super::split::{Subject, check_split};
use super::{ExpectedParts, Violation, complete, parts, users};
use crate::gpu::{Existing, Part};
use crate::host::{GpuChange, HostPlan, HostRequest, Together};
use crate::split::{SplitPlan, Wanted};

/// Everything that is wrong with the splits of a plan, with a GPU's index.
pub(super) fn check(request: &HostRequest<'_>, plan: &HostPlan) -> Vec<(u32, Violation)> {
    let mut found = Vec::new();
    let mut splits = 0;
    for (rule, number) in request.layout.rules.iter().zip(1..) {
        if !rule.together {
            continue;
        }
        let mut gpus: Vec<&Gpu> = request.inventory.gpus.iter().collect();
        gpus.retain(|gpu| gpu.health.is_ok() && speaks_of(rule, gpu, request.inventory));
        gpus.sort_by_key(|gpu| gpu.index);
        let said: Vec<&Together> = plan
            .together
            .iter()
            .filter(|one| one.rule == number)
            .collect();
        splits += said.len();
        match (gpus.as_slice(), said.as_slice()) {
            ([], []) => {}
            ([first, ..], [said]) if said.gpus.iter().eq(gpus.iter().map(|gpu| &gpu.pci)) => {
                let violations = check_one(request, plan, rule, &gpus, said);
                found.extend(violations.into_iter().map(|(at, violation)| {
                    let index = gpus.get(at).map_or(first.index, |gpu| gpu.index);
                    (index, violation)
                }));
            }
            _ => found.push((0, Violation::Claim("the GPUs of a rule"))),
        }
    }
    if splits != plan.together.len() {
        found.push((0, Violation::Claim("the rules that are split")));
    }
    found
}

fn check_one(
    request: &HostRequest<'_>,
    plan: &HostPlan,
    rule: &LayoutRule,
    gpus: &[&Gpu],
    said: &Together,
) -> Vec<(usize, Violation)> {
    let change = |gpu: &&Gpu| plan.gpus.iter().find(|change| change.pci == gpu.pci);
    let Some(changes) = gpus.iter().map(change).collect::<Option<Vec<&GpuChange>>>() else {
        return vec![(0, Violation::Claim("the GPUs of a rule"))];
    };
    let lists: Vec<&[Profile]> = gpus
        .iter()
        .map(|gpu| profiles(gpu, request.inventory.gpus.iter()))
        .collect();
    let live: Vec<Vec<Existing>> = gpus
        .iter()
        .zip(&lists)
        .map(|(gpu, list)| living(request, gpu, list))
        .collect();
    let subjects: Vec<Subject<'_>> = lists
        .iter()
        .zip(&live)
        .map(|(profiles, current)| Subject {
            profiles,
            engines: None,
            current,
        })
        .collect();
    let Some(wanted) = wanted(rule, &lists) else {
        return vec![(0, Violation::Layout("a name means no profile".to_owned()))];
    };
    let split = SplitPlan {
        gpus: changes.iter().map(|change| change.plan.clone()).collect(),
        targets: changes.iter().map(|change| change.target.clone()).collect(),
        cost: said.cost,
        lower_bound: said.lower_bound,
        proof: said.proof,
    };
    check_split(&subjects, &wanted, &split)
}

fn living(request: &HostRequest<'_>, gpu: &Gpu, profiles: &[Profile]) -> Vec<Existing> {
    let pins = users::pinned(gpu, request.usage);
    let (whole, of_parts) = users::weights(gpu, request.usage);
    let known = ExpectedParts {
        pinned: pins.parts,
        weights: of_parts,
        ..ExpectedParts::default()
    };
    let live = |one: &GpuInstance| {
        let own = whole.get(&one.id).copied().unwrap_or(1);
        let (weight, pinned) = match parts::is_divided(one) {
            true => known.of(one),
            false => (own, pins.whole.contains(&one.placement)),
        };
        let compute = one.compute.iter();
        Existing {
            gi: one.id,
            profile: one.profile,
            placement: one.placement,
            weight,
            pinned,
            complete: complete(one, profiles),
            compute: compute.map(|ci| (ci.id, ci.uuid.clone())).collect(),
            parts: parts_of(one, &known),
        }
    };
    gpu.instances.iter().map(live).collect()
}

fn parts_of(live: &GpuInstance, known: &ExpectedParts) -> Vec<Part> {
    let divided = live.compute.iter().filter(|_| parts::is_divided(live));
    let part = divided.filter_map(|one| {
        let place = one.placement?;
        Some(Part {
            ci: one.id,
            uuid: one.uuid.clone(),
            place,
            weight: known.weight(live.id, one.id),
            pinned: known.pinned.contains(&(live.placement, place)),
        })
    });
    part.collect()
}

/// What the names mean on each GPU. Where any GPU has a profile of exactly that name, no other is meant. Parts are not
/// split: their names mean nothing here.
fn wanted(rule: &LayoutRule, lists: &[&[Profile]]) -> Option<Vec<Wanted>> {
    let mut out: Vec<Wanted> = Vec::new();
    for (name, count) in rule.slices.iter().filter(|(_, count)| **count > 0) {
        let exact = lists.iter().any(|list| called(list, name).is_some());
        let on = |list: &&[Profile]| match exact {
            true => called(list, name),
            false => whole(list, name),
        };
        let profiles: Vec<Option<ProfileId>> = lists.iter().map(on).collect();
        if profiles.iter().all(Option::is_none) {
            return None;
        }
        match out.iter_mut().find(|one| one.profiles == profiles) {
            Some(same) => same.count = same.count.saturating_add(*count),
            None => out.push(Wanted {
                name: name.to_string(),
                count: *count,
                profiles,
            }),
        }
    }
    Some(out)
}

/// What a name means that is no part's.
fn whole(profiles: &[Profile], name: &ProfileName) -> Option<ProfileId> {
    let (id, part) = kind(profiles, name)?;
    part.is_none().then_some(id)
}

fn called(profiles: &[Profile], name: &ProfileName) -> Option<ProfileId> {
    let mut placeable = profiles.iter().filter(|one| !one.placements.is_empty());
    let text = name.to_string();
    let found = placeable.find(|one| one.name.to_string() == text);
    found.map(|one| one.id)
}

/// What is proven of a whole plan: of a split that of all its GPUs, of any other GPU its own.
pub(super) fn proven(plan: &HostPlan) -> (u64, bool) {
    let in_split = |change: &&GpuChange| {
        let mut splits = plan.together.iter();
        splits.any(|one| one.gpus.contains(&change.pci))
    };
    let alone = plan.gpus.iter().filter(|change| !in_split(change));
    let alone = alone.map(|change| (change.plan.lower_bound, change.plan.proof));
    let splits = plan.together.iter();
    let splits = splits.map(|one| (one.lower_bound, one.proof));
    alone.chain(splits).fold((0, true), |(bound, proof), one| {
        (u64::saturating_add(bound, one.0), proof && one.1)
    })
}
