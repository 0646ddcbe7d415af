//! Some hosts cannot hear others; then the fleet is cut in two, and healed.

use kerf_membership::Faults;

use super::{PATIENCE, Run};
use crate::world::SECOND;

/// How long the fleet is cut: long enough for each half to hold the other for dead.
const CUT_S: u64 = 30;

pub(super) fn run<F: Faults>(run: &mut Run<F>) {
    run.gather();
    run.fleet.run_for(20 * SECOND);
    one_way(run);
    run.fleet.watch.excused_until = u64::MAX;
    run.fleet
        .world
        .truth
        .network
        .split(|host| u32::from(host % 2 == 1));
    run.fleet.run_for(5 * SECOND);
    for host in 0..run.fleet.world.len().min(10) {
        run.fleet.publish(host, false);
    }
    run.fleet.run_for((CUT_S - 5) * SECOND);
    run.fleet.world.truth.network.heal();
    run.converged = run.fleet.must_converge(PATIENCE);
    run.fleet.watch.excused_until = run.fleet.world.truth.now;
    run.fleet.run_for(20 * SECOND);
    run.publish_some();
    run.fleet.must_converge(0);
}

/// Every host is deaf to one other, its neighbour. Nobody may be called dead for that: others hear both.
fn one_way<F: Faults>(run: &mut Run<F>) {
    let hosts = run.fleet.world.len();
    if hosts < 5 {
        return;
    }
    for host in 0..hosts {
        let network = &mut run.fleet.world.truth.network;
        network.deafen(host, (host + 1) % hosts);
    }
    run.fleet.run_for(20 * SECOND);
    run.fleet.world.truth.network.heal();
    run.fleet.must_converge(10 * SECOND);
}
