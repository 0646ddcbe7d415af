//! I5: after faults stop, every promise of devices that no container has ends within a bound.
//!
//! There are two bounds, as the protocol has two. A promise of an attempt that asks all its hosts at once ends soon. One of
//! an attempt that asks them in order, of a job whose turn that is, waits in line on the next host: it may last as long as
//! such an attempt may, and then as long as any.

use std::collections::BTreeMap;

use kerf_scheduler::core::MemberPhase;
use kerf_types::LeaseId;
use kerf_types::peer::Tag;

use super::{Checker, Found};
use crate::run::engine::World;
use crate::run::facts::Fact;
use crate::world::{HostIndex, Micros};

/// Since when each promise is known.
#[derive(Debug, Default)]
pub struct Promises {
    leases: BTreeMap<(HostIndex, LeaseId), Age>,
    /// The same for what a store says of a member that is promised and does not run.
    rows: BTreeMap<(HostIndex, Tag), Age>,
}

/// Since when something is promised.
#[derive(Debug, Clone, Copy)]
struct Age {
    /// At all.
    first: Micros,
    /// Without an attempt that gathers.
    idle: Micros,
}

impl Age {
    fn new(at: Micros) -> Self {
        Self {
            first: at,
            idle: at,
        }
    }

    /// Whether it is too old for one of this member. It is told once.
    fn is_over(&mut self, world: &World, tag: Option<Tag>) -> bool {
        if tag.is_some_and(|tag| gathers(world, tag)) {
            self.idle = world.now;
        }
        let shape = &world.shape;
        let age = |since: Micros| world.now.saturating_sub(since.max(shape.heal));
        let wait = Micros::try_from(shape.settings.ordered_wait.as_micros()).unwrap_or(Micros::MAX);
        let most = shape.promise.saturating_add(wait);
        let over = age(self.idle) > shape.promise || age(self.first) > most;
        if over {
            *self = Self::new(shape.end);
        }
        over
    }
}

/// Whether a host lives that gathers for this attempt host by host.
fn gathers(world: &World, tag: Tag) -> bool {
    let mut living = world.hosts.iter().filter_map(|host| host.kerfd.as_ref());
    living.any(|kerfd| kerfd.core.asks_in_order(tag.job) == Some(tag.attempt))
}

impl Checker for Promises {
    fn see(&mut self, now: Micros, fact: &Fact<'_>, _found: &mut Found) {
        match fact {
            Fact::Granted { host, grant, .. } => {
                self.leases.insert((*host, grant.lease), Age::new(now));
            }
            Fact::Released { host, grant } => {
                self.leases.remove(&(*host, grant.lease));
            }
            _ => {}
        }
    }

    fn look(&mut self, world: &World, _last: bool, found: &mut Found) {
        if world.now < world.shape.heal {
            return;
        }
        for ((host, lease), age) in &mut self.leases {
            let one = &world.hosts[*host];
            let held = one.leases.get(lease);
            if held.is_some_and(|held| one.has_container(held.grant)) || one.gone {
                // What follows the end of its container is counted from here.
                *age = Age::new(world.now);
            }
            let tag = held.map(|held| held.tag);
            if age.is_over(world, tag) {
                let what = format!("h{host} holds {lease} for {tag:?}, which never ends");
                found.add("I5", what);
            }
        }
        self.look_at_rows(world, found);
    }
}

impl Promises {
    fn look_at_rows(&mut self, world: &World, found: &mut Found) {
        let mut rows = BTreeMap::new();
        for host in world.hosts.iter().filter(|host| host.kerfd.is_some()) {
            for (tag, row) in &host.store.saved.members {
                let promised = match row.phase {
                    MemberPhase::Reserved | MemberPhase::Confirmed | MemberPhase::Releasing => true,
                    MemberPhase::Starting | MemberPhase::Running | MemberPhase::Ended(_) => false,
                };
                if !promised {
                    continue;
                }
                let key = (host.index, *tag);
                let known = self.rows.get(&key).copied();
                let mut age = known.unwrap_or_else(|| Age::new(world.now));
                if age.is_over(world, Some(*tag)) {
                    let what = format!("h{} holds {tag} as {:?} for ever", host.index, row.phase);
                    found.add("I5", what);
                }
                rows.insert(key, age);
            }
        }
        self.rows = rows;
    }
}
