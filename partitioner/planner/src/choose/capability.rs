//! Asks by capability: the smallest slice that has all of it, else a whole GPU.

use std::collections::BTreeMap;

use kerf_types::ask::Requirement;
use kerf_types::{Bytes, ProfileName};

use super::{GpuView, Pick, Refusal, Shortage, slice, whole};
use crate::grid::GridProfile;
use crate::host::{GpuName, Usage};
use crate::rings::GpuRings;

/// How large a profile is: the smaller is tried first. A plain profile goes before one with attributes, and
/// fewer media engines before more, so that scarce engines stay for those who ask for them.
type Size = (Bytes, u8, bool, [u64; 4]);

pub(super) fn choose(
    views: &[GpuView<'_>],
    usage: &Usage,
    rings: Option<&GpuRings>,
    requirement: &Requirement,
) -> Result<Vec<Pick>, Shortage> {
    let mut able = Vec::new();
    let mut reasons: BTreeMap<u32, (GpuName, Refusal)> = BTreeMap::new();
    for view in views {
        match lacks(view, requirement) {
            None => able.push(*view),
            Some(what) => {
                reasons.insert(view.gpu.index, (view.name(), Refusal::Lacks(what)));
            }
        }
    }
    if let Some(count) = requirement.nvlink {
        let bounds = super::bounds(views, &requirement.only, count)?;
        let wanted = whole::Wanted {
            joined: true,
            ..whole::Wanted::new(count, &bounds)
        };
        let picks = whole::choose(&able, usage, rings, &wanted);
        return picks.map_err(|shortage| all_reasons(reasons, shortage));
    }
    for (_, name) in by_size(&able, requirement) {
        let some: Vec<GpuView<'_>> = able
            .iter()
            .filter(|view| serves(view, &name, requirement))
            .copied()
            .collect();
        match slice::choose(&some, usage, &name, 1) {
            Ok(picks) => return Ok(picks),
            Err(shortage) => merge(&mut reasons, shortage.reasons),
        }
    }
    let bounds = super::bounds(views, &requirement.only, 1)?;
    let picks = whole::choose(&able, usage, rings, &whole::Wanted::new(1, &bounds));
    picks.map_err(|shortage| all_reasons(reasons, shortage))
}

/// Keeps the first reason against each GPU: it speaks of the smallest thing that would have served.
fn merge(reasons: &mut BTreeMap<u32, (GpuName, Refusal)>, more: Vec<(GpuName, Refusal)>) {
    for (gpu, refusal) in more {
        reasons.entry(gpu.index).or_insert((gpu, refusal));
    }
}

fn all_reasons(mut reasons: BTreeMap<u32, (GpuName, Refusal)>, last: Shortage) -> Shortage {
    merge(&mut reasons, last.reasons);
    Shortage {
        available: last.available,
        unmet: last.unmet,
        reasons: reasons.into_values().collect(),
    }
}

/// What the GPU as a whole does not have.
fn lacks(view: &GpuView<'_>, requirement: &Requirement) -> Option<String> {
    let feature = requirement
        .features
        .iter()
        .find(|feature| !feature.is_on(view.gpu));
    if let Some(feature) = feature {
        return Some(feature.as_str().to_owned());
    }
    let memory = requirement
        .memory
        .filter(|memory| view.gpu.memory < *memory)?;
    Some(format!("{memory} of memory"))
}

fn enough(profile: &GridProfile, requirement: &Requirement) -> bool {
    requirement
        .memory
        .is_none_or(|memory| profile.memory >= memory)
}

/// Names of the profiles that are large enough somewhere, smallest first.
fn by_size(views: &[GpuView<'_>], requirement: &Requirement) -> Vec<(Size, ProfileName)> {
    let mut smallest: BTreeMap<ProfileName, Size> = BTreeMap::new();
    for profile in views
        .iter()
        .filter_map(|view| view.grid)
        .flat_map(|grid| grid.profiles())
    {
        if !enough(profile, requirement) {
            continue;
        }
        let name = &profile.name;
        let size = (
            profile.memory,
            name.slices,
            !name.attribute.is_empty(),
            profile.media,
        );
        let entry = smallest.entry(name.clone()).or_insert(size);
        *entry = size.min(*entry);
    }
    let mut out: Vec<(Size, ProfileName)> = smallest
        .into_iter()
        .map(|(name, size)| (size, name))
        .collect();
    out.sort();
    out
}

fn serves(view: &GpuView<'_>, name: &ProfileName, requirement: &Requirement) -> bool {
    let Some(grid) = view.grid else {
        return false;
    };
    let profile = grid.resolve(name).ok().and_then(|id| grid.profile(id));
    profile.is_some_and(|profile| enough(profile, requirement))
}
