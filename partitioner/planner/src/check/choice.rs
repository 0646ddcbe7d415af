//! A choice against the host: what is given must be free, and nothing that exists may be touched for it.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{Gpu, GpuInstance, MigMode, Placement, ProfileId, Step};

use super::layout::profiles;
use super::users::parts_of;
use super::{Expected, ExpectedParts, Violation, check_part_steps, parts, share, users};
use crate::choose::{Choice, GpuView, Pick};
use crate::host::Usage;

mod asked;

pub use asked::{AskViolation, check_ask};

/// Everything that is wrong with giving `choice`, with the GPU's index.
pub fn check_choice(
    views: &[GpuView<'_>],
    usage: &Usage,
    choice: &Choice,
) -> Vec<(u32, Violation)> {
    let mut found = Vec::new();
    for (at, pick) in choice.picks.iter().enumerate() {
        let Some(view) = views.iter().find(|view| view.gpu.pci == pick.gpu()) else {
            found.push((u32::MAX, Violation::NotNamed(pick.gpu())));
            continue;
        };
        let gpu = view.gpu;
        let earlier = choice
            .picks
            .iter()
            .take(at)
            .filter(|other| other.gpu() == pick.gpu());
        let mut shared = earlier.filter(|other| shares(pick, other));
        let made_before = choice
            .picks
            .iter()
            .take(at)
            .filter(|other| other.gpu() == gpu.pci);
        let usable = gpu.health.is_ok()
            && view.closed.is_none()
            && !usage.vgpus.contains_key(&gpu.pci)
            && match pick {
                Pick::Share(place) => share::is_free(gpu, usage, place),
                _ => {
                    !usage.gpus.contains_key(&gpu.pci)
                        && !usage.shared.contains_key(&gpu.pci)
                        && (is_free(gpu, usage, pick)
                            || made_before.into_iter().any(|one| hosts(one, pick)))
                }
            };
        if !usable || shared.next().is_some() {
            found.push((gpu.index, Violation::NotFree(at)));
        }
    }
    for view in views {
        let picks = || {
            choice
                .picks
                .iter()
                .filter(|pick| pick.gpu() == view.gpu.pci)
        };
        if picks().next().is_some() {
            let steps: Vec<Step> = picks().flat_map(Pick::steps).collect();
            let (expected, parts) = expected(views, view, picks());
            let violations = check_part_steps(view.gpu, &steps, &expected, &parts);
            found.extend(
                violations
                    .into_iter()
                    .map(|violation| (view.gpu.index, violation)),
            );
        }
    }
    found
}

fn shares(a: &Pick, b: &Pick) -> bool {
    if let (Pick::Share(place), other) | (other, Pick::Share(place)) = (a, b) {
        return share::is_same(place, other);
    }
    let apart = |a: Placement, b: Placement| a.end() <= b.start || b.end() <= a.start;
    match (place(a), place(b)) {
        (Some((a, Some(part))), Some((b, Some(other)))) if a == b => !apart(part, other),
        (Some((a, _)), Some((b, _))) => !apart(a, b),
        _ => true,
    }
}

/// The place of the GPU instance, and of the part in it.
fn place(pick: &Pick) -> Option<(Placement, Option<Placement>)> {
    match pick {
        Pick::Existing {
            placement, compute, ..
        } => Some((*placement, *compute)),
        Pick::Cut { creation, .. } => Some((creation.placement, None)),
        Pick::Part { cut, .. } => Some((cut.placement, Some(cut.part))),
        Pick::Gpu { .. } | Pick::Share(_) => None,
    }
}

/// Whether an earlier pick makes the instance that a part is cut in.
fn hosts(earlier: &Pick, pick: &Pick) -> bool {
    match (earlier, pick) {
        (Pick::Part { cut: first, .. }, Pick::Part { cut, .. }) => {
            first.new_instance
                && !cut.new_instance
                && (first.placement, first.profile) == (cut.placement, cut.profile)
        }
        _ => false,
    }
}

fn is_free(gpu: &Gpu, usage: &Usage, pick: &Pick) -> bool {
    match pick {
        Pick::Existing {
            gi,
            profile,
            placement,
            compute,
            uuid,
            ..
        } => {
            let is_life = |one: &GpuInstance| match compute {
                None => {
                    matches!(one.compute.as_slice(), [ci] if ci.uuid == *uuid && ci.placement.is_none())
                }
                Some(_) => {
                    let mut own = one.compute.iter();
                    parts::is_divided(one)
                        && own.any(|ci| ci.uuid == *uuid && ci.placement == *compute)
                }
            };
            let same = gpu.instances.iter().any(|one| {
                one.id == *gi
                    && one.profile == *profile
                    && one.placement == *placement
                    && is_life(one)
            });
            let used = users::pinned(gpu, usage);
            let is_pinned = match compute {
                None => used.whole.contains(placement),
                Some(part) => used.parts.contains(&(*placement, *part)),
            };
            same && gpu.mig_mode == MigMode::Enabled && !is_pinned
        }
        // What a cut may not do is seen in its steps; in an instance that is there it must be let.
        Pick::Part { cut, .. } if !cut.new_instance => {
            let mut open = usage.divisible.iter();
            let let_in = open.any(|id| id.gpu == gpu.pci && id.placement == cut.placement);
            let mut instances = gpu.instances.iter();
            let_in && instances.any(|one| one.placement == cut.placement && parts::is_divided(one))
        }
        Pick::Cut { .. } | Pick::Part { .. } => true,
        // Vetted apart.
        Pick::Share(_) => false,
        Pick::Gpu { uuid, .. } => {
            gpu.uuid == *uuid && gpu.instances.is_empty() && gpu.processes.is_empty()
        }
    }
}

/// Everything that exists stays and the cuts are added; a whole GPU ends with MIG off.
fn expected<'a>(
    views: &'a [GpuView<'a>],
    view: &GpuView<'a>,
    picks: impl Iterator<Item = &'a Pick>,
) -> (Expected<'a>, ExpectedParts) {
    let gpu = view.gpu;
    let mut slices: BTreeMap<ProfileId, u32> = BTreeMap::new();
    let mut parts = ExpectedParts::default();
    let mut places: BTreeSet<Placement> = BTreeSet::new();
    for instance in &gpu.instances {
        if !parts::is_divided(instance) {
            *slices.entry(instance.profile).or_default() += 1;
            places.insert(instance.placement);
            continue;
        }
        for (place, part) in parts_of(instance) {
            let key = (instance.profile, part.size);
            *parts.slices.entry(key).or_default() += 1;
            parts.pinned.insert((place, part));
        }
    }
    let mut mig_on = gpu.mig_mode == MigMode::Enabled;
    for pick in picks {
        match pick {
            Pick::Existing { .. } | Pick::Share(_) => {}
            Pick::Gpu { .. } => mig_on = false,
            Pick::Cut { creation, .. } => {
                mig_on = true;
                *slices.entry(creation.profile).or_default() += 1;
            }
            Pick::Part { cut, .. } => {
                mig_on = true;
                let key = (cut.profile, cut.part.size);
                *parts.slices.entry(key).or_default() += 1;
            }
        }
    }
    let expected = Expected {
        profiles: profiles(gpu, views.iter().map(|view| view.gpu)),
        mig_on,
        slices,
        pinned: places,
        gpu_in_use: false,
        allow_reset: false,
        weights: BTreeMap::new(),
    };
    (expected, parts)
}
