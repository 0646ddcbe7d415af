//! All hosts start within a few seconds; then it is quiet; then records change.

use kerf_membership::Faults;

use super::{HEADERS, Run};
use crate::world::SECOND;

/// Seconds over which the quiet is measured.
const QUIET_S: u64 = 20;

pub(super) fn run<F: Faults>(run: &mut Run<F>) {
    run.gather();
    run.fleet.run_for(15 * SECOND);
    run.fleet.watch.take_meter();
    run.fleet.run_for(QUIET_S * SECOND);
    let (bytes, datagrams) = run.fleet.watch.take_meter();
    let share = run.fleet.world.len() as u64 * QUIET_S;
    run.idle_bytes = Some((bytes / share, (bytes + datagrams * HEADERS) / share));
    run.publish_some();
    run.fleet.must_converge(0);
}
