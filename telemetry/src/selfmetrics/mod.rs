//! What kerfd counts and times about itself, in a registry of the `prometheus` crate.
//!
//! It owns the handles that kerfd's parts hold; the families are declared once in
//! [`crate::families::own`]. The values join a page when it is rendered, so they are as old as the page.
//! Label values are `&'static str`: a name that came from outside cannot become a label here.

use prometheus::{Histogram, IntCounter, Registry};

use crate::families::{Family, own};
use crate::page::Page;

mod build;
mod convert;

pub use build::{CounterBy, GaugeBy, HistogramBy};

/// The registry could not be made as the families are declared.
#[derive(Debug, thiserror::Error)]
pub enum SelfMetricsError {
    /// The registry refused a family.
    #[error("cannot register the metric family {family}")]
    Register {
        /// Its name.
        family: &'static str,
        /// Why.
        #[source]
        source: prometheus::Error,
    },
    /// The declared labels are not as many as the handle takes.
    #[error("the metric family {family} has {declared} labels, its handle takes {taken}")]
    LabelCount {
        /// Its name.
        family: &'static str,
        /// Labels in the declaration.
        declared: usize,
        /// Labels that the handle takes.
        taken: usize,
    },
}

/// Handles of kerfd's own counters and histograms; durations are observed in seconds.
#[derive(Debug)]
pub struct SelfMetrics {
    registry: Registry,
    /// Asks of containers that were granted.
    pub launch_grants: IntCounter,
    /// Asks of containers that were refused, by reason.
    pub launch_refusals: CounterBy<1>,
    /// Time from a container's ask to its answer.
    pub launch_duration: Histogram,
    /// Leases that ended, by cause.
    pub lease_releases: CounterBy<1>,
    /// Jobs that ended, by final state.
    pub job_ends: CounterBy<1>,
    /// Registers of jobs that an operator has forced.
    pub job_registers_forced: IntCounter,
    /// Members that are held for attempts of which nobody says how they were decided.
    pub members_in_doubt: GaugeBy<0>,
    /// Time to compute and check a plan.
    pub plan_duration: Histogram,
    /// Time to carry a plan out.
    pub apply_duration: Histogram,
    /// Steps of plans, by kind and outcome.
    pub apply_steps: CounterBy<2>,
    /// Decisions about jobs, by outcome.
    pub decisions: CounterBy<1>,
    /// Time to decide about one job.
    pub decision_duration: Histogram,
    /// Time of requests to driver workers, by request.
    pub driver_call_duration: HistogramBy<1>,
    /// Requests to driver workers that passed their deadline, by request.
    pub driver_timeouts: CounterBy<1>,
    /// Requests to driver workers that were answered with an error, by request.
    pub driver_errors: CounterBy<1>,
    /// Driver workers that were started.
    pub worker_starts: IntCounter,
    /// Readings of all GPUs, by outcome.
    pub samples: CounterBy<1>,
    /// Transactions that the store has committed.
    pub store_writes: IntCounter,
    /// Transactions that the store could not commit.
    pub store_write_errors: IntCounter,
    /// Time to commit a transaction.
    pub store_write_duration: Histogram,
    /// Runs of the reconcile loop, by outcome.
    pub reconcile_runs: CounterBy<1>,
    /// Time of a run of the reconcile loop.
    pub reconcile_duration: Histogram,
    /// gRPC calls, by method and status code.
    pub rpc_calls: CounterBy<2>,
    /// Time of gRPC calls, by method.
    pub rpc_duration: HistogramBy<1>,
    /// Other hosts of the fleet, by state.
    pub peers: GaugeBy<1>,
    /// Datagrams of gossip, by direction.
    pub peer_datagrams: CounterBy<1>,
    /// Bytes in them.
    pub peer_datagram_bytes: CounterBy<1>,
    /// Datagrams that were dropped, by reason.
    pub peer_drops: CounterBy<1>,
    /// Probes of other hosts, by how they ended.
    pub peer_probes: CounterBy<1>,
    /// Records that were not believed, by reason.
    pub peer_records_refused: CounterBy<1>,
    /// Messages between schedulers, by direction and outcome.
    pub peer_messages: CounterBy<2>,
    /// Connections of peers that were refused, by reason.
    pub peer_connections_refused: CounterBy<1>,
    /// Time to render a page; the exporter observes it.
    pub(crate) render_duration: Histogram,
    /// Pages that were served, by text format and content encoding; the HTTP handler counts them.
    pub(crate) scrapes: CounterBy<2>,
    /// Time to answer a scrape; the HTTP handler observes it.
    pub(crate) scrape_duration: Histogram,
}

impl SelfMetrics {
    /// A registry with every family of [`own`].
    ///
    /// # Errors
    /// When a family is not declared as its handle needs it, which a test of this crate rules out.
    pub fn try_new() -> Result<Self, SelfMetricsError> {
        use build::{counter, counter_by, fast, gauge_by, histogram, histogram_by, slow};
        let registry = Registry::new();
        let on = &registry;
        Ok(Self {
            launch_grants: counter(on, &own::LAUNCH_GRANTS)?,
            launch_refusals: counter_by(on, &own::LAUNCH_REFUSALS)?,
            launch_duration: histogram(on, &own::LAUNCH_DURATION, &slow())?,
            lease_releases: counter_by(on, &own::LEASE_RELEASES)?,
            job_ends: counter_by(on, &own::JOB_ENDS)?,
            job_registers_forced: counter(on, &own::JOB_REGISTERS_FORCED)?,
            members_in_doubt: gauge_by(on, &own::MEMBERS_IN_DOUBT)?,
            plan_duration: histogram(on, &own::PLAN_DURATION, &fast())?,
            apply_duration: histogram(on, &own::APPLY_DURATION, &slow())?,
            apply_steps: counter_by(on, &own::APPLY_STEPS)?,
            decisions: counter_by(on, &own::DECISIONS)?,
            decision_duration: histogram(on, &own::DECISION_DURATION, &fast())?,
            driver_call_duration: histogram_by(on, &own::DRIVER_CALL_DURATION, &slow())?,
            driver_timeouts: counter_by(on, &own::DRIVER_TIMEOUTS)?,
            driver_errors: counter_by(on, &own::DRIVER_ERRORS)?,
            worker_starts: counter(on, &own::WORKER_STARTS)?,
            samples: counter_by(on, &own::SAMPLES)?,
            store_writes: counter(on, &own::STORE_WRITES)?,
            store_write_errors: counter(on, &own::STORE_WRITE_ERRORS)?,
            store_write_duration: histogram(on, &own::STORE_WRITE_DURATION, &slow())?,
            reconcile_runs: counter_by(on, &own::RECONCILE_RUNS)?,
            reconcile_duration: histogram(on, &own::RECONCILE_DURATION, &slow())?,
            rpc_calls: counter_by(on, &own::RPC_CALLS)?,
            rpc_duration: histogram_by(on, &own::RPC_DURATION, &slow())?,
            peers: gauge_by(on, &own::PEERS)?,
            peer_datagrams: counter_by(on, &own::PEER_DATAGRAMS)?,
            peer_datagram_bytes: counter_by(on, &own::PEER_DATAGRAM_BYTES)?,
            peer_drops: counter_by(on, &own::PEER_DROPS)?,
            peer_probes: counter_by(on, &own::PEER_PROBES)?,
            peer_records_refused: counter_by(on, &own::PEER_RECORDS_REFUSED)?,
            peer_messages: counter_by(on, &own::PEER_MESSAGES)?,
            peer_connections_refused: counter_by(on, &own::PEER_CONNECTIONS_REFUSED)?,
            render_duration: histogram(on, &own::RENDER_DURATION, &fast())?,
            scrapes: counter_by(on, &own::SCRAPES)?,
            scrape_duration: histogram(on, &own::SCRAPE_DURATION, &fast())?,
            registry,
        })
    }

    /// Writes the families that have values.
    pub(crate) fn write(&self, page: &mut Page) {
        let gathered = self.registry.gather();
        let find = |family: &Family| gathered.iter().find(|found| found.name() == family.name);
        for family in own::ALL.iter().copied() {
            if let Some(found) = find(family) {
                convert::family(family, found, page);
            }
        }
    }
}

#[cfg(test)]
mod tests;
