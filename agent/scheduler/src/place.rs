//! Which host each member of a job gets: hard filters, a sample of feasible hosts, the best score.
//!
//! Pure: a function of the fleet as it is known, the job and a seeded generator. Members are placed one after
//! the other on scratch copies of the hosts, so that they can share one or keep off each other. It reserves
//! nothing: the owner decides.

mod ranks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kerf_planner::{Options, Pick};
use kerf_types::host_record::RecordVersion;
use kerf_types::job::{Communication, JobSpec};
use kerf_types::peer::MemberAsk;
use kerf_types::{HostId, Moment};

use crate::effect::{Effect, Outcome, effect};
use crate::explain::{Explanation, Verdict};
use crate::filter::{Refusal, has_amounts, is_own, is_there, is_wanted};
use crate::fleet::Fleet;
use crate::model::{As, HostModel};
use crate::rng::Rng;
use crate::score::{Facts, Score};

/// Feasible hosts that are scored for a member. Measured on a public trace, more gain nothing that can be told
/// from noise, and each costs a planner run.
pub const SAMPLE: usize = 32;

/// What is to be placed, as seen from where.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The job.
    pub spec: &'a JobSpec,
    /// The host that asks: the nearest among equals.
    pub local: HostId,
    /// The time.
    pub now: Moment,
    /// Records that are older are not believed.
    pub stale_after: Duration,
    /// Hosts that said no a moment ago.
    pub avoid: &'a BTreeMap<HostId, SaidNo>,
    /// What is reserved already and not in the records yet.
    pub claims: &'a [Claim],
}

/// What a host has said that did not take a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidNo {
    /// When.
    pub when: Moment,
    /// Why.
    pub reason: String,
    /// The record that it was true of; a newer one may tell of room. `None` where no record tells whether it would
    /// say yes now: it did not answer, or could not start what it had promised.
    pub seen: Option<RecordVersion>,
}

/// Something that was asked of a host and cannot yet be seen in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The host.
    pub host: HostId,
    /// What was asked.
    pub ask: MemberAsk,
    /// What the planner expected the owner to choose.
    pub picks: Vec<Pick>,
    /// Labels of the job.
    pub labels: BTreeMap<String, String>,
}

/// Where the members go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// For each member its host and what the owner is expected to choose.
    pub members: Vec<(HostId, Vec<Pick>)>,
    /// What was said of every host.
    pub explanation: Explanation,
}

/// Places all members, or says of every host why it does not serve.
pub fn place(fleet: &mut Fleet, wish: &Wish<'_>, rng: &mut Rng) -> Result<Placement, Explanation> {
    let mut run = Run::new(fleet, wish);
    let count = wish.spec.members.max(1);
    let mut members: Vec<(HostId, Vec<Pick>)> = Vec::new();
    for member in 0..count {
        let Some((score, effect)) = run.best(member, &members, rng) else {
            return Err(run.explanation(Some((member, count))));
        };
        run.put(member, score, &effect);
        members.push((score.host, effect.picks.clone()));
    }
    ranks::neighbours(&mut members, &mut run.verdicts);
    Ok(Placement {
        members,
        explanation: run.explanation(None),
    })
}

/// What is said of one host: its score and what the member does to it, or the first filter that fails.
type Judged = Result<(Score, Arc<Effect>), Arc<Refusal>>;

/// One placement as it goes on.
struct Run<'a> {
    fleet: &'a mut Fleet,
    wish: &'a Wish<'a>,
    ask: MemberAsk,
    /// Hosts that differ from their record by what was put there.
    scratch: BTreeMap<HostId, HostModel>,
    verdicts: BTreeMap<HostId, Verdict>,
    /// Whether a wish for neighbours that are members of this job is waived for the first.
    alone: bool,
}

impl<'a> Run<'a> {
    fn new(fleet: &'a mut Fleet, wish: &'a Wish<'a>) -> Self {
        let mut run = Self {
            fleet,
            wish,
            ask: MemberAsk::of(wish.spec),
            scratch: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            alone: false,
        };
        for claim in wish.claims {
            if let Some(model) = run.scratch_of(claim.host) {
                model.take(&claim.ask, &claim.picks, "a job that is being placed");
                model.take_labels(claim.labels.iter());
            }
        }
        run.alone = run.nobody_like_it();
        run
    }

    /// Whether the job wants to be next to its like, and there is none anywhere.
    fn nobody_like_it(&self) -> bool {
        let spec = self.wish.spec;
        let own = spec.affinity.jobs.iter().any(|one| is_own(one, spec));
        own && self
            .fleet
            .iter()
            .all(|(_, host)| is_wanted(&host.model, &only_jobs(spec), false).is_err())
    }

    fn scratch_of(&mut self, id: HostId) -> Option<&mut HostModel> {
        let host = self.fleet.get(id)?;
        let model = &host.model;
        Some(
            self.scratch
                .entry(id)
                .or_insert_with(|| HostModel::clone(model)),
        )
    }

    fn model(&self, id: HostId) -> Option<Arc<HostModel>> {
        self.fleet.get(id).map(|host| Arc::clone(&host.model))
    }

    /// The best of a sample of feasible hosts. Hosts of members that are placed and the local one are always
    /// in it; the others in random order, so that many submitting hosts do not all choose the same.
    fn best(
        &mut self,
        member: u32,
        placed: &[(HostId, Vec<Pick>)],
        rng: &mut Rng,
    ) -> Option<(Score, Arc<Effect>)> {
        self.verdicts
            .retain(|_, verdict| matches!(verdict, Verdict::Chosen { .. }));
        let mut first: Vec<HostId> = placed.iter().map(|(host, _)| *host).collect();
        first.push(self.wish.local);
        first.sort_unstable();
        first.dedup();
        let mut rest: Vec<HostId> = self.fleet.iter().map(|(id, _)| id).collect();
        let mut best: Option<(Score, Arc<Effect>)> = None;
        let mut feasible = 0;
        let mut left = rest.len();
        let mut next_first = first.iter().copied();
        while feasible < SAMPLE {
            let host = match next_first.next() {
                Some(host) => host,
                None if left == 0 => break,
                None => {
                    // A random order, made only as far as it is needed (Fisher and Yates).
                    let at = rng.index(left);
                    left -= 1;
                    rest.swap(at, left);
                    match rest.get(left) {
                        Some(host) if !first.contains(host) => *host,
                        _ => continue,
                    }
                }
            };
            match self.judge(host, member, placed) {
                Some(Ok((score, effect))) => {
                    feasible += 1;
                    self.note(host, Verdict::Feasible(score));
                    if best.as_ref().is_none_or(|(known, _)| score < *known) {
                        best = Some((score, effect));
                    }
                }
                Some(Err(refusal)) => self.note(host, Verdict::Refused(refusal)),
                None => {}
            }
        }
        best
    }

    fn note(&mut self, host: HostId, verdict: Verdict) {
        match (self.verdicts.get_mut(&host), verdict) {
            (Some(Verdict::Chosen { full, .. }), Verdict::Refused(refusal)) => {
                *full = Some(refusal)
            }
            (Some(Verdict::Chosen { .. }), _) => {}
            (_, verdict) => {
                self.verdicts.insert(host, verdict);
            }
        }
    }

    /// One host through the filters, in their order; `None` where it is not known.
    fn judge(&mut self, id: HostId, member: u32, placed: &[(HostId, Vec<Pick>)]) -> Option<Judged> {
        let host = self.fleet.get(id)?;
        let (spec, now) = (self.wish.spec, self.wish.now);
        let age = if id == self.wish.local {
            Duration::ZERO
        } else {
            now.since(host.heard)
        };
        if let Err(refusal) = is_there(host, age, self.wish.stale_after) {
            return Some(Err(Arc::new(refusal)));
        }
        if spec.terminal && id != self.wish.local {
            return Some(Err(Arc::new(Refusal::Terminal)));
        }
        let model = Arc::clone(&host.model);
        let scratch = self.scratch.get(&id);
        let current = scratch.unwrap_or(&model);
        let alone = self.alone && placed.is_empty();
        if let Err(refusal) = is_wanted(current, spec, alone) {
            return Some(Err(Arc::new(refusal)));
        }
        let amounts = has_amounts(current, spec);
        let outcome = match (&spec.accelerator, scratch) {
            (None, _) => Ok(Arc::new(nothing(current))),
            (Some(ask), Some(scratch)) => effect(scratch, ask),
            (Some(ask), None) => self.fleet.outcome(id, ask)?,
        };
        let effect = match in_order(outcome, amounts) {
            Ok(effect) => effect,
            Err(refusal) => return Some(Err(refusal)),
        };
        if let Some(said) = self.wish.avoid.get(&id) {
            let (ago, reason) = (now.since(said.when), said.reason.clone());
            return Some(Err(Arc::new(Refusal::SaidNo { ago, reason })));
        }
        let apart = self.apart(id, member, placed, &effect);
        let record = model.record();
        let facts = Facts {
            load_per_mille: record.load_per_mille,
            price_milli_per_hour: record.price_milli_per_hour,
            remote: id != self.wish.local,
            host: id,
        };
        Some(Ok((Score::new(apart, &effect, facts), effect)))
    }

    /// Members that would not be on this host, by how the job communicates.
    fn apart(
        &self,
        id: HostId,
        member: u32,
        placed: &[(HostId, Vec<Pick>)],
        effect: &Effect,
    ) -> u32 {
        let elsewhere = |placed: &[(HostId, Vec<Pick>)]| {
            let others = placed.iter().filter(|(host, _)| *host != id);
            u32::try_from(others.count()).unwrap_or(u32::MAX)
        };
        let more = self
            .wish
            .spec
            .members
            .saturating_sub(member)
            .saturating_sub(1);
        match self.wish.spec.communication {
            Communication::None => 0,
            Communication::AllReduce | Communication::AllToAll => elsewhere(placed)
                .saturating_add(more.saturating_sub(self.fitting(id, effect, more))),
            // Only the neighbours in the chain count.
            Communication::Pipeline => {
                let last = placed
                    .split_last()
                    .map_or(0, |(last, _)| elsewhere(std::slice::from_ref(last)));
                let next = more.min(1);
                last.saturating_add(next - self.fitting(id, effect, next).min(next))
            }
        }
    }

    /// How many more members this host could hold after this one.
    fn fitting(&self, id: HostId, first: &Effect, most: u32) -> u32 {
        let Some(model) = self.model(id).filter(|_| most > 0) else {
            return 0;
        };
        let mut copy = self
            .scratch
            .get(&id)
            .cloned()
            .unwrap_or_else(|| HostModel::clone(&model));
        copy.take(&self.ask, &first.picks, "this job");
        copy.take_labels(self.wish.spec.labels.iter());
        for count in 0..most {
            if has_amounts(&copy, self.wish.spec).is_err()
                || is_wanted(&copy, self.wish.spec, false).is_err()
            {
                return count;
            }
            let Some(ask) = &self.wish.spec.accelerator else {
                copy.take(&self.ask, &[], "this job");
                continue;
            };
            match copy.choose(ask, As::Now) {
                Ok(choice) => copy.take(&self.ask, &choice.picks, "this job"),
                Err(_) => return count,
            }
        }
        most
    }

    fn put(&mut self, member: u32, score: Score, effect: &Effect) {
        let (ask, spec) = (self.ask.clone(), self.wish.spec);
        if let Some(model) = self.scratch_of(score.host) {
            model.take(&ask, &effect.picks, "this job");
            model.take_labels(spec.labels.iter());
        }
        let before = self.verdicts.remove(&score.host);
        let mut members = match before {
            Some(Verdict::Chosen { members, .. }) => members,
            _ => Vec::new(),
        };
        members.push(member);
        let verdict = Verdict::Chosen {
            members,
            score,
            full: None,
        };
        self.verdicts.insert(score.host, verdict);
    }

    fn explanation(self, unplaced: Option<(u32, u32)>) -> Explanation {
        let fleet = &*self.fleet;
        let named = |(id, verdict)| {
            let name = fleet.get(id)?.model.record().name.clone();
            Some((id, (name, verdict)))
        };
        let hosts: BTreeMap<_, _> = self.verdicts.into_iter().filter_map(named).collect();
        Explanation {
            unplaced,
            not_sampled: fleet.len().saturating_sub(hosts.len()),
            hosts,
        }
    }
}

/// The first refusal in the order of the filters: impossible, amounts, health, room.
fn in_order(outcome: Outcome, amounts: Result<(), Refusal>) -> Outcome {
    let never = |refusal: &Arc<Refusal>| matches!(**refusal, Refusal::Impossible(_));
    match (outcome, amounts) {
        (Err(refusal), Err(_)) if never(&refusal) => Err(refusal),
        (_, Err(refusal)) => Err(Arc::new(refusal)),
        (outcome, Ok(())) => outcome,
    }
}

/// A job without accelerators changes nothing that the planner counts.
fn nothing(model: &HostModel) -> Effect {
    Effect {
        picks: Vec::new(),
        mode_changes: 0,
        cuts: 0,
        lost: Options::default(),
        whole_gpus_left: model.whole_gpus(),
        numa_nodes: 0,
    }
}

/// The job's wish for neighbours alone.
fn only_jobs(spec: &JobSpec) -> JobSpec {
    let mut only = JobSpec::default();
    only.affinity.jobs.clone_from(&spec.affinity.jobs);
    only
}
