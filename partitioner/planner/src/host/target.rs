//! What a rule comes to on one GPU: the exact multiset of slices, and the plan to it.
//!
//! `slices` says it outright. `at_least` keeps what else lives there: of all the ways to give up some of it the
//! cheapest is taken, and of these the one that gives up fewest. `fill` then adds of each of its profiles, one
//! after the other, as many as can be there beside the rest, pinned instances in their places. A part of a GPU instance
//! counts as any slice does: one that fills goes into the instances that are divided for it and into new ones, until
//! no more goes in. The same GPU and the same rule always come to the same; what a rule has come to, it comes to again.

use std::collections::BTreeMap;

use kerf_types::ProfileName;
use kerf_types::layout::LayoutRule;

use super::select::Selected;
use super::{GpuName, PlanError};
use crate::gpu::{Budget, Existing, FitError, GpuPlan, Kind, Target, plan_slices};
use crate::grid::Grid;

/// Most sets of instances that are tried for giving up. A GPU of seven slices has 128 at most; a grid for which this
/// is too few is refused rather than searched for ever.
const TRIES: u64 = 4_096;

/// One GPU that a rule is brought to.
pub(super) struct Aim<'a> {
    pub grid: &'a Grid,
    pub current: &'a [Existing],
}

impl Aim<'_> {
    /// What the rule comes to, and the plan to it; `explain` says what a refusal means for people.
    pub fn at(
        &self,
        selected: &Selected<'_>,
        explain: impl Fn(FitError) -> PlanError,
    ) -> Result<(Target, GpuPlan), PlanError> {
        let rule = selected.rule;
        let gpu = GpuName::from(selected.gpu);
        let resolve = |name: &ProfileName| {
            let rule = selected.rule_number;
            let found = self.grid.resolve_slice(name);
            found.map_err(|source| PlanError::Profile { rule, gpu, source })
        };
        if let Some(places) = &rule.places {
            let places = places.iter();
            let places = places.map(|(place, name)| Ok((*place, (resolve(name)?, name.clone()))));
            let places = places.collect::<Result<_, PlanError>>()?;
            return self.exact(gpu, &places, explain);
        }
        let count = |slices: &BTreeMap<ProfileName, u32>| {
            let mut target = Target::default();
            for (name, count) in slices.iter().filter(|(_, count)| **count > 0) {
                let sum = target.count_mut(resolve(name)?);
                *sum = sum.saturating_add(*count);
            }
            Ok(target)
        };
        let fill = rule.fill.iter().map(resolve);
        let fill = fill.collect::<Result<Vec<Kind>, PlanError>>()?;
        let base = match rule.at_least.is_empty() {
            true => count(&rule.slices)?,
            false => self.keeping(&count(&rule.at_least)?).map_err(&explain)?,
        };
        let mut plan = self.plan(&base).map_err(explain)?;
        let mut target = base;
        for kind in fill {
            while let Some((more, better)) = self.one_more(&target, kind) {
                (target, plan) = (more, better);
            }
        }
        Ok((target, plan))
    }

    fn plan(&self, target: &Target) -> Result<GpuPlan, FitError> {
        plan_slices(self.grid, self.current, target, Budget::default())
    }

    fn one_more(&self, target: &Target, kind: Kind) -> Option<(Target, GpuPlan)> {
        let mut more = target.clone();
        *more.count_mut(kind) += 1;
        let plan = self.plan(&more).ok()?;
        Some((more, plan))
    }

    /// What lives there.
    fn live(&self) -> Target {
        let mut live = Target::default();
        for instance in self.current {
            if instance.parts.is_empty() {
                *live.count_mut((instance.profile, None)) += 1;
            }
            for part in &instance.parts {
                *live.count_mut((instance.profile, Some(part.place.size))) += 1;
            }
        }
        live
    }

    /// At least `least`, and as much of what lives as can be kept at the least cost.
    fn keeping(&self, least: &Target) -> Result<Target, FitError> {
        let mut all = self.live();
        let spare = |(kind, live): (Kind, u32)| {
            let more = live.checked_sub(least.count(kind))?;
            (more > 0).then_some((kind, more))
        };
        let spare: Vec<(Kind, u32)> = all.kinds().filter_map(spare).collect();
        for (kind, count) in least.kinds() {
            let live = all.count_mut(kind);
            *live = (*live).max(count);
        }
        let most: u32 = spare.iter().map(|(_, count)| count).sum();
        let mut search = Giving {
            aim: self,
            tries: TRIES,
            best: None,
        };
        for gone in 0..=most {
            // Each that goes costs one at the least.
            if search
                .best
                .as_ref()
                .is_some_and(|(cost, _)| *cost <= u64::from(gone))
            {
                break;
            }
            search.give_up(&spare, gone, &all)?;
        }
        match search.best {
            Some((_, target)) => Ok(target),
            // Not even the least fits, and why is what helps.
            None => self.plan(least).map(|_| least.clone()),
        }
    }
}

/// The search for what to give up.
struct Giving<'a> {
    aim: &'a Aim<'a>,
    tries: u64,
    best: Option<(u64, Target)>,
}

impl Giving<'_> {
    /// Tries every way to give up `gone` of what is to spare.
    fn give_up(
        &mut self,
        spare: &[(Kind, u32)],
        gone: u32,
        target: &Target,
    ) -> Result<(), FitError> {
        let Some(((kind, most), rest)) = spare.split_first() else {
            return match gone {
                0 => self.attempt(target),
                _ => Ok(()),
            };
        };
        for count in 0..=(*most).min(gone) {
            let mut less = target.clone();
            let left = less.count_mut(*kind);
            *left = left.saturating_sub(count);
            self.give_up(rest, gone - count, &less)?;
        }
        Ok(())
    }

    fn attempt(&mut self, target: &Target) -> Result<(), FitError> {
        let exhausted = FitError::Undecided { nodes: TRIES };
        self.tries = self.tries.checked_sub(1).ok_or(exhausted)?;
        if let Ok(plan) = self.aim.plan(target)
            && self.best.as_ref().is_none_or(|(cost, _)| plan.cost < *cost)
        {
            self.best = Some((plan.cost, target.clone()));
        }
        Ok(())
    }
}

/// What a rule wants of a GPU whose profiles nobody knows and on which nothing lives: by name, of what fills one at
/// the least.
pub(super) fn counted(rule: &LayoutRule) -> BTreeMap<ProfileName, u32> {
    let mut wanted: BTreeMap<ProfileName, u32> = BTreeMap::new();
    let counts = rule.slices.iter().chain(&rule.at_least);
    for (name, count) in counts.filter(|(_, count)| **count > 0) {
        wanted.insert(name.clone(), *count);
    }
    for name in rule.places.iter().flat_map(BTreeMap::values) {
        *wanted.entry(name.clone()).or_default() += 1;
    }
    for name in &rule.fill {
        wanted.entry(name.clone()).or_insert(1);
    }
    wanted
}
