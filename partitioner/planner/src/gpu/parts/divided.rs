//! The search over final states in which some instances are divided: every packing is searched as if each
//! content of an instance were a profile of its own with the same places.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kerf_types::ProfileId;

use super::arrange::arrange;
use super::pack::{self, Packing, Sizes};
use super::{Existing, Target};
use crate::gpu::problem::Problem;
use crate::gpu::{Budget, FitError, GpuPlan};
use crate::grid::{Grid, GridProfile};
use crate::search::{self, Best, Content, Level};

/// A profile of which parts are wanted.
pub(super) struct Divided<'a> {
    pub profile: &'a GridProfile,
    /// What its instances can hold; [`Content`] numbers count from 1.
    pub contents: Vec<Sizes>,
    /// Its instances with parts that must stay.
    pub pinned: Vec<&'a Existing>,
    packings: Vec<Packing>,
}

/// One packing of each profile.
type Choice<'c> = Vec<&'c Packing>;

/// The best state of one choice of packings.
pub(super) struct Found<'c> {
    pub choice: Choice<'c>,
    pub best: Best,
    gain: u64,
}

/// The cheapest plan where parts are wanted, or must stay.
pub(in crate::gpu) fn plan(
    grid: &Grid,
    current: &[Existing],
    target: &Target,
    budget: Budget,
) -> Result<GpuPlan, FitError> {
    check_pinned_parts(grid, current, target)?;
    Problem::new(grid, current, &target.whole, budget)?.check_pins()?;
    let divided = divided(grid, current, target)?;
    let mut totals = target.whole.clone();
    for one in &divided {
        let count = one
            .packings
            .first()
            .map_or(0, |first| first.fixed.len() + first.free.len());
        let total = totals.entry(one.profile.id).or_default();
        *total = total.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }
    let problem = Problem::new(grid, current, &totals, budget)?;
    problem.check_counts()?;
    if let Err(engines) = problem.check_engines() {
        return Err(problem.explain_engines(engines));
    }
    let mut search = Search {
        problem: &problem,
        divided: &divided,
        whole: &target.whole,
        nodes_left: budget.nodes,
        exhausted: false,
        most_gain: 0,
        found: None,
    };
    search.choose(&mut Vec::new());
    let (most_gain, exhausted) = (search.most_gain, search.exhausted);
    match search.found {
        Some(found) => problem.plan_divided(&divided, &found, most_gain, exhausted),
        None if exhausted => Err(FitError::Undecided {
            nodes: budget.nodes,
        }),
        None => Err(problem.explain()),
    }
}

/// Each part that must stay has to be among the wanted.
fn check_pinned_parts(grid: &Grid, current: &[Existing], target: &Target) -> Result<(), FitError> {
    let mut left = target.parts.clone();
    for instance in current {
        for part in instance.parts.iter().filter(|part| part.pinned) {
            let size = part.place.size;
            let wanted = left.get_mut(&(instance.profile, size));
            let taken = wanted.and_then(|wanted| {
                *wanted = wanted.checked_sub(1)?;
                Some(())
            });
            taken.ok_or_else(|| FitError::PartNotWanted {
                gi: instance.gi,
                ci: part.ci,
                profile: grid.part_label(instance.profile, size),
            })?;
        }
    }
    Ok(())
}

fn divided<'a>(
    grid: &'a Grid,
    current: &'a [Existing],
    target: &Target,
) -> Result<Vec<Divided<'a>>, FitError> {
    let mut wanted: BTreeMap<ProfileId, BTreeMap<u8, u32>> = BTreeMap::new();
    for ((id, slices), count) in target.parts.iter().filter(|(_, count)| **count > 0) {
        wanted.entry(*id).or_default().insert(*slices, *count);
    }
    let mut out = Vec::with_capacity(wanted.len());
    for (id, wanted) in wanted {
        let profile = grid.profile(id);
        let profile = profile.ok_or(FitError::UnknownProfile { profile: id })?;
        let of_profile = || current.iter().filter(|one| one.profile == id);
        let pinned: Vec<&Existing> = of_profile().filter(|one| one.has_pinned_part()).collect();
        let known = |slices: &u8| {
            let mut live = pinned.iter().flat_map(|one| &one.parts);
            profile.part(*slices).is_some() || live.any(|part| part.place.size == *slices)
        };
        if let Some(slices) = wanted.keys().find(|slices| !known(slices)) {
            return Err(FitError::NoPart {
                profile: profile.name.clone(),
                slices: *slices,
            });
        }
        let live = u32::try_from(of_profile().count()).unwrap_or(u32::MAX);
        let fit = Grid::packing(profile, Default::default()).min(profile.max_count);
        let most = fit.max(live);
        let contents = pack::contents(profile);
        let packings = match fits_by_volume(profile, &wanted, most) {
            true => {
                let others = most.saturating_sub(u32::try_from(pinned.len()).unwrap_or(0));
                pack::packings(profile, &contents, &wanted, &pinned, others)
            }
            false => Vec::new(),
        };
        if packings.is_empty() {
            let name = |(slices, count): (&u8, &u32)| {
                format!("{} x{count}", profile.name.part(Some(*slices)))
            };
            let parts: Vec<String> = wanted.iter().map(name).collect();
            return Err(FitError::Parts {
                profile: profile.name.clone(),
                parts: parts.join(", "),
                most,
            });
        }
        out.push(Divided {
            profile,
            contents: with_fixed(contents, &packings),
            pinned,
            packings,
        });
    }
    Ok(out)
}

fn fits_by_volume(profile: &GridProfile, wanted: &BTreeMap<u8, u32>, most: u32) -> bool {
    let slices = wanted
        .iter()
        .map(|(size, count)| u64::from(*size) * u64::from(*count));
    slices.sum::<u64>() <= u64::from(most) * u64::from(profile.slices)
}

/// What live instances hold against the driver's own rule has a number too, after the others.
fn with_fixed(mut contents: Vec<Sizes>, packings: &[Packing]) -> Vec<Sizes> {
    for fixed in packings.iter().flat_map(|packing| &packing.fixed) {
        if !contents.contains(fixed) {
            contents.push(fixed.clone());
        }
    }
    contents
}

impl Divided<'_> {
    /// The number of a content.
    pub fn number(&self, sizes: &[u8]) -> Content {
        let at = self.contents.iter().position(|content| content == sizes);
        at.and_then(|at| Content::try_from(at + 1).ok())
            .unwrap_or(Content::MAX)
    }

    /// The content of a number.
    pub fn sizes(&self, number: Content) -> &[u8] {
        let at = usize::from(number).checked_sub(1);
        at.and_then(|at| self.contents.get(at))
            .map_or(&[], Vec::as_slice)
    }

    /// What stays in a live instance that comes to hold these, by weight. One that holds nothing yet is not
    /// disturbed at all.
    pub fn kept(&self, instance: &Existing, sizes: &[u8]) -> u64 {
        if instance.compute.is_empty() {
            return instance.weight;
        }
        arrange(self.profile, sizes, &instance.parts).map_or(0, |arrangement| arrangement.kept)
    }
}

struct Search<'s, 'a> {
    problem: &'s Problem<'a>,
    divided: &'s [Divided<'a>],
    whole: &'s BTreeMap<ProfileId, u32>,
    nodes_left: u64,
    exhausted: bool,
    most_gain: u64,
    found: Option<Found<'s>>,
}

impl<'s> Search<'s, '_> {
    /// Every choice of one packing for each profile.
    fn choose(&mut self, choice: &mut Choice<'s>) {
        let Some(next) = self.divided.get(choice.len()) else {
            return self.search(choice);
        };
        for packing in &next.packings {
            choice.push(packing);
            self.choose(choice);
            choice.pop();
        }
    }

    fn search(&mut self, choice: &Choice<'s>) {
        let levels = self.levels(choice);
        let pinned = self.problem.pinned_units();
        let allowances = self.problem.allowances();
        let outcome = search::best_state(&levels, pinned, &allowances, self.nodes_left);
        self.nodes_left = self.nodes_left.saturating_sub(outcome.nodes);
        self.exhausted |= outcome.exhausted;
        let fixed = self.fixed_gain(choice);
        self.most_gain = self.most_gain.max(outcome.most_gain.saturating_add(fixed));
        let Some(best) = outcome.best else {
            return;
        };
        let gain = best.gain.saturating_add(fixed);
        let better = self.found.as_ref().is_none_or(|old| {
            (gain, best.options, Reverse(&best.state))
                > (old.gain, old.best.options, Reverse(&old.best.state))
        });
        if better {
            let choice = choice.clone();
            self.found = Some(Found { choice, best, gain });
        }
    }

    /// What stays in the instances that stay for a part's sake, the pinned ones aside.
    fn fixed_gain(&self, choice: &Choice<'s>) -> u64 {
        let mut gain: u64 = 0;
        for (one, packing) in self.divided.iter().zip(choice) {
            for (instance, sizes) in one.pinned.iter().zip(&packing.fixed) {
                let kept = one.kept(instance, sizes);
                gain = gain.saturating_add(kept.saturating_sub(pinned_weight(instance)));
            }
        }
        gain
    }

    fn levels(&self, choice: &Choice<'s>) -> Vec<Level<'s>> {
        let mut levels = Vec::new();
        for (profile, count) in &self.problem.wanted {
            let whole = self.whole.get(&profile.id).copied().unwrap_or(0);
            let divided = self.problem.pinned_divided(profile.id);
            if whole > 0 && *count > 0 {
                levels.push(self.problem.level(profile, whole + divided, true));
            }
        }
        for (one, packing) in self.divided.iter().zip(choice) {
            let mut counts: BTreeMap<Content, u32> = BTreeMap::new();
            for sizes in &packing.free {
                *counts.entry(one.number(sizes)).or_default() += 1;
            }
            for (number, need) in counts {
                levels.push(self.level(one, number, need));
            }
        }
        levels.retain(|level| level.need > 0);
        levels.sort_by_key(|level| {
            let (id, content) = (level.profile.id, level.content);
            (
                Reverse(level.profile.units()),
                level.slots.len(),
                id,
                content,
            )
        });
        levels
    }

    fn level(&self, one: &Divided<'s>, number: Content, need: u32) -> Level<'s> {
        // As for whole ones, with other gains; what is pinned is not counted again.
        let pins = self.problem.pins_of(one.profile.id);
        let mut level = self.problem.level(one.profile, need + pins, true);
        level.content = number;
        let sizes = one.sizes(number);
        for slot in &mut level.slots {
            let live = self.problem.current.iter().find(|live| {
                live.placement == slot.place && live.profile == one.profile.id && !live.pinned
            });
            slot.gain = live.map_or(0, |live| one.kept(live, sizes));
        }
        level
            .slots
            .sort_by_key(|slot| (Reverse(slot.gain), slot.place));
        level
    }
}

/// What the parts that must stay weigh together.
pub(super) fn pinned_weight(instance: &Existing) -> u64 {
    let pinned = instance.parts.iter().filter(|part| part.pinned);
    pinned.fold(0, |sum, part| sum.saturating_add(part.weight))
}
