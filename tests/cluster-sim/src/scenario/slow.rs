//! One host in twenty is ill: it loses nearly all that is sent to it, or stands still most of the time, while it
//! can speak. Whoever is well must not be called dead for that, neither by the ill nor by those who hear them.

use kerf_membership::Faults;

use super::{PATIENCE, Run};
use crate::world::{HostIndex, SECOND};

/// How long the illness lasts.
const ILL_S: u64 = 120;

/// Datagrams to an ill host that are lost, in a thousand: one host each, in turn.
const DEAFNESS: [u64; 3] = [1_000, 900, 700];

pub(super) fn run<F: Faults>(run: &mut Run<F>) {
    run.gather();
    run.fleet.run_for(20 * SECOND);
    let hosts = run.fleet.world.len();
    // Apart from the seeds, by which the ill come back.
    let ill: Vec<HostIndex> = (0..(hosts / 20).max(1))
        .map(|n| hosts - 1 - n * 7 % hosts)
        .collect();
    for (number, host) in ill.iter().enumerate() {
        if let Some(lost) = DEAFNESS.get(number % 5) {
            run.fleet.world.muffle(*host, *lost);
        }
    }
    for second in 0..ILL_S {
        for (number, host) in ill.iter().enumerate() {
            // Two of five stand still: 700 ms in each second, or 4 s in each five.
            match number % 5 {
                3 => run.fleet.world.pause(*host, SECOND * 7 / 10),
                4 if second % 5 == 0 => run.fleet.world.pause(*host, 4 * SECOND),
                _ => {}
            }
        }
        run.fleet.run_for(SECOND);
    }
    for host in ill {
        run.fleet.world.muffle(host, 0);
    }
    run.converged = run.fleet.must_converge(PATIENCE);
}
