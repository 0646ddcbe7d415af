//! A choice against the host: what is given must be free, and nothing that exists may be touched for it.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{Gpu, MigMode, Placement, ProfileId, Step};

use super::layout::{pinned, profiles};
use super::{Expected, Violation, check_steps};
use crate::choose::{Choice, GpuView, Pick};
use crate::host::Usage;

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
        let usable = gpu.health.is_ok()
            && view.closed.is_none()
            && !usage.gpus.contains_key(&gpu.pci)
            && is_free(gpu, usage, pick);
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
            let violations = check_steps(view.gpu, &steps, &expected(views, view, picks()));
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
    let place = |pick: &Pick| match pick {
        Pick::Existing { placement, .. } => Some(*placement),
        Pick::Cut { creation, .. } => Some(creation.placement),
        Pick::Gpu { .. } => None,
    };
    match (place(a), place(b)) {
        (Some(a), Some(b)) => a.start < b.end() && b.start < a.end(),
        _ => true,
    }
}

fn is_free(gpu: &Gpu, usage: &Usage, pick: &Pick) -> bool {
    match pick {
        Pick::Existing {
            gi,
            profile,
            placement,
            uuid,
            ..
        } => {
            let same = gpu.instances.iter().any(|one| {
                one.id == *gi
                    && one.profile == *profile
                    && one.placement == *placement
                    && matches!(one.compute.as_slice(), [ci] if ci.uuid == *uuid)
            });
            same && gpu.mig_mode == MigMode::Enabled && !pinned(gpu, usage).contains(placement)
        }
        // What a cut may not do is seen in its steps.
        Pick::Cut { .. } => true,
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
) -> Expected<'a> {
    let gpu = view.gpu;
    let mut slices: BTreeMap<ProfileId, u32> = BTreeMap::new();
    for instance in &gpu.instances {
        *slices.entry(instance.profile).or_default() += 1;
    }
    let mut mig_on = gpu.mig_mode == MigMode::Enabled;
    for pick in picks {
        match pick {
            Pick::Existing { .. } => {}
            Pick::Gpu { .. } => mig_on = false,
            Pick::Cut { creation, .. } => {
                mig_on = true;
                *slices.entry(creation.profile).or_default() += 1;
            }
        }
    }
    let places: BTreeSet<Placement> = gpu.instances.iter().map(|one| one.placement).collect();
    Expected {
        profiles: profiles(gpu, views.iter().map(|view| view.gpu)),
        mig_on,
        slices,
        pinned: places,
        gpu_in_use: false,
        allow_reset: false,
        weights: BTreeMap::new(),
    }
}
