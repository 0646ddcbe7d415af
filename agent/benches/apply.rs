//! Times plan -> apply -> verify of a layout on eight GPUs, from the request in the owner's inbox to its answer, with
//! the store on a disk and a worker behind its socket. What the simulated driver took of that is measured in its
//! calls and told apart. Then the renewal of the CDI files for 8 GPUs with 7 slices each: from the nodes, which are all
//! looked at, to files that have taken the place of others.
//!
//! `cargo bench -p kerf-agent --bench apply` takes about a minute.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::time::{Duration, Instant};

use kerf_agent::files::{self, Durability};
use kerf_agent::host::{Command, HostHandle, LayoutRequest, Progress};
use procfs::process::Process;
use tokio::sync::mpsc;

#[expect(dead_code, reason = "the drill uses the rest")]
#[path = "../tests/kill/lane.rs"]
mod lane;
#[expect(dead_code, reason = "the drill uses the rest")]
#[path = "../tests/kill/life.rs"]
mod life;
#[expect(dead_code, reason = "the drill uses the rest")]
#[path = "../tests/kill/trigger.rs"]
mod trigger;

use lane::Lane;
use life::{Alive, End};

/// Layouts that follow each other; every slice goes and comes with each.
const LAYOUTS: [&str; 2] = [
    r#"{"rules":[{"gpus":"all","slices":{"3g.40gb":1,"2g.20gb":1,"1g.10gb":2}}]}"#,
    r#"{"rules":[{"gpus":"all","slices":{"4g.40gb":1,"1g.10gb":3}}]}"#,
];

/// Applies that are timed.
const ROUNDS: usize = 100;

/// The most slices of eight GPUs.
const FULL: &str = r#"{"rules":[{"gpus":"all","slices":{"1g.10gb":7}}]}"#;

/// What one apply took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    driver: Duration,
    calls: u64,
    steps: usize,
}

fn main() {
    let disk = tempfile::Builder::new()
        .prefix("kerf-apply-")
        .tempdir_in(".");
    let lane = Lane::in_folder(disk.expect("a folder"), "h100x8", 8);
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        alive.looked().await;
        for layout in LAYOUTS {
            apply(&lane, &alive.host, layout).await;
        }
        let mut rounds = Vec::new();
        let before = cpu_ms();
        for layout in LAYOUTS.iter().cycle().take(ROUNDS) {
            rounds.push(apply(&lane, &alive.host, layout).await);
        }
        let spent_ms = cpu_ms() - before;
        apply(&lane, &alive.host, FULL).await;
        (rounds, spent_ms, renewals(&alive.host).await)
    });
    let End::Done((rounds, spent_ms, renewals)) = end else {
        unreachable!("nobody kills it");
    };
    let first = rounds.first().expect("some rounds");
    println!(
        "8 GPUs, {} steps and {} driver calls each, {ROUNDS} applies",
        first.steps, first.calls
    );
    println!("{:24} {:>8} {:>8}", "milliseconds", "p50", "p99");
    row("wall", &rounds, |took| took.wall);
    row("in the simulated driver", &rounds, |took| took.driver);
    row("beyond it", &rounds, |took| {
        took.wall.saturating_sub(took.driver)
    });
    let mean_ms = spent_ms / u64::try_from(ROUNDS).expect("a count");
    println!("CPU of all, the driver too, mean: {mean_ms}");
    row("renewal of 8 x 7 slices", &renewals, |took| *took);
}

/// Makes the documents of everything that stands, and puts their files in the place of the last ones.
async fn renewals(host: &HostHandle) -> Vec<Duration> {
    let folder = tempfile::Builder::new().prefix("kerf-cdi-").tempdir_in(".");
    let folder = folder.expect("a folder");
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let documents = host
            .ask(|reply| Command::Cdi { reply })
            .await
            .expect("documents");
        for (name, document) in &documents {
            let text = serde_json::to_vec_pretty(document).expect("text");
            files::replace(&folder.path().join(name), &text, Durability::Volatile)
                .expect("written");
        }
        all.push(begun.elapsed());
        let devices = documents
            .iter()
            .map(|(_, document)| document.devices.len())
            .sum::<usize>();
        assert_eq!(devices, 8 * 7 * 2, "each slice has two names");
    }
    all
}

async fn apply(lane: &Lane, host: &HostHandle, layout: &str) -> Took {
    let (progress, mut told) = mpsc::channel::<Progress>(64);
    let listener = tokio::spawn(async move { while told.recv().await.is_some() {} });
    let request = LayoutRequest {
        layout: kerf_api::json::layout::parse(layout).expect("a layout"),
        allow_reset: false,
        expected_generation: 0,
        force: std::collections::BTreeSet::new(),
        by: None,
    };
    let (called, driver) = (calls(lane), busy(lane));
    let begun = Instant::now();
    let done = host.ask(|reply| Command::Apply {
        request,
        progress,
        reply,
    });
    let done = done.await.expect("it is applied");
    let wall = begun.elapsed();
    listener.await.expect("no panic");
    Took {
        wall,
        driver: busy(lane).saturating_sub(driver),
        calls: calls(lane) - called,
        steps: done.steps,
    }
}

fn calls(lane: &Lane) -> u64 {
    lane.fuse.calls().expect("the fuse")
}

fn busy(lane: &Lane) -> Duration {
    lane.fuse.busy().expect("the fuse")
}

/// CPU time of this process in milliseconds, with the worker's threads; it moves in steps of ten.
fn cpu_ms() -> u64 {
    let stat = Process::myself().and_then(|process| process.stat());
    let stat = stat.expect("the kernel tells");
    (stat.utime + stat.stime) * 1_000 / procfs::ticks_per_second()
}

fn row<T>(name: &str, rounds: &[T], of: impl Fn(&T) -> Duration) {
    let mut all: Vec<Duration> = rounds.iter().map(of).collect();
    all.sort_unstable();
    let at = |percent: usize| {
        let time = all
            .get((all.len() - 1) * percent / 100)
            .expect("some rounds");
        time.as_secs_f64() * 1_000.0
    };
    println!("{name:24} {:8.1} {:8.1}", at(50), at(99));
}
