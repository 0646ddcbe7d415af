//! The core's counts as metrics: it counts from its start, and the registry is told what came since the last look.

use kerf_membership::{Core, Stats};
use kerf_telemetry::SelfMetrics;

/// What the registry knows already.
#[derive(Debug, Default)]
pub(super) struct Counts {
    told: Stats,
}

impl Counts {
    /// Adds what came since the last time.
    pub fn add(&mut self, core: &Core, metrics: &SelfMetrics) {
        let (now, told) = (core.stats(), &self.told);
        let datagrams = &metrics.peer_datagrams;
        datagrams.add(["in"], now.received.saturating_sub(told.received));
        datagrams.add(["out"], now.sent.saturating_sub(told.sent));
        let bytes = &metrics.peer_datagram_bytes;
        bytes.add(
            ["in"],
            now.received_bytes.saturating_sub(told.received_bytes),
        );
        bytes.add(["out"], now.sent_bytes.saturating_sub(told.sent_bytes));
        for (reason, count) in &now.dropped {
            let before = told.dropped.get(reason).copied().unwrap_or(0);
            let more = count.saturating_sub(before);
            metrics.peer_drops.add([reason.label()], more);
        }
        for (end, count) in &now.probes {
            let before = told.probes.get(end).copied().unwrap_or(0);
            let more = count.saturating_sub(before);
            metrics.peer_probes.add([end.label()], more);
        }
        for (reason, count) in &now.records_unproven {
            let before = told.records_unproven.get(reason).copied().unwrap_or(0);
            let more = count.saturating_sub(before);
            metrics.peer_records_refused.add([reason.label()], more);
        }
        let unsealed = now.unsealed.saturating_sub(told.unsealed);
        metrics.peer_drops.add(["unsealed"], unsealed);
        self.told = now.clone();
    }
}
