//! What is done to a fleet: one file for each scenario, all from the same start.

mod churn;
mod crash;
mod join;
mod loss;
mod partition;
mod slow;

use kerf_membership::{Faults, NoFaults};

use crate::fleet::{Fleet, Setup};
use crate::report::{Percentiles, Report};
use crate::world::{HostIndex, Micros, SECOND};

/// How long a fleet may take to agree before it counts as never.
const PATIENCE: Micros = 120 * SECOND;

/// Hosts that everybody joins by.
const SEEDS: [HostIndex; 3] = [0, 1, 2];

/// IPv4 and UDP around each datagram.
pub(crate) const HEADERS: u64 = 28;

/// The scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// All hosts start within a few seconds; then it is quiet; then records change.
    Join,
    /// Hosts die at once, and are started again.
    Crash,
    /// Some hosts cannot hear others; then the fleet is cut in two, and healed.
    Partition,
    /// So many in a thousand datagrams are lost for a minute, others doubled or held up.
    Loss(u64),
    /// Hosts die, start, leave, pause and publish, with a fiftieth of all datagrams lost.
    Churn,
    /// One host in twenty hears next to nothing, or stands still most of the time.
    Slow,
}

impl Scenario {
    /// Runs it with the core as it is shipped.
    pub fn run(self, setup: Setup) -> Report {
        self.run_with::<NoFaults>(setup)
    }

    /// Runs it with a core that has these faults.
    pub fn run_with<F: Faults>(self, setup: Setup) -> Report {
        let mut run = Run::<F>::new(setup);
        match self {
            Self::Join => join::run(&mut run),
            Self::Crash => crash::run(&mut run),
            Self::Partition => partition::run(&mut run),
            Self::Loss(in_thousand) => loss::run(&mut run, in_thousand),
            Self::Churn => churn::run(&mut run),
            Self::Slow => slow::run(&mut run),
        }
        run.report()
    }
}

/// A fleet, and what is measured of it.
struct Run<F: Faults> {
    fleet: Fleet<F>,
    seed: u64,
    converged: Option<Micros>,
    idle_bytes: Option<(u64, u64)>,
    timed: u64,
}

impl<F: Faults> Run<F> {
    fn new(setup: Setup) -> Self {
        Self {
            seed: setup.seed,
            fleet: Fleet::new(setup),
            converged: None,
            idle_bytes: None,
            timed: 0,
        }
    }

    /// Starts all hosts, 200 in a second, and waits until they agree.
    fn gather(&mut self) {
        for host in 0..self.fleet.world.len() {
            self.fleet.start(host, &SEEDS);
            self.fleet.run_for(SECOND / 200);
        }
        self.converged = self.fleet.must_converge(PATIENCE);
    }

    /// Lets twenty hosts, or all of a small fleet, publish one after the other, and time passes for the last.
    fn publish_some(&mut self) {
        let hosts = self.fleet.world.len().min(20);
        for _ in 0..hosts {
            if let Some(host) = self.fleet.any_running() {
                self.fleet.publish(host, true);
                let others = (0..self.fleet.world.len())
                    .filter(|other| *other != host && self.fleet.world.truth.runs(*other));
                self.timed += others.count() as u64;
            }
            self.fleet.run_for(SECOND / 4);
        }
        self.fleet.run_for(10 * SECOND);
    }

    fn report(self) -> Report {
        let watch = &self.fleet.watch;
        Report {
            seed: self.seed,
            converged: self.converged,
            state: Percentiles::of(&watch.spread),
            state_missing: self.timed.saturating_sub(watch.spread.len() as u64),
            idle_bytes: self.idle_bytes,
            failure: Percentiles::of(&watch.deaths_seen),
            false_downs: watch.false_downs,
            largest: watch.largest,
            violations: watch.violations().to_vec(),
        }
    }
}
