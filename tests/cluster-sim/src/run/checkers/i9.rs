//! I9: once all is well, every feasible job starts, and none hangs: what must end is said in `promise`.

use std::collections::BTreeMap;

use kerf_types::JobId;

use super::{Checker, Found};
use crate::run::engine::World;
use crate::run::facts::Fact;
use crate::run::{oracle, promise};
use crate::world::Micros;

/// Since when nothing stands in the way of each job, and nothing of it runs.
#[derive(Debug, Default)]
pub struct Progress {
    idle: BTreeMap<JobId, Micros>,
}

impl Checker for Progress {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, _found: &mut Found) {
        // A job that runs is not idle.
        if let Fact::Started { tag, .. } = fact {
            self.idle.remove(&tag.job);
        }
    }

    fn look(&mut self, world: &World, _last: bool, found: &mut Found) {
        if world.now < world.shape.heal {
            return;
        }
        for (id, job) in &world.jobs.all {
            let must = job.accepted.is_some() && promise::must_end(world, *id, job);
            let lives = world
                .hosts
                .iter()
                .any(|host| host.containers.keys().any(|tag| tag.job == *id));
            if !must || lives || !oracle::fits(world, *id, job) {
                self.idle.remove(id);
                continue;
            }
            let since = *self.idle.entry(*id).or_insert(world.now);
            if world.now.saturating_sub(since) > world.shape.patience {
                found.add(
                    "I9",
                    format!(
                        "{id} could start and does not: {}",
                        word(world, *id, job.host)
                    ),
                );
                self.idle.insert(*id, world.shape.end);
            }
        }
        self.idle.retain(|id, _| world.jobs.all.contains_key(id));
    }
}

/// What the host says of it that coordinates it, or took it in.
fn word(world: &World, id: JobId, host: usize) -> String {
    let host = promise::coordinator(world, id).map_or(host, |(host, _)| host);
    let kerfd = world.hosts[host].kerfd.as_ref();
    let report = kerfd.and_then(|kerfd| kerfd.core.report(id));
    report.map_or_else(
        || "nothing is said of it".to_owned(),
        |report| format!("{} since {}", report.state.as_str(), report.reason),
    )
}
