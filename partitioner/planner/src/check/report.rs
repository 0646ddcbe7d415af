//! What a host plan tells people and adds up, against the inventory and the steps.

use std::collections::BTreeSet;

use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{Gpu, MigMode, Placement, ProfileId, SliceId};

use super::claims::Effects;
use super::layout::{in_use, speaks_of};
use super::{Expected, Violation};
use crate::host::{Change, DiffLine, GpuChange, HostPlan, HostRequest, Use};

/// Adds a violation for each thing that the entry of a GPU says and that is not so.
pub(super) fn check_change(
    request: &HostRequest<'_>,
    gpu: &Gpu,
    change: &GpuChange,
    expected: &Expected<'_>,
    found: &mut Vec<Violation>,
) {
    let to = match (gpu.mig_mode, expected.mig_on) {
        (MigMode::Unsupported, _) => MigMode::Unsupported,
        (_, true) => MigMode::Enabled,
        (_, false) => MigMode::Disabled,
    };
    let claims = [
        (
            change.index == gpu.index && change.uuid == gpu.uuid,
            "the GPU",
        ),
        (
            change.from == gpu.mig_mode && change.to == to,
            "the MIG mode",
        ),
        (change.target == expected.slices, "the target"),
        (is_diff(request, gpu, change, expected), "the diff"),
    ];
    let broken = claims.iter().filter(|(holds, _)| !holds);
    found.extend(broken.map(|(_, what)| Violation::Claim(what)));
}

fn is_diff(
    request: &HostRequest<'_>,
    gpu: &Gpu,
    change: &GpuChange,
    expected: &Expected<'_>,
) -> bool {
    let mut lines = lines(gpu, &Effects::of(&change.steps), expected);
    lines.sort_by_key(|line| (line.0.start, line.1, line.0.size));
    let same = |(said, line): (&DiffLine, &Line)| {
        let (placement, kind, profile, gi) = *line;
        let live = gpu.instances.iter().find(|live| Some(live.id) == gi);
        let uuid = live
            .and_then(|live| live.compute.first())
            .map(|one| &one.uuid);
        said.placement == placement
            && said.change == kind
            && said.profile == label(profile, gpu, expected)
            && said.uuid.as_ref() == uuid
            && (gi.is_some() || said.used_by.is_none())
            && is_user(request, gpu, gi.map(|_| placement), said.used_by.as_deref())
    };
    lines.len() == change.diff.len() && change.diff.iter().zip(&lines).all(same)
}

/// A line of the diff; the GPU instance for one that lives.
type Line = (Placement, Change, ProfileId, Option<kerf_types::GiId>);

fn lines(gpu: &Gpu, effects: &Effects, expected: &Expected<'_>) -> Vec<Line> {
    let live = gpu.instances.iter().map(|live| {
        let is_new = effects.made.contains_key(&live.placement);
        let is_mended = effects.filled.contains_key(&live.placement) && !is_new;
        let change = match effects.gone.contains(&live.id) {
            true => Change::Destroy,
            false if is_mended && !expected.pinned.contains(&live.placement) => Change::Mend,
            false => Change::Keep,
        };
        (live.placement, change, live.profile, Some(live.id))
    });
    let made = effects.made.iter();
    live.chain(made.map(|(place, profile)| (*place, Change::Create, *profile, None)))
        .collect()
}

fn label(id: ProfileId, gpu: &Gpu, expected: &Expected<'_>) -> String {
    let mut known = gpu.profiles.iter().chain(expected.profiles);
    match known.find(|known| known.id == id) {
        Some(known) => known.name.to_string(),
        None => format!("profile {id}"),
    }
}

/// Whether the words about a user fit what is known: there is one exactly where the instance is in use, and
/// the holder of a lease is named.
fn is_user(
    request: &HostRequest<'_>,
    gpu: &Gpu,
    place: Option<Placement>,
    said: Option<&str>,
) -> bool {
    let Some(placement) = place else {
        return said.is_none();
    };
    let slice = SliceId {
        gpu: gpu.pci,
        placement,
        compute: None,
    };
    let names_holder = match request.usage.slices.get(&slice) {
        Some(Use::Leased(holder)) => said.is_some_and(|said| said.contains(holder.as_str())),
        _ => true,
    };
    said.is_some() == in_use(gpu, request.usage).contains(&placement) && names_holder
}

/// What the whole plan adds up, and which GPUs it leaves out.
pub(super) fn check_sums(request: &HostRequest<'_>, plan: &HostPlan) -> Vec<Violation> {
    let sum = |part: fn(&GpuChange) -> u64| {
        let parts = plan.gpus.iter().map(part);
        parts.fold(0, u64::saturating_add)
    };
    let cost = sum(|change| change.plan.cost);
    let bound = sum(|change| change.plan.lower_bound);
    let proof = plan.gpus.iter().all(|change| change.plan.proof);
    let mut order = plan.gpus.iter().zip(plan.gpus.iter().skip(1));
    let claims = [
        (plan.cost == cost, "the cost of the host"),
        (plan.lower_bound == bound, "the bound of the host"),
        (plan.proof == proof, "the proof of the host"),
        (
            order.all(|(one, next)| one.index < next.index),
            "the order of the GPUs",
        ),
        (skips_rightly(request, plan), "the GPUs that are left out"),
    ];
    let broken = claims.iter().filter(|(holds, _)| !holds);
    broken.map(|(_, what)| Violation::Claim(what)).collect()
}

/// Left out are exactly the sick GPUs that a rule covers by `all` and none by name.
fn skips_rightly(request: &HostRequest<'_>, plan: &HostPlan) -> bool {
    let covered = |gpu: &&Gpu| {
        let mut rules = request.layout.rules.iter();
        !gpu.health.is_ok() && rules.any(|rule| speaks_of(rule, gpu, request.inventory))
    };
    let sick: Vec<&Gpu> = request.inventory.gpus.iter().filter(covered).collect();
    let by_name = |rule: &LayoutRule, gpu: &Gpu| {
        let sweeps = |one: &&GpuSelector| matches!(one, GpuSelector::All | GpuSelector::Model(_));
        let selectors = rule.gpus.iter().filter(|one| !sweeps(one));
        let gpus: Vec<GpuSelector> = selectors.cloned().collect();
        let named = LayoutRule {
            gpus,
            ..rule.clone()
        };
        speaks_of(&named, gpu, request.inventory)
    };
    let mut named = sick.iter().map(|gpu| {
        let mut rules = request.layout.rules.iter();
        rules.any(|rule| by_name(rule, gpu))
    });
    let said: BTreeSet<_> = plan.skipped.iter().map(|(name, _)| name.pci).collect();
    let wanted: BTreeSet<_> = sick.iter().map(|gpu| gpu.pci).collect();
    !named.any(|named| named) && said == wanted && said.len() == plan.skipped.len()
}
