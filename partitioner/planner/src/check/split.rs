//! A plan for several GPUs against what is wanted of them together: an occupancy model of its own, in which
//! what goes is taken away and what comes is put in, place by place.
//!
//! It shares the vocabulary with the planner and no code, and not even the model of [`super::check_steps`]:
//! that one reads a whole inventory, this one also serves GPUs that are given as data.

use std::collections::BTreeMap;

use kerf_types::{Engines, Profile, ProfileId};

use super::Violation;
use crate::gpu::Existing;
use crate::split::{SplitPlan, Wanted};

mod beaten;
mod gpu;
mod room;

/// A GPU of a request, as the checker takes it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its profiles.
    pub profiles: &'a [Profile],
    /// Its media engines; `None` where nothing but the profiles tells of them.
    pub engines: Option<Engines>,
    /// What lives on it.
    pub current: &'a [Existing],
}

/// Everything that is wrong with `plan` as a way to exactly `wanted`, with the GPU's number. What concerns
/// all GPUs together stands with the number after the last.
pub fn check_split(
    subjects: &[Subject<'_>],
    wanted: &[Wanted],
    plan: &SplitPlan,
) -> Vec<(usize, Violation)> {
    let all = subjects.len();
    if plan.gpus.len() != all || plan.targets.len() != all {
        return vec![(all, Violation::Claim("the GPUs"))];
    }
    let mut found = Vec::new();
    let mut cost = 0_u64;
    let mut ends = Vec::with_capacity(all);
    let parts = subjects.iter().zip(&plan.gpus).zip(&plan.targets);
    for (at, ((subject, part), target)) in parts.enumerate() {
        let mut replay = gpu::Replay::new(subject);
        replay.run(part);
        let (end, disturbed, violations) = replay.finish(part, target);
        cost = cost.saturating_add(disturbed);
        found.extend(violations.into_iter().map(|violation| (at, violation)));
        ends.push(end);
    }
    let mut of_all = Vec::new();
    union(wanted, &ends, &mut of_all);
    let claims = [
        (plan.cost == cost, "the cost of all GPUs"),
        (
            plan.lower_bound <= plan.cost && plan.proof == (plan.lower_bound == plan.cost),
            "the proof of all GPUs",
        ),
        (
            !beaten::is_beaten(subjects, wanted, plan.lower_bound),
            "the bound of all GPUs",
        ),
    ];
    let broken = claims.iter().filter(|(holds, _)| !holds);
    of_all.extend(broken.map(|(_, what)| Violation::Claim(what)));
    if plan.proof {
        let needless = needless(subjects, wanted, plan, &ends);
        found.extend(
            needless
                .into_iter()
                .map(|(at, place)| (at, Violation::Needless(place))),
        );
    }
    found.extend(of_all.into_iter().map(|violation| (all, violation)));
    found
}

/// What all GPUs hold at the end is what is wanted, and nothing else.
fn union(wanted: &[Wanted], ends: &[gpu::End], found: &mut Vec<Violation>) {
    let mut counts: Vec<u32> = vec![0; wanted.len()];
    for (at, end) in ends.iter().enumerate() {
        for (id, count) in &end.counts {
            let meant = wanted.iter().zip(&mut counts);
            let mut meant = meant.filter(|(one, _)| one.profiles.get(at) == Some(&Some(*id)));
            match meant.next() {
                Some((_, sum)) => *sum += count,
                None => found.push(Violation::EndCount {
                    profile: *id,
                    wanted: 0,
                    found: *count,
                }),
            }
        }
    }
    for (one, count) in wanted.iter().zip(counts) {
        if one.count != count {
            let profile = one.profiles.iter().flatten().next().copied();
            found.push(Violation::EndCount {
                profile: profile.unwrap_or(ProfileId(u32::MAX)),
                wanted: one.count,
                found: count,
            });
        }
    }
}

/// Instances that go from one GPU while one of the same name is made on it or on another, though nothing else lies
/// in their place at the end: to keep one and not to make the other would disturb less.
fn needless(
    subjects: &[Subject<'_>],
    wanted: &[Wanted],
    plan: &SplitPlan,
    ends: &[gpu::End],
) -> Vec<(usize, kerf_types::Placement)> {
    let mut out = Vec::new();
    let parts = subjects.iter().zip(&plan.gpus).zip(ends);
    for (at, ((subject, part), end)) in parts.enumerate() {
        for gone in part.destroy.iter().filter(|gone| gone.weight > 0) {
            let kind = wanted
                .iter()
                .find(|one| one.profiles.get(at) == Some(&Some(gone.profile)));
            let whole = gone.complete || gone.compute.is_empty();
            let Some(kind) = kind.filter(|_| whole) else {
                continue;
            };
            let elsewhere =
                plan.gpus
                    .iter()
                    .zip(&kind.profiles)
                    .enumerate()
                    .any(|(other, (part, id))| {
                        let mut made = part.create.iter();
                        other != at && made.any(|one| Some(one.profile) == *id)
                    });
            let (id, place) = (gone.profile, gone.placement);
            // The same on its own GPU: it could be kept instead of one that is made there.
            let mut alike = part.create.iter().filter(|made| made.profile == id);
            let instead = alike.any(|made| {
                let mut room = end.room.clone();
                room.take_away(subject, id, made.placement);
                room.takes(subject, id, place)
            });
            if instead || (elsewhere && end.room.takes(subject, id, place)) {
                out.push((at, place));
            }
        }
    }
    out
}

/// How many of each profile.
type Counts = BTreeMap<ProfileId, u32>;
