//! One GPU's part of a plan, replayed: what goes first, then what comes, in the order of the plan.

use std::collections::BTreeSet;

use kerf_types::GiId;

use super::room::{Room, profile};
use super::{Counts, Subject, Violation};
use crate::gpu::{Existing, GpuPlan};

/// A GPU when its part is done.
pub(super) struct End {
    /// How many of each profile.
    pub counts: Counts,
    /// What is taken.
    pub room: Room,
}

/// A GPU while its part is done.
pub(super) struct Replay<'a> {
    subject: &'a Subject<'a>,
    room: Room,
    cost: u64,
    found: Vec<Violation>,
}

impl<'a> Replay<'a> {
    pub fn new(subject: &'a Subject<'a>) -> Self {
        let mut room = Room::new(subject);
        for live in subject.current {
            room.put(subject, live.profile, live.placement);
        }
        Self {
            subject,
            room,
            cost: 0,
            found: Vec::new(),
        }
    }

    /// Does what the plan says.
    pub fn run(&mut self, plan: &GpuPlan) {
        self.account(plan);
        for gone in &plan.destroy {
            if gone.pinned || self.is_pinned(gone.gi) {
                let place = gone.placement;
                self.found.push(Violation::Pinned { step: 0, place });
            }
            self.cost = self.cost.saturating_add(gone.weight);
            self.room
                .take_away(self.subject, gone.profile, gone.placement);
        }
        for kept in &plan.keep {
            let one = &kept.instance;
            let full =
                profile(self.subject, one.profile).and_then(|known| known.full_compute_profile);
            match kept.mend {
                Some(_) if one.pinned || self.is_pinned(one.gi) => {
                    let place = one.placement;
                    self.found.push(Violation::Pinned { step: 0, place });
                }
                Some(mend) if one.complete || full != Some(mend) => {
                    self.found.push(Violation::WrongCompute {
                        step: 0,
                        profile: mend,
                    });
                }
                Some(_) if !one.compute.is_empty() => {
                    self.cost = self.cost.saturating_add(one.weight);
                }
                None if !one.complete && !one.pinned => {
                    self.found.push(Violation::EndIncomplete(one.placement));
                }
                Some(_) | None => {}
            }
        }
        for (step, made) in plan.create.iter().enumerate() {
            self.create(step, made);
        }
    }

    fn create(&mut self, step: usize, made: &crate::gpu::Creation) {
        let (id, place) = (made.profile, made.placement);
        let Some(known) = profile(self.subject, id) else {
            return self
                .found
                .push(Violation::UnknownProfile { step, profile: id });
        };
        if !known.placements.contains(&place) {
            let profile = id;
            self.found.push(Violation::IllegalPlace {
                step,
                profile,
                place,
            });
        }
        if let Some(unit) = self.room.first_taken(place) {
            self.found.push(Violation::Overlap { step, unit });
        }
        if !self.room.has_count(known) {
            let (profile, most) = (id, known.max_count);
            self.found.push(Violation::TooMany {
                step,
                profile,
                most,
            });
        }
        if !self.room.has_engines(known) {
            self.found.push(Violation::Engines { step });
        }
        if known.full_compute_profile != Some(made.compute_profile) {
            let profile = made.compute_profile;
            self.found.push(Violation::WrongCompute { step, profile });
        }
        self.room.put(self.subject, id, place);
    }

    /// Every instance that lives stays or goes, once, and is what the plan says it is.
    fn account(&mut self, plan: &GpuPlan) {
        let kept = plan.keep.iter().map(|kept| &kept.instance);
        let named: Vec<&Existing> = kept.chain(&plan.destroy).collect();
        let ids: BTreeSet<GiId> = named.iter().map(|one| one.gi).collect();
        let live = self.subject.current;
        let is_true = |one: &&Existing| live.iter().any(|live| live == *one);
        if ids.len() != named.len() || named.len() != live.len() || !named.iter().all(is_true) {
            self.found.push(Violation::Claim("an instance that lives"));
        }
    }

    fn is_pinned(&self, gi: GiId) -> bool {
        let mut live = self.subject.current.iter();
        live.any(|one| one.gi == gi && one.pinned)
    }

    /// The end, what was disturbed, and what is wrong.
    pub fn finish(mut self, plan: &GpuPlan, target: &Counts) -> (End, u64, Vec<Violation>) {
        let counts = self.room.counts.clone();
        let claims = [
            (counts == *target, "the target"),
            // Whole instances alone are split.
            (plan.divide.is_empty(), "what is divided"),
            (plan.cost == self.cost, "its cost"),
            (
                plan.lower_bound <= plan.cost && plan.proof == (plan.lower_bound == plan.cost),
                "its bound",
            ),
        ];
        let broken = claims.iter().filter(|(holds, _)| !holds);
        self.found
            .extend(broken.map(|(_, what)| Violation::Claim(what)));
        let end = End {
            counts,
            room: self.room,
        };
        (end, self.cost, self.found)
    }
}
