//! A plan for people to read: one line for each instance.

use std::collections::BTreeMap;

use kerf_types::{GiId, Gpu, ProfileId};

use super::{Change, DiffLine};
use crate::gpu::{Existing, GpuPlan};
use crate::grid::Grid;

/// The lines of one GPU.
pub(super) fn diff(
    gpu: &Gpu,
    grid: Option<&Grid>,
    plan: &GpuPlan,
    uses: &BTreeMap<GiId, String>,
) -> Vec<DiffLine> {
    let label = |id: ProfileId| {
        let known = gpu.profile(id).map(|profile| profile.name.to_string());
        known
            .or_else(|| grid.map(|grid| grid.label(id)))
            .unwrap_or_else(|| format!("profile {id}"))
    };
    let live = |instance: &Existing, change| DiffLine {
        placement: instance.placement,
        change,
        profile: label(instance.profile),
        uuid: instance.compute.first().map(|(_, uuid)| uuid.clone()),
        used_by: uses.get(&instance.gi).cloned(),
    };
    let keep = plan.keep.iter().map(|kept| {
        let change = if kept.mend.is_some() {
            Change::Mend
        } else {
            Change::Keep
        };
        live(&kept.instance, change)
    });
    let destroy = plan
        .destroy
        .iter()
        .map(|instance| live(instance, Change::Destroy));
    let create = plan.create.iter().map(|creation| DiffLine {
        placement: creation.placement,
        change: Change::Create,
        profile: label(creation.profile),
        uuid: None,
        used_by: None,
    });
    let mut lines: Vec<DiffLine> = keep.chain(destroy).chain(create).collect();
    lines.sort_by_key(|line| (line.placement.start, line.change, line.placement.size));
    lines
}
