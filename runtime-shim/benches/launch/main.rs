//! What kerf-runtime adds to a container's life: create, start and delete of `true`, in interleaved rounds,
//! compared in pairs per round. A container without an ask is compared with plain runc, one with an ask
//! with plain runc on the config.json that the edit leads to, so that runc's own work for six devices is
//! not counted as ours.
//!
//! `cargo bench -p kerf-runtime -- [--rounds N] [--shim PATH]`. The shim that counts is the static one:
//! `cargo build -p kerf-runtime --profile release-runtime --target x86_64-unknown-linux-musl`. CPU time is
//! of the runtime processes and the container, kerfd's share not included (a thread here).

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

mod sys;
#[path = "../../tests/shim/world/mod.rs"]
#[expect(
    dead_code,
    reason = "the tests use all of the world, the benchmark a part"
)]
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kerf_runtime::frame::{Grant, LaunchReply};
use serde_json::json;
use world::World;
use world::kerfd::Kerfd;

const LEASE: &str = "0198c0de-0000-7000-8000-000000000001";

/// One life of a container.
#[derive(Clone, Copy)]
struct Life {
    create: Duration,
    wall: Duration,
    cpu: Duration,
}

/// One number of a life, in milliseconds.
type Measure = fn(&Life) -> f64;

struct Variant {
    name: &'static str,
    program: PathBuf,
    config: String,
    lives: Vec<Life>,
}

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
    let rounds = option("--rounds").map_or(60, |n| n.parse().expect("a number of rounds"));
    let shim = option("--shim").unwrap_or_else(|| env!("CARGO_BIN_EXE_kerf-runtime").to_owned());
    sys::become_subreaper();
    measure(Path::new(&shim), rounds);
}

fn measure(shim: &Path, rounds: usize) {
    let world = World::new();
    let installed = world.install(shim, "runc", 10_000);
    let runc = ["/usr/sbin/runc", "/usr/bin/runc"].map(PathBuf::from);
    let runc = runc.into_iter().find(|path| path.exists()).expect("runc");
    let grant = grant(&world);
    let plain = world::spec(&["/bin/true"], json!({})).to_string();
    let asking = json!({"kerf.dev/accelerator": "1g.10gb"});
    let asking = world::spec(&["/bin/true"], asking).to_string();
    let edited = kerf_runtime::spec::apply(&asking, &grant).expect("the edit");
    let _kerfd = Kerfd::listen(&world.socket(), move |_| {
        Some(LaunchReply::granted(grant.clone()))
    });
    let variant = |name, program: &Path, config| Variant {
        name,
        program: program.to_owned(),
        config,
        lives: Vec::new(),
    };
    // Each of ours follows what it is compared with.
    let mut variants = [
        variant("runc, no device", &runc, plain.clone()),
        variant("kerf, no ask", &installed, plain),
        variant("runc, 6 devices", &runc, edited),
        variant("kerf, ask", &installed, asking),
    ];
    let bundle = world.bundle("bundle", &["/bin/true"], json!({}));
    let count = variants.len();
    for round in 0..rounds + 2 {
        for turn in 0..count {
            let variant = &mut variants[(round + turn) % count];
            fs::write(bundle.join("config.json"), &variant.config).expect("config.json");
            let life = live(&world, &variant.program, &bundle);
            // The first rounds warm the page cache.
            if round >= 2 {
                variant.lives.push(life);
            }
        }
    }
    let size = fs::metadata(shim).expect("the shim").len();
    println!("{} ({size} bytes), {rounds} rounds", shim.display());
    report(&variants);
}

fn grant(world: &World) -> Grant {
    let major = world::free_majors().next().expect("a free major");
    let names = [
        "nvidia0",
        "nvidiactl",
        "nvidia-uvm",
        "nvidia-uvm-tools",
        "cap3",
        "cap4",
    ];
    let nodes = names
        .iter()
        .zip(0..)
        .map(|(name, minor)| world.node(name, major, minor));
    Grant {
        lease_id: LEASE.to_owned(),
        fence: 1,
        devices: nodes.collect(),
        env: vec!["NVIDIA_VISIBLE_DEVICES=void".to_owned()],
        ..Grant::default()
    }
}

fn live(world: &World, program: &Path, bundle: &Path) -> Life {
    let pid_file = world.path("pid");
    let bundle = bundle.to_str().expect("text");
    let pid = pid_file.to_str().expect("text");
    let cpu = sys::children_cpu();
    let begin = Instant::now();
    let step = |verb: &[&str]| {
        let status = world.runtime(program, verb);
        assert!(status.success(), "{verb:?}: {}", world.text("stderr"));
    };
    step(&["create", "--bundle", bundle, "--pid-file", pid, "bench"]);
    let create = begin.elapsed();
    let init = world.text("pid").parse().expect("a pid");
    step(&["start", "bench"]);
    sys::reap(init);
    step(&["delete", "bench"]);
    Life {
        create,
        wall: begin.elapsed(),
        cpu: sys::children_cpu() - cpu,
    }
}

fn report(variants: &[Variant]) {
    let create = |life: &Life| life.create.as_secs_f64() * 1000.0;
    let wall = |life: &Life| life.wall.as_secs_f64() * 1000.0;
    let cpu = |life: &Life| life.cpu.as_secs_f64() * 1000.0;
    let measures: [(&str, Measure); 3] = [("create", create), ("life", wall), ("cpu", cpu)];
    println!(
        "{:16} {:>8} {:>10} {:>16} {:>20} {:>8}",
        "variant", "measure", "median ms", "paired delta ms", "95 % of the delta", "ratio"
    );
    for pair in variants.chunks(2) {
        let [base, ours] = pair else { continue };
        for (name, of) in measures {
            let there = median(base.lives.iter().map(of).collect());
            let here = median(ours.lives.iter().map(of).collect());
            let lives = ours.lives.iter().zip(&base.lives);
            let deltas: Vec<f64> = lives.map(|(a, b)| of(a) - of(b)).collect();
            let (low, high) = confidence(deltas.clone());
            let delta = median(deltas);
            println!("{:16} {name:>8} {there:>10.3}", base.name);
            println!(
                "{:16} {name:>8} {here:>10.3} {delta:>+16.3} {:>20} {:>8.3}",
                ours.name,
                format!("{low:+.3} to {high:+.3}"),
                here / there
            );
        }
    }
}

/// Where the median of what the values are drawn from lies with 95 % confidence, by the binomial distribution
/// of ranks: it asks nothing of the values, whose tails are those of a shared machine.
fn confidence(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    // 1.96 standard deviations of a rank, which are half the root of the count.
    let around = values.len().isqrt() * 98 / 100 + 1;
    let at = |rank: usize| values.get(rank).copied().unwrap_or(f64::NAN);
    (at(half.saturating_sub(around)), at(half + around))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}
