//! How long a placement takes: 1,000 hosts of 8 GPUs in random states, one thread.
//!
//! Two cases: records that have not changed since the last decision of that kind, and one record changed
//! before each decision, as gossip does. Prints p50 and p99 in microseconds.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and prints what it found"
)]

#[path = "../src/tests/fixture.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fixture;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_scheduler::{Fleet, Rng, Wish, place};
use kerf_types::host_record::Occupancy;
use kerf_types::job::JobSpec;
use kerf_types::{HostId, HostRecord, Moment};

const HOSTS: u64 = 1_000;
const ROUNDS: usize = 5_000;

fn host(number: u64, revision: u64, rng: &mut Rng) -> HostRecord {
    let mut record = fixture::record(1, 8);
    record.id = HostId::from_bits(number.into());
    record.version.revision = revision;
    for gpu in &mut record.gpus {
        for start in 0..7 {
            let occupancy = match rng.below(8) {
                0 => Occupancy::Free,
                1..=4 => Occupancy::Leased,
                _ => continue,
            };
            gpu.slices.push(fixture::slice(start, occupancy));
        }
    }
    record
}

fn measure(name: &str, spec: &JobSpec, churn: bool) {
    let mut rng = Rng::new(5);
    let mut fleet = Fleet::default();
    for number in 0..HOSTS {
        fleet.learn(Arc::new(host(number, 1, &mut rng)), Moment(0));
    }
    let avoid = BTreeMap::new();
    let wish = Wish {
        spec,
        local: HostId::from_bits(0),
        now: Moment(0),
        stale_after: Duration::from_secs(60),
        avoid: &avoid,
        claims: &[],
    };
    let mut times = Vec::with_capacity(ROUNDS);
    let mut placed = 0;
    for round in 0..ROUNDS {
        if churn {
            let number = rng.below(HOSTS);
            let revision = u64::try_from(round).unwrap_or(0) + 2;
            fleet.learn(Arc::new(host(number, revision, &mut rng)), Moment(0));
        }
        let start = Instant::now();
        placed += usize::from(place(&mut fleet, &wish, &mut rng).is_ok());
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |per_mille: usize| {
        times
            .get(ROUNDS * per_mille / 1_000)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{name:<34} p50 {:>7.1} us  p99 {:>7.1} us  {placed} of {ROUNDS} placed",
        at(500).as_secs_f64() * 1e6,
        at(990).as_secs_f64() * 1e6,
    );
}

fn main() {
    for (name, ask) in [
        ("1g.10gb", "1g.10gb"),
        ("3g.40gb", "3g.40gb"),
        ("2g.20gb:4", "2g.20gb:4"),
        ("memory>=20GiB,fp8", "memory>=20GiB,fp8"),
    ] {
        let spec = fixture::spec(ask, 1);
        measure(name, &spec, false);
        measure(&format!("{name}, one record changed"), &spec, true);
    }
    let nobody = fixture::spec("gpu:8", 1);
    measure("gpu:8, nobody has it", &nobody, true);
}
