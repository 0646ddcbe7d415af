//! Hosts die at once, and are started again.

use kerf_membership::Faults;

use super::{PATIENCE, Run, SEEDS};
use crate::world::SECOND;

/// Hosts that die.
const DEATHS: usize = 5;

pub(super) fn run<F: Faults>(run: &mut Run<F>) {
    run.gather();
    run.fleet.run_for(20 * SECOND);
    let mut dead = Vec::new();
    while dead.len() < DEATHS.min(run.fleet.world.len() / 2) {
        if let Some(host) = run.fleet.any_running() {
            run.fleet.crash(host);
            dead.push(host);
        }
        run.fleet.run_for(SECOND / 3);
    }
    run.fleet.must_converge(30 * SECOND);
    let survivors = run.fleet.world.len() - dead.len();
    let seen = run.fleet.watch.deaths_seen.len();
    // Each death is seen by all that outlived it; the last ones outlived nobody who still could tell.
    if seen < survivors * dead.len() {
        let now = run.fleet.world.truth.now;
        let what = format!("{seen} sightings of {} deaths by {survivors}", dead.len());
        run.fleet.watch.violate(now, what);
    }
    for host in dead {
        run.fleet.start(host, &SEEDS);
    }
    run.converged = run.fleet.must_converge(PATIENCE);
}
