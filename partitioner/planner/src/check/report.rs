//! What a host plan tells people and adds up, against the inventory and the steps.

use std::collections::BTreeSet;

use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{Gpu, MigMode, MigUuid, Placement, ProfileId, SliceId};

use super::claims::Effects;
use super::layout::speaks_of;
use super::{Expected, ExpectedParts, Violation, parts, together, users};
use crate::host::{Change, DiffLine, GpuChange, HostPlan, HostRequest, Use};

/// Adds a violation for each thing that the entry of a GPU says and that is not so.
pub(super) fn check_change(
    request: &HostRequest<'_>,
    gpu: &Gpu,
    change: &GpuChange,
    (expected, wanted): (&Expected<'_>, &ExpectedParts),
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
        (
            change.target == expected.slices && change.parts == wanted.slices,
            "the target",
        ),
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
    lines.sort_by_key(|line| {
        (
            line.placement.start,
            line.change,
            line.placement.size,
            line.part,
        )
    });
    let same = |(said, line): (&DiffLine, &Line)| {
        said.placement == line.placement
            && said.compute == line.part
            && said.change == line.change
            && said.profile == label(line.profile, line.part, gpu, expected)
            && said.uuid.as_ref() == line.uuid
            && (line.lives || said.used_by.is_none())
            && is_user(request, gpu, line, said.used_by.as_deref())
    };
    lines.len() == change.diff.len() && change.diff.iter().zip(&lines).all(same)
}

/// A line of the diff.
struct Line<'a> {
    placement: Placement,
    part: Option<Placement>,
    change: Change,
    profile: ProfileId,
    /// Whether it is about something that lives.
    lives: bool,
    uuid: Option<&'a MigUuid>,
}

fn lines<'a>(gpu: &'a Gpu, effects: &Effects, expected: &Expected<'_>) -> Vec<Line<'a>> {
    let mut out = Vec::new();
    for live in &gpu.instances {
        let place = live.placement;
        let is_new = effects.made.contains_key(&place);
        let gone = effects.gone.contains(&live.id);
        let filled = effects.filled.contains_key(&place) && !is_new && !gone;
        let mut line = |part, change, uuid| {
            out.push(Line {
                placement: place,
                part,
                change,
                profile: live.profile,
                lives: true,
                uuid,
            });
        };
        if parts::is_divided(live) {
            for one in &live.compute {
                let goes = gone || effects.ended.contains(&(live.id, one.id));
                let change = if goes { Change::Destroy } else { Change::Keep };
                line(one.placement, change, Some(&one.uuid));
            }
            continue;
        }
        let divided = !is_new && !gone && effects.parts.keys().any(|(gi, _)| *gi == place);
        let uuid = live.compute.first().map(|one| &one.uuid);
        match (gone, filled && !expected.pinned.contains(&place), divided) {
            (true, _, _) => line(None, Change::Destroy, uuid),
            (false, true, _) => line(None, Change::Mend, uuid),
            // An empty one that is divided is no slice that goes.
            (false, false, true) if uuid.is_none() => {}
            (false, false, true) => line(None, Change::Destroy, uuid),
            (false, false, false) => line(None, Change::Keep, uuid),
        }
    }
    out.extend(made(gpu, effects));
    out
}

/// The lines of what comes: instances that are filled, those of them new that were divided before, and parts.
fn made<'a>(gpu: &Gpu, effects: &Effects) -> Vec<Line<'a>> {
    let known = |place: &Placement| {
        let mut lives = gpu.instances.iter();
        let live = lives.find(|live| live.placement == *place && parts::is_divided(live));
        live.filter(|live| !effects.gone.contains(&live.id))
    };
    let divided_before = effects
        .filled
        .keys()
        .filter(|place| !effects.made.contains_key(place));
    let refilled = divided_before.filter_map(|place| Some((*place, None, known(place)?.profile)));
    let made = effects
        .made
        .iter()
        .filter(|(place, _)| effects.filled.contains_key(place));
    let made = made.map(|(place, profile)| (*place, None, *profile));
    let profile_at = |place: &Placement| {
        let mut lives = gpu
            .instances
            .iter()
            .filter(|live| !effects.gone.contains(&live.id));
        let live = lives.find(|live| live.placement == *place);
        let made = effects.made.get(place).copied();
        made.or(live.map(|live| live.profile))
    };
    let parts = effects.parts.keys();
    let parts = parts.filter_map(|(place, part)| Some((*place, Some(*part), profile_at(place)?)));
    let line = |(placement, part, profile)| Line {
        placement,
        part,
        change: Change::Create,
        profile,
        lives: false,
        uuid: None,
    };
    refilled.chain(made).chain(parts).map(line).collect()
}

fn label(id: ProfileId, part: Option<Placement>, gpu: &Gpu, expected: &Expected<'_>) -> String {
    let mut known = gpu.profiles.iter().chain(expected.profiles);
    match (known.find(|known| known.id == id), part) {
        (Some(known), None) => known.name.to_string(),
        (Some(known), Some(part)) => format!("{}c.{}", part.size, known.name),
        (None, _) => format!("profile {id}"),
    }
}

/// Whether the words about a user fit what is known: there is one exactly where the slice is in use, and the
/// holder of a lease is named.
fn is_user(request: &HostRequest<'_>, gpu: &Gpu, line: &Line<'_>, said: Option<&str>) -> bool {
    if !line.lives {
        return said.is_none();
    }
    let placement = line.placement;
    let slice = SliceId {
        gpu: gpu.pci,
        placement,
        compute: line.part,
    };
    let names_holder = match request.usage.slices.get(&slice) {
        Some(Use::Leased(holder) | Use::Vgpu(holder)) => {
            said.is_some_and(|said| said.contains(holder.as_str()))
        }
        _ => true,
    };
    let used = users::in_use(gpu, request.usage);
    let is_used = match line.part {
        None => used.whole.contains(&placement),
        Some(part) => used.parts.contains(&(placement, part)),
    };
    said.is_some() == is_used && names_holder
}

/// What the whole plan adds up, and which GPUs it leaves out.
pub(super) fn check_sums(request: &HostRequest<'_>, plan: &HostPlan) -> Vec<Violation> {
    let sum = |part: fn(&GpuChange) -> u64| {
        let parts = plan.gpus.iter().map(part);
        parts.fold(0, u64::saturating_add)
    };
    let cost = sum(|change| change.plan.cost);
    let (bound, proof) = together::proven(plan);
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
