//! Dependencies between our packages point one way, and some of others stand in one place only.

use cargo_metadata::DependencyKind;

use super::assert_none;
use super::metadata::{self, Edge};

/// What each package may be built from, of ours. Development dependencies are free: tests may
/// look at everything. A new package takes a line here, and the line is its place in the design.
const MAY_USE: [(&str, &[&str]); 23] = [
    ("kerf-types", &[]),
    ("kerf-planner", &["kerf-types"]),
    ("kerf-register", &["kerf-types"]),
    (
        "kerf-scheduler",
        &["kerf-types", "kerf-planner", "kerf-register"],
    ),
    ("kerf-telemetry", &["kerf-types"]),
    ("kerf-membership", &["kerf-types"]),
    ("kerf-seal", &["kerf-types", "kerf-membership"]),
    (
        "kerf-identity",
        &["kerf-types", "kerf-membership", "kerf-seal"],
    ),
    ("kerf-nri", &[]),
    ("kerf-api", &["kerf-types"]),
    ("kerf-runtime", &["kerf-types"]),
    ("kerf-nvml-sim", &["kerf-types"]),
    // Apart from the simulator, which lies in the worker and in other people's processes: neither mounts anything.
    ("kerf-sim-mount", &["kerf-nvml-sim"]),
    // As well: programs of their own, which start processes and listen on sockets.
    ("kerf-sim-tools", &["kerf-nvml-sim"]),
    // The simulator as a library, for one thing: a worker that is told on its command line that its machine is
    // simulated writes through that machine's kernel. Nothing else leads there.
    (
        "kerf-partitioner",
        &["kerf-types", "kerf-planner", "kerf-api", "kerf-nvml-sim"],
    ),
    ("kerf-agent", AGENT),
    // What must hold of every text that is read: it calls the readers wherever they are, and nobody calls it.
    (
        "kerf-fuzz",
        &[
            "kerf-types",
            "kerf-api",
            "kerf-nri",
            "kerf-membership",
            "kerf-seal",
            "kerf-identity",
            "kerf-scheduler",
            "kerf-runtime",
            "kerf-partitioner",
            "kerf-agent",
        ],
    ),
    ("kerf-tests", &[]),
    // A job that tests run: it knows kerf by its environment alone.
    ("kerf-alltoall", &[]),
    // A submitting host of its own beside real kerfds, made of what kerfd has; nobody is built from it.
    (
        "kerf-bench",
        &[
            "kerf-types",
            "kerf-api",
            "kerf-membership",
            "kerf-scheduler",
            "kerf-telemetry",
            "kerf-agent",
            "kerf-tests",
        ],
    ),
    (
        "kerf-cluster-sim",
        &[
            "kerf-types",
            "kerf-planner",
            "kerf-register",
            "kerf-scheduler",
            "kerf-membership",
            "kerf-seal",
        ],
    ),
    // A network and nothing of kerf's: what runs on it is real.
    ("kerf-tap-switch", &[]),
    ("xtask", &["kerf-tests"]),
];

/// The agent joins everything that is shipped.
const AGENT: &[&str] = &[
    "kerf-types",
    "kerf-planner",
    "kerf-register",
    "kerf-scheduler",
    "kerf-membership",
    "kerf-seal",
    "kerf-identity",
    "kerf-nri",
    "kerf-telemetry",
    "kerf-api",
    "kerf-runtime",
    "kerf-nvml-sim",
    "kerf-partitioner",
    "kerf-sim-mount",
    "kerf-sim-tools",
];

/// The crate that opens the driver's library: one process holds it, so one package has it.
const NVML: &str = "nvml-wrapper";

/// Crates whose build needs protoc, which `cargo xtask setup` installs: xtask cannot need them.
const NEED_SETUP: [&str; 1] = ["containerd-client"];

fn is_ours(name: &str) -> bool {
    MAY_USE.iter().any(|(package, _)| *package == name) || name.starts_with("kerf-")
}

fn wrong_direction(edges: &[Edge]) -> Vec<String> {
    let wrong = |edge: &&Edge| {
        let allowed = MAY_USE.iter().find(|(package, _)| *package == edge.from);
        let may = allowed.is_some_and(|(_, names)| names.contains(&edge.to.as_str()));
        edge.is_shipped() && is_ours(&edge.to) && !may
    };
    let say = |edge: &Edge| format!("{} may not be built from {}", edge.from, edge.to);
    edges.iter().filter(wrong).map(say).collect()
}

fn driver_outside_partitioner(edges: &[Edge]) -> Vec<String> {
    let wrong = |edge: &&Edge| {
        let in_sim_tests = edge.from == "kerf-nvml-sim" && !edge.is_shipped();
        edge.to.starts_with(NVML) && edge.from != "kerf-partitioner" && !in_sim_tests
    };
    let say = |edge: &Edge| format!("{} depends on {}", edge.from, edge.to);
    edges.iter().filter(wrong).map(say).collect()
}

fn needs_setup(closure: &[String]) -> Vec<String> {
    let found = closure
        .iter()
        .filter(|name| NEED_SETUP.contains(&name.as_str()));
    found
        .map(|name| format!("xtask is built from {name}, whose build needs `xtask setup`"))
        .collect()
}

#[test]
fn packages_depend_in_one_direction() {
    assert_none(wrong_direction(&metadata::edges()));
}

#[test]
fn every_package_has_its_place() {
    let folders = metadata::folders();
    let known = |name: &str| MAY_USE.iter().any(|(package, _)| *package == name);
    let unknown = folders.iter().filter(|(name, _)| !known(name));
    assert_none(
        unknown
            .map(|(name, _)| format!("{name} has no line in MAY_USE"))
            .collect(),
    );
    assert_eq!(
        folders.len(),
        MAY_USE.len(),
        "MAY_USE names a package that is gone"
    );
}

#[test]
fn only_the_partitioner_opens_the_driver() {
    assert_none(driver_outside_partitioner(&metadata::edges()));
}

#[test]
fn xtask_builds_before_anything_is_set_up() {
    assert_none(needs_setup(&metadata::closure("xtask", "normal,build")));
}

#[test]
fn the_table_itself_has_no_circle() {
    for (package, uses) in MAY_USE {
        for other in uses {
            let back = MAY_USE
                .iter()
                .find(|(name, _)| name == other)
                .expect("a known package");
            assert!(
                !back.1.contains(&package),
                "{package} and {other} use each other"
            );
        }
    }
}

#[test]
fn a_wrong_direction_is_caught() {
    let edges = [
        Edge::new("kerf-runtime", "kerf-agent", DependencyKind::Normal),
        Edge::new("kerf-planner", "kerf-types", DependencyKind::Normal),
        Edge::new("kerf-telemetry", "kerf-api", DependencyKind::Build),
        Edge::new("kerf-agent", "kerf-tests", DependencyKind::Normal),
        Edge::new("kerf-agent", "kerf-tests", DependencyKind::Development),
        Edge::new("kerf-new", "kerf-types", DependencyKind::Normal),
    ];
    let expected = [
        "kerf-runtime may not be built from kerf-agent",
        "kerf-telemetry may not be built from kerf-api",
        "kerf-agent may not be built from kerf-tests",
        "kerf-new may not be built from kerf-types",
    ];
    assert_eq!(wrong_direction(&edges), expected);
}

#[test]
fn the_driver_in_another_package_is_caught() {
    let edges = [
        Edge::new("kerf-partitioner", NVML, DependencyKind::Normal),
        Edge::new("kerf-nvml-sim", NVML, DependencyKind::Development),
        Edge::new("kerf-nvml-sim", NVML, DependencyKind::Normal),
        Edge::new(
            "kerf-agent",
            "nvml-wrapper-sys",
            DependencyKind::Development,
        ),
    ];
    let expected = [
        "kerf-nvml-sim depends on nvml-wrapper",
        "kerf-agent depends on nvml-wrapper-sys",
    ];
    assert_eq!(driver_outside_partitioner(&edges), expected);
}

#[test]
fn a_crate_that_needs_protoc_is_caught_in_xtask() {
    let closure = ["anyhow", "containerd-client"].map(str::to_owned);
    assert_eq!(needs_setup(&closure).len(), 1);
}
