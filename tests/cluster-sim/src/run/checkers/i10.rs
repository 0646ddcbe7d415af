//! I10: views converge: at the end every host knows who is there, and the newest record of each.

use kerf_scheduler::Liveness;

use super::{Checker, Found};
use crate::run::engine::World;
use crate::run::facts::Fact;
use crate::world::{Micros, SECOND};

/// A record that is younger may be on its way.
const ON_ITS_WAY: Micros = 10 * SECOND;

/// Looks at the end alone.
#[derive(Debug)]
pub struct Views;

impl Checker for Views {
    fn see(&mut self, _now: Micros, _fact: &Fact<'_>, _found: &mut Found) {}

    fn look(&mut self, world: &World, last: bool, found: &mut Found) {
        if !last {
            return;
        }
        for host in &world.hosts {
            let Some(kerfd) = &host.kerfd else { continue };
            for other in world.hosts.iter().filter(|other| other.index != host.index) {
                let (here, there) = (host.index, other.index);
                let liveness = kerfd.core.fleet().liveness(other.id);
                let Some(peer) = &other.kerfd else {
                    if kerfd.core.fleet().get(other.id).is_some() && liveness == Liveness::Alive {
                        found.add("I10", format!("h{here} holds h{there} for alive"));
                    }
                    continue;
                };
                if liveness != Liveness::Alive {
                    found.add("I10", format!("h{here} holds h{there} for {liveness:?}"));
                }
                let known = kerfd.core.fleet().get(other.id);
                let known = known.map(|known| known.model.record().version);
                let settled = peer.told_at + ON_ITS_WAY < world.now;
                let told = peer.record.as_ref().map(|record| record.version);
                if settled && known != told {
                    let what = format!("h{here} knows {known:?} of h{there}, which told {told:?}");
                    found.add("I10", what);
                }
            }
        }
    }
}
