//! What is printed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Plan;
use crate::coordinator::Counts;
use crate::cpu::Cpu;

/// One leg.
#[derive(Debug)]
pub struct Leg {
    /// What the stores lay on.
    pub disk: &'static str,
    /// What was asked for.
    pub ask: String,
    /// What happened.
    pub counts: Counts,
    /// What it cost.
    pub cpu: Cpu,
    /// Writes of the owners' leases.
    pub writes: u64,
}

impl Leg {
    fn per_grant_us(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / whole(self.counts.grants.max(1))
    }

    fn per_second(&self) -> f64 {
        whole(self.counts.grants) / self.counts.took.as_secs_f64()
    }

    fn fields(&self) -> Value {
        let round = |number: f64| (number * 10.0).round() / 10.0;
        let counts = &self.counts;
        json!({
            "disk": self.disk,
            "ask": self.ask,
            "grants": counts.grants,
            "grants_per_s": round(self.per_second()),
            "refused": counts.refused,
            "grant_ms_p50": round(counts.latency(50).as_secs_f64() * 1e3),
            "grant_ms_p99": round(counts.latency(99).as_secs_f64() * 1e3),
            "cpu_us_per_grant": round(self.per_grant_us(self.cpu.sum())),
            "cpu_us_coordinator": round(self.per_grant_us(self.cpu.coordinator)),
            "cpu_us_owners": round(self.per_grant_us(self.cpu.owners)),
            "cpu_us_workers": round(self.per_grant_us(self.cpu.workers)),
            "cpu_us_containerd": round(self.per_grant_us(self.cpu.containerd)),
            "coordinator_changes_per_flush": round(whole(counts.changes) / whole(counts.flushes.max(1))),
            "coordinator_flushes_per_grant": round(100.0 * whole(counts.flushes) / whole(counts.grants.max(1))) / 100.0,
            "owner_lease_writes_per_grant": round(whole(self.writes) / whole(counts.grants.max(1))),
        })
    }
}

/// Counts below 2^53 are whole in a double.
fn whole(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// One document.
pub fn document(plan: &Plan, legs: &[Leg]) -> Value {
    json!({
        "hosts": plan.hosts,
        "replicas": 1,
        "seconds": plan.seconds,
        "in_flight": plan.in_flight,
        "legs": legs.iter().map(Leg::fields).collect::<Vec<_>>(),
    })
}

/// The same for people.
pub fn table(plan: &Plan, legs: &[Leg]) {
    let Plan {
        hosts,
        seconds,
        in_flight,
        ..
    } = plan;
    println!("{hosts} owners, r = 1, {in_flight} in flight, {seconds} s each");
    for leg in legs {
        println!();
        for (key, value) in leg.fields().as_object().into_iter().flatten() {
            println!("{key:32} {value}");
        }
    }
}
