//! The ways to a slice in each version of containerd: by annotation, by CDI name and over gRPC for plain
//! clients, by runtime handler and by CDI name for pods.

use std::collections::BTreeSet;
use std::process::Command;

use kerf_api::v1::Lease;
use kerf_tests::engines::Suite;
use kerf_tests::process;
use kerf_tests::world::{IMAGE, Image, PAUSE};

use super::client::layout;
use super::containers::run;
use super::cri::{Asks, Cri, Pod};
use super::isolation::{expected, lease_of, own, probe, probe_by};
use super::world::World;

const ACCELERATOR: &str = "kerf.dev/accelerator";

/// Pods ask too; containerd has a fixed namespace for them.
const PODS: &str = "[launch.asks]\n\"k8s.io\" = [\"*\"]\n";

/// The image of a pod's container: CRI wants names with a place.
const POD_IMAGE: &str = "localhost/busybox:kerf";

/// The same image, which asks for a whole GPU by its labels.
const GREEDY_IMAGE: &str = "localhost/greedy:kerf";

/// `ctr run` that sees the CDI files of this kerfd: it reads those of the host, `/etc/cdi` and `/run/cdi`, so
/// it gets a `/run` of its own.
pub fn ctr_by_name(
    world: &World,
    id: &str,
    device: &str,
    detach: bool,
) -> super::containers::Ended {
    let mut ctr = world.engine().ctr_run();
    let log = format!("file://{}", world.scratch.join("cdi.log").display());
    match detach {
        true => ctr.args(["--detach", "--log-uri", &log]),
        false => ctr.arg("--rm"),
    };
    let command = if detach { "exec sleep 600" } else { "true" };
    ctr.args(["--device", device, IMAGE, id, "sh", "-c", command]);
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        OWN_RUN,
        "sh",
    ]);
    command
        .arg(world.kerfd.cdi())
        .arg(ctr.get_program())
        .args(ctr.get_args());
    run(&mut command, &world.scratch.join(format!("{id}.ctr")))
}

const OWN_RUN: &str = r#"set -e
cdi=$1; shift
exec 9< "$cdi"
mount -t tmpfs tmpfs /run
mkdir /run/cdi
mount --bind "/proc/self/fd/9" /run/cdi
exec 9<&-
exec "$@""#;

/// A container has the nodes of its lease, of every node that the machine has.
fn assert_own(world: &World, id: &str) {
    let lease = lease_of(world, id);
    let seen = own(&probe(world, id, &world.nodes()));
    assert_eq!(seen, expected(world, &lease), "{id}");
}

/// A job over gRPC: kerfd names kerf-runtime as the task's binary.
fn runs_jobs(world: &World) {
    let mut command = world.kerfd.kerf().expect("kerf");
    let script = "ls /dev/nvidia-caps | wc -l; echo $KERF_LEASE";
    command.args(["run", "--image", IMAGE, "--accel", "1g.10gb", "--"]);
    command.args(["sh", "-c", script]);
    let text = process::run(&mut command).expect("the job runs");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        matches!(lines.as_slice(), ["2", lease] if lease.len() == 36),
        "{text}"
    );
    world.until_no_leases();
}

/// `cdi`: whether its `ctr` resolves names. That of 1.7 does not, although its CRI does.
fn serves_plain_clients(suite: Suite, cdi: bool) {
    let Some(world) = World::of_suite(suite, "h100x8", "", false) else {
        return;
    };
    world.start("asks", "1g.10gb");
    assert_own(&world, "asks");
    world.end("asks");
    world.until_no_leases();
    runs_jobs(&world);
    let error = world.refuse("none", &[(ACCELERATOR, "9g.90gb")]);
    assert!(error.contains("no GPU of this host has"), "{error}");
    world.assert_untouched();

    let slices = layout(&[(&["0"], &[("1g.10gb", 2)])]);
    world.client.apply(slices).expect("it is applied");
    let slice = world.client.slices().swap_remove(0);
    let named = ctr_by_name(&world, "named", &slice.cdi_name, true);
    if !cdi {
        // The name is taken for the path of a node, and there is none.
        assert!(
            named.error().contains("no such file or directory"),
            "{}",
            named.text
        );
        assert_eq!(world.client.leases(), []);
        return;
    }
    named.ok();
    let lease = world.lease();
    assert_eq!(lease.state, "active");
    let seen = own(&probe(&world, "named", &world.nodes()));
    assert_eq!(seen, expected(&world, &lease));
    let late = ctr_by_name(&world, "late", &slice.cdi_name, true);
    assert!(late.error().contains("is leased"), "{}", late.text);
    let unknown = ctr_by_name(&world, "unknown", "kerf.dev/slice=0:9:9", true);
    assert!(
        unknown.error().contains("unresolvable CDI devices"),
        "{}",
        unknown.text
    );
    assert_eq!(world.lease(), lease);
    world.end("named");
    world.until_no_leases();
}

#[test]
fn containerd_1_6_serves_plain_clients() {
    serves_plain_clients(Suite::Bookworm, false);
}

#[test]
fn containerd_1_7_serves_plain_clients() {
    serves_plain_clients(Suite::Trixie, false);
}

#[test]
fn containerd_2_serves_plain_clients() {
    serves_plain_clients(Suite::Sid, true);
}

/// A host with pods: the sandbox's image, a plain one and a greedy one are there.
fn with_pods(suite: Suite) -> Option<(World, Cri)> {
    let world = World::of_suite(suite, "h100x8", PODS, true)?;
    let pause = Image {
        command: &["sleep", "100000"],
        ..Image::named(PAUSE)
    };
    let greedy = Image {
        labels: &[(ACCELERATOR, "gpu:1"), ("kerf.dev/lease", "x")],
        ..Image::named(GREEDY_IMAGE)
    };
    for image in [pause, Image::named(POD_IMAGE), greedy] {
        let archive = world.scratch.join("image.tar");
        image.write(&archive).expect("an image");
        let engine = world.engine();
        engine.import_in("k8s.io", &archive).expect("it is taken");
    }
    let cri = Cri::new(world.engine().socket(), world.namespace());
    Some((world, cri))
}

fn seen(world: &World, cri: &Cri, id: &str) -> BTreeSet<String> {
    own(&probe_by(id, &world.nodes(), |script| cri.exec(id, script)))
}

/// What a refused container of a pod says.
fn refused(cri: &Cri, pod: &Pod, name: &str, asks: Asks<'_>) -> String {
    let refused = cri.run(pod, name, POD_IMAGE, asks, "exec sleep 600");
    refused.expect_err("it must not start").message().to_owned()
}

fn asks<'a>(annotations: &'a [(&'a str, &'a str)]) -> Asks<'a> {
    Asks {
        annotations,
        ..Asks::default()
    }
}

fn serves_pods(suite: Suite) {
    let Some((world, cri)) = with_pods(suite) else {
        return;
    };
    let pod = cri.pod("by-handler", "kerf", &[]).expect("a pod");
    let ask = [(ACCELERATOR, "1g.10gb")];
    let script = "exec sleep 600";
    let id = cri
        .run(&pod, "one", POD_IMAGE, asks(&ask), script)
        .expect("it starts");
    let lease = world.lease();
    assert_eq!(lease.container, Some(format!("k8s.io/{id}")));
    assert_eq!(seen(&world, &cri, &id), expected(&world, &lease));
    // Neither what asks for nothing nor what only its image asks for has a device or a lease.
    for (name, image) in [("plain", POD_IMAGE), ("greedy", GREEDY_IMAGE)] {
        let id = cri
            .run(&pod, name, image, Asks::default(), script)
            .expect("it starts");
        assert_eq!(seen(&world, &cri, &id), BTreeSet::new(), "{name}");
    }
    assert_eq!(world.lease(), lease);
    let wrong = [(ACCELERATOR, "9g.90gb")];
    let error = refused(&cri, &pod, "wrong", asks(&wrong));
    assert!(error.contains("no GPU of this host has"), "{error}");
    // What is asked of the handler that is plain is asked of nobody.
    let plain = cri.pod("plain", "runc", &[]).expect("a pod");
    let id = cri
        .run(&plain, "one", POD_IMAGE, asks(&ask), script)
        .expect("it starts");
    assert_eq!(seen(&world, &cri, &id), BTreeSet::new());
    cri.end(&plain);
    cri.end(&pod);
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn containerd_1_6_serves_pods() {
    serves_pods(Suite::Bookworm);
}

#[test]
fn containerd_1_7_serves_pods() {
    serves_pods(Suite::Trixie);
}

#[test]
fn containerd_2_serves_pods() {
    serves_pods(Suite::Sid);
}

fn serves_pods_by_name(suite: Suite) {
    let Some((world, cri)) = with_pods(suite) else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 2)])]);
    world.client.apply(slices).expect("it is applied");
    let slice = world.client.slices().swap_remove(0);
    let named = |name| Asks {
        cdi: std::slice::from_ref(name),
        ..Asks::default()
    };
    // A pod of the plain handler: the name's own hook asks kerfd.
    let pod = cri.pod("by-name", "runc", &[]).expect("a pod");
    let name = slice.cdi_name.as_str();
    let id = cri.run(&pod, "one", POD_IMAGE, named(&name), "exec sleep 600");
    let id = id.expect("it starts");
    let lease: Lease = world.lease();
    assert_eq!(seen(&world, &cri, &id), expected(&world, &lease));
    let error = refused(&cri, &pod, "second", named(&name));
    assert!(error.contains("is leased"), "{error}");
    let error = refused(&cri, &pod, "unknown", named(&"kerf.dev/slice=0:9:9"));
    assert!(error.contains("unresolvable CDI devices"), "{error}");
    assert_eq!(world.lease(), lease);
    cri.end(&pod);
    world.until_no_leases();
}

#[test]
fn containerd_1_7_serves_pods_by_name() {
    serves_pods_by_name(Suite::Trixie);
}

#[test]
fn containerd_2_serves_pods_by_name() {
    serves_pods_by_name(Suite::Sid);
}
