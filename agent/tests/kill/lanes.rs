//! Work on as many lanes as the machine has CPUs, for each has a machine and a kerfd of its own.

use std::sync::Mutex;
use std::thread;

/// Lanes beyond this would wait for each other's disk.
const LANES: usize = 4;

/// Does each piece of work once; what came of it, in no order.
pub fn on_lanes<Work: Send, Done: Send>(
    all: impl Iterator<Item = Work> + Send,
    does: impl Fn(Work) -> Done + Sync,
) -> Vec<Done> {
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    let all = Mutex::new(all);
    // The lock is free again before the work begins.
    let next = || all.lock().expect("no panic").next();
    let lane = || {
        let mut done = Vec::new();
        while let Some(work) = next() {
            done.push(does(work));
        }
        done
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes.min(LANES)).map(|_| scope.spawn(lane)).collect();
        let ends = lanes.into_iter();
        ends.flat_map(|lane| lane.join().expect("no panic"))
            .collect()
    })
}
