//! Rules whose slices are those of all their GPUs together: split over them at the least cost, and from then on the
//! share of each.
//!
//! The split is decided once. What is carried out, gone on with after a crash, kept and brought back after a boot are
//! the shares ([`settled`]): a second decision could come to another split, and a GPU that is missing at a boot would
//! move the slices of the others. Applied again, the rule finds its multiset there and costs nothing.
//!
//! Only whole GPU instances are split. A part that is wanted is refused, and so is a rule over a part that somebody
//! uses; parts that nobody uses go like any slice that is not wanted.

mod refusal;

use std::collections::BTreeMap;
use std::rc::Rc;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{CiId, GiId, Inventory, MigMode};

use super::one::{Grids, current, plan_one, profiles_of};
use super::select::Selected;
use super::users::{part_uses, uses};
use super::{GpuChange, GpuName, HostPlan, HostRequest, PlanError, Together, User};
use crate::gpu::{Existing, Target};
use crate::grid::Grid;
use crate::split::{self, SplitBudget, SplitError, SplitGpu, Tables, Wanted, plan_split};
use refusal::{blocked, refusal};

/// The GPUs of each such rule, by its number.
#[derive(Default)]
pub(super) struct Groups<'a>(BTreeMap<usize, Vec<Selected<'a>>>);

/// One GPU of a rule, as the split needs it.
struct Member<'a> {
    selected: Selected<'a>,
    grid: Rc<Grid>,
    uses: BTreeMap<GiId, User>,
    parts_used: BTreeMap<(GiId, CiId), User>,
    current: Vec<Existing>,
}

impl<'a> Groups<'a> {
    /// Takes a GPU that is well; they come in order of their indices.
    pub fn add(&mut self, selected: Selected<'a>) {
        self.0
            .entry(selected.rule_number)
            .or_default()
            .push(selected);
    }

    /// Adds what is to be done on all of them.
    pub fn plan(
        self,
        request: &HostRequest<'a>,
        grids: &mut Grids<'a>,
        plan: &mut HostPlan,
    ) -> Result<(), PlanError> {
        let mut tables = Tables::default();
        for (rule, selected) in self.0 {
            let (together, changes) = group(request, rule, selected, grids, &mut tables)?;
            plan.cost = plan.cost.saturating_add(together.cost);
            plan.lower_bound = plan.lower_bound.saturating_add(together.lower_bound);
            plan.proof &= together.proof;
            plan.gpus.extend(changes);
            plan.together.push(together);
        }
        plan.gpus.sort_by_key(|change| change.index);
        Ok(())
    }
}

fn group<'a>(
    request: &HostRequest<'a>,
    rule: usize,
    selected: Vec<Selected<'a>>,
    grids: &mut Grids<'a>,
    tables: &mut Tables,
) -> Result<(Together, Vec<GpuChange>), PlanError> {
    let members = selected.into_iter();
    let members = members.map(|selected| member(request, selected, grids));
    let members = members.collect::<Result<Vec<Member<'_>>, PlanError>>()?;
    let known: Vec<&Grid> = members.iter().map(|member| member.grid.as_ref()).collect();
    let slices = members.first().map(|member| &member.selected.rule.slices);
    let wanted = split::wanted(&known, slices.unwrap_or(&BTreeMap::new()));
    let wanted = wanted.map_err(|error| refusal(rule, &members, error))?;
    let gpus: Vec<SplitGpu<'_>> = members
        .iter()
        .map(|member| SplitGpu {
            grid: &member.grid,
            current: &member.current,
        })
        .collect();
    let split = plan_split(&gpus, &wanted, tables, SplitBudget::default());
    let split = split.map_err(|error| {
        let is_room = matches!(
            error,
            SplitError::NoSplit { .. } | SplitError::TooMany { .. }
        );
        match is_room && fits_alone(&members, &wanted, tables) {
            true => blocked(rule, &members, error),
            false => refusal(rule, &members, error),
        }
    })?;
    let together = Together {
        rule,
        gpus: members.iter().map(|one| one.selected.gpu.pci).collect(),
        cost: split.cost,
        lower_bound: split.lower_bound,
        proof: split.proof,
    };
    let targets = split.targets.into_iter().map(|whole| Target {
        whole,
        ..Target::default()
    });
    let shares = targets.zip(split.gpus);
    let changes = members.iter().zip(shares);
    let changes =
        changes.map(|(member, share)| plan_one(request, &member.selected, Some(share), grids));
    Ok((together, changes.collect::<Result<_, PlanError>>()?))
}

fn member<'a>(
    request: &HostRequest<'a>,
    selected: Selected<'a>,
    grids: &mut Grids<'a>,
) -> Result<Member<'a>, PlanError> {
    let gpu = selected.gpu;
    let name = GpuName::from(gpu);
    let profiles = profiles_of(gpu, request.inventory);
    match (gpu.mig_mode, profiles) {
        (MigMode::Unsupported, _) => return Err(PlanError::NoMig { gpu: name }),
        (mode, []) if mode.is_on() => return Err(PlanError::ProfilesUnknown { gpu: name }),
        (_, []) => {
            let rule = selected.rule_number;
            return Err(PlanError::TogetherUnknown { rule, gpu: name });
        }
        _ => {}
    }
    let uses = uses(gpu, request.usage);
    let parts_used = part_uses(gpu, request.usage);
    Ok(Member {
        grid: grids.grid(name, profiles)?,
        current: current(gpu, request.usage, &uses, &parts_used),
        uses,
        parts_used,
        selected,
    })
}

/// Whether there would be room if nobody used anything: only then waiting may help.
fn fits_alone(members: &[Member<'_>], wanted: &[Wanted], tables: &mut Tables) -> bool {
    let gpus: Vec<SplitGpu<'_>> = members
        .iter()
        .map(|member| SplitGpu {
            grid: &member.grid,
            current: &[],
        })
        .collect();
    let is_used = members.iter().any(|member| !member.uses.is_empty());
    is_used && plan_split(&gpus, wanted, tables, SplitBudget::default()).is_ok()
}

/// The layout as its plan took it: each GPU of a rule that was split has a rule of its own, with its share.
pub fn settled(layout: &Layout, plan: &HostPlan, inventory: &Inventory) -> Layout {
    let mut rules = Vec::new();
    for (rule, number) in layout.rules.iter().zip(1..) {
        if !rule.together {
            rules.push(rule.clone());
            continue;
        }
        let split = plan.together.iter().filter(|one| one.rule == number);
        let members = split.flat_map(|one| &one.gpus);
        let changes = members.filter_map(|pci| plan.gpus.iter().find(|change| change.pci == *pci));
        rules.extend(changes.map(|change| share(change, rule, inventory)));
    }
    Layout { rules }
}

fn share(change: &GpuChange, rule: &LayoutRule, inventory: &Inventory) -> LayoutRule {
    let gpu = inventory.gpus.iter().find(|gpu| gpu.pci == change.pci);
    let profiles = gpu.map_or(&[][..], |gpu| profiles_of(gpu, inventory));
    let slices = change.target.iter().filter_map(|(id, count)| {
        let profile = profiles.iter().find(|known| known.id == *id)?;
        Some((profile.name.clone(), *count))
    });
    LayoutRule {
        gpus: vec![GpuSelector::Pci(change.pci)],
        slices: slices.collect(),
        together: false,
        ..rule.clone()
    }
}
