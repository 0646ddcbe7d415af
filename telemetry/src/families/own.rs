//! Families that kerfd counts and times about its own work, through [`crate::SelfMetrics`].

use super::families;

families! {
    LAUNCH_GRANTS: Counter "kerf_launch_grants_total" - []
        "Asks of containers that were granted.";
    LAUNCH_REFUSALS: Counter "kerf_launch_refusals_total" - ["reason"]
        "Asks of containers that were refused, by reason.";
    LAUNCH_DURATION: Histogram "kerf_launch_duration_seconds" "seconds" []
        "Time from a container asking to its answer, a cut on demand included.";
    LEASE_RELEASES: Counter "kerf_lease_releases_total" - ["cause"]
        "Leases that ended, by cause.";
    JOB_ENDS: Counter "kerf_job_ends_total" - ["outcome"]
        "Jobs that ended, by final state.";
    JOB_REGISTERS_FORCED: Counter "kerf_job_registers_forced_total" - []
        "Registers of jobs of which this host was told that an operator has forced them.";
    MEMBERS_IN_DOUBT: Gauge "kerf_members_in_doubt" - []
        "Members that this host holds idle for attempts of which nobody has said for a while how they were decided.";
    PLAN_DURATION: Histogram "kerf_plan_duration_seconds" "seconds" []
        "Time to compute and check a plan.";
    APPLY_DURATION: Histogram "kerf_apply_duration_seconds" "seconds" []
        "Time to carry a plan out.";
    APPLY_STEPS: Counter "kerf_apply_steps_total" - ["step", "outcome"]
        "Steps of plans that were carried out, by kind and outcome.";
    DECISIONS: Counter "kerf_scheduler_decisions_total" - ["outcome"]
        "Decisions about jobs, by outcome.";
    DECISION_DURATION: Histogram "kerf_scheduler_decision_duration_seconds" "seconds" []
        "Time to decide about one job.";
    DRIVER_CALL_DURATION: Histogram "kerf_driver_call_duration_seconds" "seconds" ["call"]
        "Time from a request to a driver worker to its answer, by request.";
    DRIVER_TIMEOUTS: Counter "kerf_driver_timeouts_total" - ["call"]
        "Requests to a driver worker that passed their deadline.";
    DRIVER_ERRORS: Counter "kerf_driver_errors_total" - ["call"]
        "Requests to a driver worker that were answered with an error.";
    WORKER_STARTS: Counter "kerf_partitioner_worker_starts_total" - []
        "Driver workers that were started.";
    SAMPLES: Counter "kerf_samples_total" - ["outcome"]
        "Readings of all GPUs that were tried, by outcome.";
    STORE_WRITES: Counter "kerf_store_writes_total" - []
        "Transactions that the store has committed.";
    STORE_WRITE_ERRORS: Counter "kerf_store_write_errors_total" - []
        "Transactions that the store could not commit.";
    STORE_WRITE_DURATION: Histogram "kerf_store_write_duration_seconds" "seconds" []
        "Time to commit a transaction, with its fsync.";
    RECONCILE_RUNS: Counter "kerf_reconcile_runs_total" - ["outcome"]
        "Runs of the reconcile loop, by outcome.";
    RECONCILE_DURATION: Histogram "kerf_reconcile_duration_seconds" "seconds" []
        "Time of a run of the reconcile loop.";
    RPC_CALLS: Counter "kerf_rpc_calls_total" - ["method", "code"]
        "gRPC calls that were answered, by method and status code.";
    RPC_DURATION: Histogram "kerf_rpc_duration_seconds" "seconds" ["method"]
        "Time to answer a gRPC call.";
    PEERS: Gauge "kerf_peers" - ["state"]
        "Other hosts of the fleet that this one knows, by state.";
    PEER_DATAGRAMS: Counter "kerf_peer_datagrams_total" - ["direction"]
        "Datagrams of gossip that were sent and received.";
    PEER_DATAGRAM_BYTES: Counter "kerf_peer_datagram_bytes_total" "bytes" ["direction"]
        "Bytes in datagrams of gossip that were sent and received.";
    PEER_DROPS: Counter "kerf_peer_datagrams_dropped_total" - ["reason"]
        "Datagrams of gossip that were dropped, by reason; unsent ones are of this host.";
    PEER_PROBES: Counter "kerf_peer_probes_total" - ["outcome"]
        "Probes of other hosts that ended: answered, answered to others alone (helped), or unanswered.";
    PEER_RECORDS_REFUSED: Counter "kerf_peer_records_refused_total" - ["reason"]
        "Records of other hosts that were not believed, by reason.";
    PEER_MESSAGES: Counter "kerf_peer_messages_total" - ["direction", "outcome"]
        "Messages between schedulers, by direction and outcome.";
    PEER_CONNECTIONS_REFUSED: Counter "kerf_peer_connections_refused_total" - ["reason"]
        "Connections of peers that were refused in their handshake, by reason.";
    RENDER_DURATION: Histogram "kerf_render_duration_seconds" "seconds" []
        "Time to render and compress a page in both formats, once per sample.";
    SCRAPES: Counter "kerf_scrapes_total" - ["format", "encoding"]
        "Pages that were served, by text format and content encoding.";
    SCRAPE_DURATION: Histogram "kerf_scrape_duration_seconds" "seconds" []
        "Time to answer a scrape, without the time on the wire.";
}
