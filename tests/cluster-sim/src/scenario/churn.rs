//! Hosts die, start, leave, pause and publish, with a fiftieth of all datagrams lost; then it calms down.

use kerf_membership::Faults;
use rand::Rng;

use super::{PATIENCE, Run, SEEDS};
use crate::network::Weather;
use crate::world::{HostIndex, SECOND};

/// Things that happen.
const EVENTS: u64 = 120;

pub(super) fn run<F: Faults>(run: &mut Run<F>) {
    run.gather();
    run.fleet.run_for(20 * SECOND);
    run.fleet.watch.downs_are_violations = false;
    run.fleet.world.truth.network.weather = Weather::rough(20);
    for _ in 0..EVENTS {
        let choice = run.fleet.rng.next_u64() % 10;
        let Some(host) = run.fleet.any_running() else {
            break;
        };
        let few = (0..run.fleet.world.len())
            .filter(|h| run.fleet.world.truth.runs(*h))
            .count()
            <= run.fleet.world.len() / 2;
        match choice {
            0 if !few => run.fleet.crash(host),
            1 if !few => run.fleet.leave(host),
            2 => restart_at_once(run, host),
            3 => run.fleet.world.pause(host, 3 * SECOND),
            4 => run.fleet.world.pause(host, 20 * SECOND),
            5 | 6 => start_a_dead_one(run),
            _ => run.fleet.publish(host, false),
        }
        run.fleet.run_for(SECOND / 2);
    }
    run.fleet.world.truth.network.weather = Weather::FAIR;
    while (0..run.fleet.world.len()).any(|host| !run.fleet.world.truth.runs(host)) {
        start_a_dead_one(run);
    }
    // Whoever is paused wakes up within this time.
    run.fleet.run_for(20 * SECOND);
    run.converged = run.fleet.must_converge(PATIENCE);
}

/// A restart that is over before anybody misses the host.
fn restart_at_once<F: Faults>(run: &mut Run<F>, host: HostIndex) {
    run.fleet.crash(host);
    run.fleet.start(host, &SEEDS);
}

fn start_a_dead_one<F: Faults>(run: &mut Run<F>) {
    let dead = (0..run.fleet.world.len()).find(|host| !run.fleet.world.truth.runs(*host));
    if let Some(host) = dead {
        run.fleet.start(host, &SEEDS);
    }
}
