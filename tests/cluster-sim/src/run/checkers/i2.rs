//! I2: fences grow on every host, also over a lost store, and no container comes with another lease than its own.

use std::collections::BTreeMap;

use kerf_types::peer::Tag;
use kerf_types::{Fence, LeaseId};

use super::{Checker, Found};
use crate::run::facts::Fact;
use crate::world::{HostIndex, Micros};

/// The fences of each host.
#[derive(Debug, Default)]
pub struct Fences {
    highest: BTreeMap<HostIndex, Fence>,
    live: BTreeMap<(HostIndex, LeaseId), (Tag, Fence)>,
}

impl Checker for Fences {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        match fact {
            Fact::Granted {
                host, tag, grant, ..
            } => {
                let before = self.highest.insert(*host, grant.fence);
                if before.is_some_and(|before| before >= grant.fence) {
                    let what = format!("h{host} gives fence {} after {before:?}", grant.fence.0);
                    found.add("I2", what);
                }
                self.live.insert((*host, grant.lease), (*tag, grant.fence));
            }
            Fact::Released { host, grant } => {
                self.live.remove(&(*host, grant.lease));
            }
            Fact::Started {
                host, tag, grant, ..
            } => {
                let lease = self.live.get(&(*host, grant.lease));
                if lease != Some(&(*tag, grant.fence)) {
                    let what = format!("{tag} starts on h{host} with a lease that is {lease:?}");
                    found.add("I2", what);
                }
            }
            _ => {}
        }
    }
}
