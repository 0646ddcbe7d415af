//! What kerf-runtime adds to a container's life: create, start and delete of `true`, in interleaved rounds,
//! compared in pairs per round. A container without an ask is compared with plain runc, one with an ask
//! with plain runc on the config.json that the edit leads to, so that runc's own work for six devices is
//! not counted as ours. Beside that: what one more exec costs, crun below kerf-runtime against plain runc where
//! there is a pure cgroup v2, the round trip to a real kerfd, and how long a refusal takes without one.
//!
//! `cargo xtask bench launch [--rounds N] [-o json]` builds all that it needs and runs it. CPU time is of the runtime
//! processes and the container, kerfd's share not included (a thread here).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is what it prints, and what it skips it says apart"
)]

mod lives;
mod pure;
mod report;
mod resolve;
mod sys;
#[path = "../../tests/shim/world/mod.rs"]
#[expect(
    dead_code,
    reason = "the tests use all of the world, the benchmark a part"
)]
mod world;

use std::path::PathBuf;

use lives::Programs;
use serde_json::{Value, json};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if !args.iter().any(|arg| arg == "--bench") {
        println!("skipped: run by `cargo bench` alone");
        return;
    }
    if !world::can_run() {
        return;
    }
    let option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    if option("--leg").as_deref() == Some("ask") {
        let word = |name: &str| option(name).expect("a value");
        println!("{}", resolve::ask(&word("--socket"), &word("--request")));
        return;
    }
    let rounds = option("--rounds").map_or(60, |n| n.parse().expect("a number of rounds"));
    let shim = option("--shim").unwrap_or_else(|| env!("CARGO_BIN_EXE_kerf-runtime").to_owned());
    let programs = Programs::find(PathBuf::from(shim));
    sys::become_subreaper();
    if option("--leg").as_deref() == Some("resolve") {
        if let Some(trips) = resolve::round_trips() {
            let ways = [
                ("by an ask", &trips.ask),
                ("by a lease", &trips.lease),
                ("refused at once", &trips.refused),
            ];
            for (way, trips) in ways {
                println!(
                    "{way}: p50 {:.0} us, p99 {:.0} us",
                    trips.p50_us, trips.p99_us
                );
            }
        }
        return;
    }
    if option("--leg").as_deref() == Some("pure") {
        println!("{}", pure::speedup(&programs, rounds));
        return;
    }
    let variants = lives::on_the_host(&programs, rounds);
    let document = measured(&programs, rounds, &variants);
    if option("-o").as_deref() == Some("json") {
        println!("{document}");
        return;
    }
    let size = std::fs::metadata(&programs.shim).expect("the shim").len();
    println!(
        "{} ({size} bytes), {rounds} rounds",
        programs.shim.display()
    );
    report::table(&variants);
    for (key, value) in document.as_object().into_iter().flatten() {
        println!("{key:24} {value}");
    }
}

/// Everything in one document.
fn measured(programs: &Programs, rounds: usize, variants: &[lives::Variant; 4]) -> Value {
    let execs = lives::other_verbs(programs, rounds.max(200));
    let speedup = pure::leg(programs, rounds);
    let trips = resolve::round_trips();
    let absent = lives::refusals_without_kerfd(programs, 20);
    let [plain, bare, base, ours] = variants;
    let added = report::added(base, ours);
    let text =
        |number: Option<f64>| number.map_or(Value::Null, |n| json!((n * 1000.0).round() / 1000.0));
    json!({
        "rounds": rounds,
        "cpu_added_ms": text(Some(added.cpu_ms)),
        "wall_added_ms": text(Some(added.wall_ms)),
        "create_ratio_p50": text(Some(added.create_ratio)),
        "exec_added_ms": text(Some(execs)),
        "crun_speedup": text(speedup),
        "resolve_us_p99": text(trips.as_ref().map(|trips| trips.ask.p99_us)),
        "resolve_us_p50": text(trips.as_ref().map(|trips| trips.ask.p50_us)),
        "resolve_lease_us_p99": text(trips.as_ref().map(|trips| trips.lease.p99_us)),
        "resolve_lease_us_p50": text(trips.as_ref().map(|trips| trips.lease.p50_us)),
        "refused_us_p99": text(trips.as_ref().map(|trips| trips.refused.p99_us)),
        "refused_us_p50": text(trips.as_ref().map(|trips| trips.refused.p50_us)),
        "cpu_added_without_ask_ms": text(Some(report::added(plain, bare).cpu_ms)),
        "absent_refusal_ms_max": text(Some(absent)),
    })
}
