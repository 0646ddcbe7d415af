//! Many datagrams are lost for a minute, others doubled or held up, while records change.

use kerf_membership::Faults;

use super::{PATIENCE, Run};
use crate::network::Weather;
use crate::world::SECOND;

pub(super) fn run<F: Faults>(run: &mut Run<F>, in_thousand: u64) {
    run.gather();
    run.fleet.run_for(20 * SECOND);
    run.fleet.watch.downs_are_violations = false;
    run.fleet.world.truth.network.weather = Weather::rough(in_thousand);
    run.fleet.run_for(45 * SECOND);
    run.publish_some();
    run.fleet.world.truth.network.weather = Weather::FAIR;
    run.converged = run.fleet.must_converge(PATIENCE);
}
