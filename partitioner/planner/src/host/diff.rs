//! A plan for people to read: one line for each slice.

use std::collections::BTreeMap;

use kerf_types::{CiId, GiId, Gpu, MigUuid, Placement, ProfileId};

use super::{Change, DiffLine, User};
use crate::gpu::{Division, Existing, GpuPlan, Kept, Part};
use crate::grid::Grid;

/// Who uses which instance, and which part of one.
type Users<'a> = (&'a BTreeMap<GiId, User>, &'a BTreeMap<(GiId, CiId), User>);

struct Diff<'a> {
    gpu: &'a Gpu,
    grid: Option<&'a Grid>,
    users: Users<'a>,
    lines: Vec<DiffLine>,
}

/// The lines of one GPU.
pub(super) fn diff(
    gpu: &Gpu,
    grid: Option<&Grid>,
    plan: &GpuPlan,
    users: Users<'_>,
) -> Vec<DiffLine> {
    let mut diff = Diff {
        gpu,
        grid,
        users,
        lines: Vec::new(),
    };
    for kept in &plan.keep {
        let gi = Some(kept.instance.gi);
        match plan.divide.iter().find(|division| division.gi == gi) {
            Some(division) => diff.recut(&kept.instance, division),
            None => diff.kept(kept),
        }
    }
    for instance in &plan.destroy {
        diff.all(instance, Change::Destroy);
    }
    for creation in &plan.create {
        diff.made(creation.placement, creation.profile, None);
    }
    for division in &plan.divide {
        for part in &division.create {
            diff.made(division.placement, division.profile, Some(part.place));
        }
    }
    let mut lines = diff.lines;
    lines.sort_by_key(|line| {
        let place = line.placement;
        (place.start, line.change, place.size, line.compute)
    });
    lines
}

impl Diff<'_> {
    fn label(&self, id: ProfileId, part: Option<Placement>) -> String {
        let slices = part.map(|part| part.size);
        match (self.gpu.profile(id), self.grid, slices) {
            (Some(known), _, _) => known.name.part(slices).to_string(),
            (None, Some(grid), None) => grid.label(id),
            (None, Some(grid), Some(slices)) => grid.part_label(id, slices),
            (None, None, _) => format!("profile {id}"),
        }
    }

    fn kept(&mut self, kept: &Kept) {
        match kept.mend {
            None => self.all(&kept.instance, Change::Keep),
            Some(_) if kept.instance.parts.is_empty() => {
                self.instance(&kept.instance, Change::Mend);
            }
            Some(_) => {
                self.all(&kept.instance, Change::Destroy);
                self.made(kept.instance.placement, kept.instance.profile, None);
            }
        }
    }

    /// Every slice of an instance.
    fn all(&mut self, instance: &Existing, change: Change) {
        if instance.parts.is_empty() {
            return self.instance(instance, change);
        }
        for part in &instance.parts {
            self.part(instance, part, change);
        }
    }

    fn recut(&mut self, instance: &Existing, division: &Division) {
        let goes = |ci: &CiId| division.destroy.iter().any(|(gone, _)| gone == ci);
        if instance.parts.is_empty() && !instance.compute.is_empty() {
            self.instance(instance, Change::Destroy);
        }
        for part in &instance.parts {
            let change = match goes(&part.ci) {
                true => Change::Destroy,
                false => Change::Keep,
            };
            self.part(instance, part, change);
        }
    }

    fn instance(&mut self, instance: &Existing, change: Change) {
        let uuid = instance.compute.first().map(|(_, uuid)| uuid.clone());
        let used_by = self.users.0.get(&instance.gi);
        self.line(instance, None, change, uuid, used_by);
    }

    fn part(&mut self, instance: &Existing, part: &Part, change: Change) {
        let used_by = self.users.1.get(&(instance.gi, part.ci));
        let uuid = Some(part.uuid.clone());
        self.line(instance, Some(part.place), change, uuid, used_by);
    }

    fn line(
        &mut self,
        instance: &Existing,
        compute: Option<Placement>,
        change: Change,
        uuid: Option<MigUuid>,
        used_by: Option<&User>,
    ) {
        self.lines.push(DiffLine {
            placement: instance.placement,
            compute,
            change,
            profile: self.label(instance.profile, compute),
            uuid,
            used_by: used_by.map(User::to_string),
        });
    }

    fn made(&mut self, placement: Placement, profile: ProfileId, compute: Option<Placement>) {
        self.lines.push(DiffLine {
            placement,
            compute,
            change: Change::Create,
            profile: self.label(profile, compute),
            uuid: None,
            used_by: None,
        });
    }
}
