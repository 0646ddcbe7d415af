//! I5: after faults stop, every promise of devices that no container has ends within a bound.

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
    since: BTreeMap<(HostIndex, LeaseId), Micros>,
    /// The same for what a store says of a member that is promised and does not run.
    rows: BTreeMap<(HostIndex, Tag), Micros>,
}

impl Checker for Promises {
    fn see(&mut self, now: Micros, fact: &Fact<'_>, _found: &mut Found) {
        match fact {
            Fact::Granted { host, grant, .. } => {
                self.since.insert((*host, grant.lease), now);
            }
            Fact::Released { host, grant } => {
                self.since.remove(&(*host, grant.lease));
            }
            _ => {}
        }
    }

    fn look(&mut self, world: &World, _last: bool, found: &mut Found) {
        let heal = world.shape.heal;
        if world.now < heal {
            return;
        }
        for ((host, lease), since) in &mut self.since {
            let one = &world.hosts[*host];
            let held = one.leases.get(lease);
            if held.is_some_and(|held| one.has_container(held.grant)) || one.gone {
                // What follows the end of its container is counted from here.
                *since = world.now;
            }
            let age = world.now.saturating_sub((*since).max(heal));
            if age > world.shape.promise {
                let tag = held.map(|held| held.tag);
                let what = format!("h{host} holds {lease} for {tag:?}, which never ends");
                found.add("I5", what);
                *since = world.shape.end;
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
                let mut since = self.rows.get(&key).copied().unwrap_or(world.now);
                if world.now.saturating_sub(since) > world.shape.promise {
                    let what = format!("h{} holds {tag} as {:?} for ever", host.index, row.phase);
                    found.add("I5", what);
                    since = world.shape.end;
                }
                rows.insert(key, since);
            }
        }
        self.rows = rows;
    }
}
