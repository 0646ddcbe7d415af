//! The round trip to a real kerfd on a simulated machine, for a slice that stands: a container asks for one of its kind, as
//! most do, or names a lease that was made before. It is handed over, and given back. Beside them what the way alone takes:
//! an ask that the policy refuses goes to the same owner and back, and nothing is done for it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kerf_runtime::client::{self, Patience};
use kerf_runtime::frame::{LaunchKind, LaunchRequest, Outcome, REQUEST_SCHEMA};
use kerf_tests::Scratch;
use kerf_tests::world::Kerfd;
use kerf_tests::world::kerfd::Settings;
use serde_json::Value;

/// Round trips of each kind that are measured. The 99th percentile is then the sixth longest.
const ROUNDS: usize = 500;

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);

/// After the end of a lease.
const REST: Duration = Duration::from_millis(10);

/// What is asked for.
const ASK: &str = "1g.10gb";

/// A namespace that may ask for nothing.
const NOBODYS: &str = "nobodys";

/// Microseconds of round trips.
pub struct RoundTrips {
    pub p50_us: f64,
    pub p99_us: f64,
}

/// Those of one kerfd.
pub struct Trips {
    /// By an ask.
    pub ask: RoundTrips,
    /// By the id of a lease.
    pub lease: RoundTrips,
    /// Of one that is refused before anything is done.
    pub refused: RoundTrips,
}

/// Measures them with kerfd's folders on the disk of temporary files; none where kerfd has not been built.
pub fn round_trips() -> Option<Trips> {
    let scratch = Scratch::new("kb").expect("a folder");
    in_folder(&scratch.join("d"))
}

fn in_folder(folder: &Path) -> Option<Trips> {
    let settings = Settings {
        folder: folder.join("k"),
        machine: "h100x1".to_owned(),
        containerd: folder.join("no-containerd.sock"),
        namespace: "kerf-bench".to_owned(),
        config: String::new(),
        peering: None,
        network: None,
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
    let mut asks = Vec::new();
    let mut leases = Vec::new();
    let mut refused = Vec::new();
    for round in 0..ROUNDS {
        let bundle = folder.join("b");
        let by_ask = |id: &str, namespace: &str| one(&kerfd, &bundle, (namespace, id), None);
        asks.push(by_ask(&format!("ask-{round}"), "default"));
        refused.push(by_ask(&format!("refused-{round}"), NOBODYS));
        let lease = kerf(&kerfd, &["-o", "json", "lease", "create", ASK]);
        let lease = lease["id"].as_str().or(lease["lease"]["id"].as_str());
        let lease = lease.expect("the id of a lease").to_owned();
        let id = format!("lease-{round}");
        leases.push(one(&kerfd, &bundle, ("default", &id), Some(lease)));
    }
    Some(Trips {
        ask: summed(asks),
        lease: summed(leases),
        refused: summed(refused),
    })
}

fn summed(mut times: Vec<f64>) -> RoundTrips {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| {
        let place = times.get(times.len() * part / 100);
        place.copied().unwrap_or(f64::NAN)
    };
    RoundTrips {
        p50_us: at(50),
        p99_us: at(99),
    }
}

/// Microseconds of one.
fn one(
    kerfd: &Kerfd,
    bundle: &Path,
    (namespace, container): (&str, &str),
    lease: Option<String>,
) -> f64 {
    let request = LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: container.to_owned(),
        namespace: namespace.to_owned(),
        bundle: bundle.to_owned(),
        pid_file: Some(bundle.join("pid")),
        ask: lease.is_none().then(|| ASK.to_owned()),
        lease,
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
    until_free(kerfd);
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
    let is_granted = matches!(reply.outcome, Outcome::Granted(_));
    assert_eq!(is_granted, request.namespace != NOBODYS, "{reply:?}");
    took.as_secs_f64() * 1e6
}

/// Waits until kerfd has seen that the launch came to nothing, and nobody has anything.
fn until_free(kerfd: &Kerfd) {
    let until = Instant::now() + LIMIT;
    loop {
        let all = kerf(kerfd, &["-o", "json", "lease", "list"]);
        let leases = all["leases"].as_array().expect("a list of leases");
        if leases.is_empty() {
            // What follows an end, names and a picture without the lease, is not what the next one is measured by.
            std::thread::sleep(REST);
            return;
        }
        assert!(Instant::now() < until, "{leases:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kerf(kerfd: &Kerfd, args: &[&str]) -> Value {
    let mut command = kerfd.kerf().expect("kerf is built");
    let output = command.args(args).output().expect("kerf starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}
