//! I13: a job that waits has a true reason: no host is named full where its owner would say yes, and none is held for
//! down that is there.

use std::collections::BTreeMap;

use kerf_scheduler::{Refusal, Verdict};
use kerf_types::JobId;
use kerf_types::peer::MemberAsk;

use super::{Checker, Found};
use crate::run::engine::World;
use crate::run::facts::Fact;
use crate::run::{oracle, promise};
use crate::world::{HostIndex, Micros, SECOND};

/// A reason may be as old as a job's longest pause, and a record on its way.
const OLD: Micros = 12 * SECOND;

/// Since when each reason is not true.
#[derive(Debug, Default)]
pub struct Reasons {
    untrue: BTreeMap<(JobId, HostIndex), Micros>,
}

impl Checker for Reasons {
    fn see(&mut self, _now: Micros, _fact: &Fact<'_>, _found: &mut Found) {}

    fn look(&mut self, world: &World, _last: bool, found: &mut Found) {
        if world.now < world.shape.heal {
            return;
        }
        let mut untrue = BTreeMap::new();
        for (id, job) in &world.jobs.all {
            if job.ended.is_some() || job.accepted.is_none() {
                continue;
            }
            let host = promise::coordinator(world, *id).map_or(job.host, |(host, _)| host);
            let kerfd = world.hosts[host].kerfd.as_ref();
            let report = kerfd.and_then(|kerfd| kerfd.core.report(*id));
            let explanation = report.and_then(|report| report.explanation.as_ref());
            let Some(explanation) = explanation.filter(|one| one.unplaced.is_some()) else {
                continue;
            };
            // Later members do not get what the first ones take; of the first one a reason is the whole truth.
            let first = explanation.unplaced.is_some_and(|(member, _)| member == 0);
            let ask = MemberAsk::of(&job.spec);
            for (host, (_, verdict)) in &explanation.hosts {
                let Some(place) = world.places.get(host).copied() else {
                    continue;
                };
                let there = world.hosts[place].kerfd.is_some();
                let is_true = match verdict {
                    Verdict::Refused(refusal) => match refusal.as_ref() {
                        Refusal::Down => !there,
                        Refusal::NoRoom(_) | Refusal::Impossible(_) | Refusal::Health { .. } => {
                            !first || !there || !oracle::one_fits(world, place, &ask)
                        }
                        _ => true,
                    },
                    Verdict::Chosen { .. } | Verdict::Feasible(_) => true,
                };
                if is_true {
                    continue;
                }
                let key = (*id, place);
                let since = self.untrue.get(&key).copied().unwrap_or(world.now);
                if world.now.saturating_sub(since) > OLD {
                    found.add(
                        "I13",
                        format!("{id} waits, and it is not true of h{place}: {verdict:?}"),
                    );
                    untrue.insert(key, world.shape.end);
                } else {
                    untrue.insert(key, since);
                }
            }
        }
        self.untrue = untrue;
    }
}
