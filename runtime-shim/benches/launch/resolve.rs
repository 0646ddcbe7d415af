//! The round trip to a real kerfd on a simulated machine: a slice that stands is leased, handed over, and given back.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kerf_runtime::client::{self, Patience};
use kerf_runtime::frame::{LaunchKind, LaunchRequest, Outcome, REQUEST_SCHEMA};
use kerf_tests::Scratch;
use kerf_tests::world::Kerfd;
use kerf_tests::world::kerfd::Settings;
use serde_json::Value;

use crate::world::World;

/// Round trips that are measured. The 99th percentile is then the third longest.
const ROUNDS: usize = 250;

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Microseconds of round trips.
pub struct RoundTrips {
    pub p50_us: f64,
    pub p99_us: f64,
}

/// Measures them on the disk of temporary files, and in memory: kerfd writes a lease down before it says yes, so the
/// first is above all what the disk takes. None where kerfd has not been built.
pub fn round_trips() -> (Option<RoundTrips>, Option<RoundTrips>) {
    let scratch = Scratch::new("kb").expect("a folder");
    let world = World::new();
    (in_folder(&scratch.join("d")), in_folder(&world.path("m")))
}

fn in_folder(folder: &Path) -> Option<RoundTrips> {
    let settings = Settings {
        folder: folder.join("k"),
        machine: "h100x1".to_owned(),
        containerd: folder.join("no-containerd.sock"),
        namespace: "kerf-bench".to_owned(),
        config: String::new(),
        peering: None,
    };
    let kerfd = match Kerfd::start(settings) {
        Ok(kerfd) => kerfd,
        Err(error) => {
            eprintln!("skipped: no kerfd: {error:#}");
            return None;
        }
    };
    // Cut before, so that no driver is in what is measured.
    kerf(&kerfd, &["apply", "--gpu", "0", "--slices", "1g.10gb:2"]);
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|round| one(&kerfd, &folder.join("b"), round))
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or(f64::NAN)
    };
    Some(RoundTrips {
        p50_us: at(50),
        p99_us: at(99),
    })
}

fn one(kerfd: &Kerfd, bundle: &Path, round: usize) -> f64 {
    let lease = kerf(kerfd, &["-o", "json", "lease", "create", "1g.10gb"]);
    let lease = lease["id"].as_str().or(lease["lease"]["id"].as_str());
    let lease = lease.expect("the id of a lease").to_owned();
    let request = LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: format!("bench-{round}"),
        namespace: "default".to_owned(),
        bundle: bundle.to_owned(),
        pid_file: Some(bundle.join("pid")),
        ask: None,
        lease: Some(lease.clone()),
        claim: None,
        init_pid: None,
        sandbox: None,
        isolated: true,
    };
    let socket = kerfd.folder().join("run/runtime.sock");
    let text = serde_json::to_string(&request).expect("json");
    let own = std::env::current_exe().expect("this program");
    let output = Command::new(own)
        .args(["--bench", "--leg", "ask", "--request", &text, "--socket"])
        .arg(socket)
        .output()
        .expect("this program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    let took = said
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{said}{error}"));
    until_free(kerfd, &lease);
    took
}

/// Microseconds of one round trip. In a process of its own, as a shim is: with its end the launch ends, and kerfd takes
/// the lease back.
pub fn ask(socket: &str, request: &str) -> f64 {
    let request: LaunchRequest = serde_json::from_str(request).expect("a request");
    let begin = Instant::now();
    let patience = Patience {
        limit: LIMIT,
        restart: Duration::ZERO,
    };
    let reply = client::ask(Path::new(socket), patience, &request).expect("an answer");
    let took = begin.elapsed();
    assert!(matches!(reply.outcome, Outcome::Granted(_)), "{reply:?}");
    took.as_secs_f64() * 1e6
}

/// Waits until kerfd has seen that the launch came to nothing.
fn until_free(kerfd: &Kerfd, lease: &str) {
    let until = Instant::now() + LIMIT;
    loop {
        let mut command = kerfd.kerf().expect("kerf is built");
        let output = command.args(["lease", "release", lease]).output();
        let output = output.expect("kerf starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || !error.contains("must end first") {
            return;
        }
        assert!(Instant::now() < until, "{error}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kerf(kerfd: &Kerfd, args: &[&str]) -> Value {
    let mut command = kerfd.kerf().expect("kerf is built");
    let output = command.args(args).output().expect("kerf starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}
