//! Pods whose containers get what the pod asks for by NRI, and the gate behind it: real containerd 2, the plain handler
//! and kerf's.

use std::collections::BTreeSet;
use std::io::Write;

use kerf_api::v1::Lease;
use kerf_tests::engines::Suite;
use kerf_tests::world::{Image, PAUSE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cri::{Asks, Cri, Pod};
use super::isolation::{expected, own, probe_by};
use super::world::World;

const ACCELERATOR: &str = "kerf.dev/accelerator";

/// All pods may ask for one small slice, those of the tests' namespace for a larger one too.
const ASKS: &str = r#"[launch.asks]
"k8s.io" = []
"k8s.io/tests" = ["1g.*", "2g.*"]
"#;

/// The image of containers: CRI wants names with a place.
const IMAGE: &str = "localhost/busybox:kerf";

/// The same, which asks for a GPU by its labels and in its environment.
const GREEDY: &str = "localhost/greedy:kerf";

const SLEEP: &str = "exec sleep 600";

/// A host with pods and a kerfd that is a plugin of their engine.
struct Pods {
    world: World,
    cri: Cri,
}

impl Pods {
    fn new() -> Option<Self> {
        Self::of(Suite::Sid)
    }

    /// With the engine of a suite, whose NRI is turned on.
    fn of(suite: Suite) -> Option<Self> {
        let mut world = World::of_suite(suite, "h100x8", ASKS, true)?;
        let pause = Image {
            command: &["sleep", "100000"],
            ..Image::named(PAUSE)
        };
        let greedy = Image {
            labels: &[(ACCELERATOR, "1g.10gb")],
            env: &["NVIDIA_VISIBLE_DEVICES=all"],
            ..Image::named(GREEDY)
        };
        for image in [pause, Image::named(IMAGE), greedy] {
            let archive = world.scratch.join("image.tar");
            image.write(&archive).expect("an image");
            let engine = world.engine();
            engine.import_in("k8s.io", &archive).expect("it is taken");
        }
        let socket = world.scratch.join("c/nri.sock");
        let file = world.kerfd.folder().join("kerf.toml");
        let mut file = std::fs::File::options()
            .append(true)
            .open(file)
            .expect("it is there");
        writeln!(file, "[launch]\nnri = {socket:?}").expect("written");
        world.kerfd.signal(Signal::SIGHUP).expect("it runs");
        let cri = Cri::new(world.engine().socket(), world.namespace());
        let pods = Self { world, cri };
        pods.until_connected(1);
        Some(pods)
    }

    /// Waits until kerfd was taken for a plugin so many times since the first start.
    fn until_connected(&self, times: usize) {
        let log = self.world.kerfd.folder().join("kerfd.log");
        self.world.until("the engine", || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            text.matches("nri connected").count() >= times
        });
    }

    fn pod(&self, name: &str, handler: &str, asks: &[(&str, &str)]) -> Pod {
        self.cri.pod(name, handler, asks).expect("a pod")
    }

    fn start(&self, pod: &Pod, name: &str, image: &str) -> String {
        let started = self.cri.run(pod, name, image, Asks::default(), SLEEP);
        started.unwrap_or_else(|error| panic!("{error}\n{}", self.world.kerfd.log_tail()))
    }

    /// What a container that must not start says.
    fn refused(&self, pod: &Pod, name: &str) -> String {
        let refused = self.cri.run(pod, name, IMAGE, Asks::default(), SLEEP);
        refused.expect_err("it must not start").message().to_owned()
    }

    fn seen(&self, id: &str) -> BTreeSet<String> {
        let nodes = self.world.nodes();
        own(&probe_by(id, &nodes, |script| self.cri.exec(id, script)))
    }

    /// The container has the nodes of the only lease, which is its own, and no others.
    fn assert_has_its_lease(&self, id: &str) -> Lease {
        let lease = self.world.lease();
        assert_eq!(lease.state, "active");
        assert_eq!(lease.container, Some(format!("k8s.io/{id}")));
        assert_eq!(self.seen(id), expected(&self.world, &lease), "{id}");
        let said = self.cri.exec(id, "echo $KERF_LEASE");
        assert_eq!(said.trim(), lease.id);
        lease
    }
}

fn gets_what_its_pod_asks_for(suite: Suite, handler: &str) {
    let Some(pods) = Pods::of(suite) else {
        return;
    };
    let pod = pods.pod("all", handler, &[(ACCELERATOR, "1g.10gb")]);
    let one = pods.start(&pod, "one", IMAGE);
    let lease = pods.assert_has_its_lease(&one);
    assert_eq!(lease.holder, "pod uid-all");
    // A second container of the pod has a lease of its own.
    let two = pods.start(&pod, "two", IMAGE);
    let leases = pods.world.client.leases();
    let second = leases.iter().find(|found| found.id != lease.id);
    let second = second.expect("a second lease");
    assert_eq!(pods.seen(&two), expected(&pods.world, second));
    assert_eq!(pods.seen(&one), expected(&pods.world, &lease));
    pods.cri.end(&pod);
    pods.world.until_no_leases();

    let asks = [("kerf.dev/accelerator.two", "2g.20gb")];
    let pod = pods.pod("named", handler, &asks);
    let one = pods.start(&pod, "one", GREEDY);
    assert_eq!(
        pods.seen(&one),
        BTreeSet::new(),
        "an image asks for nothing"
    );
    assert_eq!(pods.world.client.leases(), []);
    let two = pods.start(&pod, "two", IMAGE);
    pods.assert_has_its_lease(&two);
    pods.cri.end(&pod);
    pods.world.until_no_leases();

    let pod = pods.pod("wrong", handler, &[("kerf.dev/accelerator.one", "gpu")]);
    let error = pods.refused(&pod, "one");
    assert!(
        error.contains(r#"namespace "k8s.io/tests" may not ask for "gpu""#),
        "{error}"
    );
    let pod = pods.pod("none", handler, &[("kerf.dev/lease", "no-such")]);
    let error = pods.refused(&pod, "one");
    assert!(error.contains("there is no lease no-such"), "{error}");
    pods.world.assert_untouched();
}

#[test]
fn a_container_gets_what_its_pod_asks_for() {
    gets_what_its_pod_asks_for(Suite::Sid, "runc");
}

/// NRI as containerd 1.7 has it: off by default, an event for each step, and no names of CDI.
#[test]
fn a_container_of_containerd_1_7_gets_what_its_pod_asks_for() {
    for handler in ["runc", "kerf"] {
        gets_what_its_pod_asks_for(Suite::Trixie, handler);
    }
}

#[test]
fn a_container_of_kerfs_handler_gets_what_its_pod_asks_for() {
    gets_what_its_pod_asks_for(Suite::Sid, "kerf");
}

/// NRI is open: an engine goes on without a plugin that does not answer. kerf's handler is the gate.
#[test]
fn a_hung_plugin_opens_no_way_around_the_gate() {
    let Some(pods) = Pods::new() else {
        return;
    };
    let settings = pods
        .world
        .kerfd
        .runtime()
        .with_file_name("kerf-runtime.toml");
    let text = std::fs::read_to_string(&settings).expect("the wrapper's settings");
    std::fs::write(&settings, format!("{text}require_lease = true\n")).expect("written");
    let ask = [(ACCELERATOR, "1g.10gb")];
    let gated = pods.pod("gated", "kerf", &ask);
    let plain = pods.pod("plain", "runc", &ask);
    let kerfd = Pid::from_raw(pods.world.kerfd.pid().try_into().expect("a pid"));
    kill(kerfd, Signal::SIGSTOP).expect("it runs");
    // The plain one first: the engine waits for its plugin and drops it.
    let open = pods.start(&plain, "one", IMAGE);
    let closed = pods.refused(&gated, "one");
    let seen = pods.seen(&open);
    kill(kerfd, Signal::SIGCONT).expect("it runs");
    assert!(closed.contains("requires one (require_lease)"), "{closed}");
    assert_eq!(seen, BTreeSet::new(), "it runs, with nothing");
    pods.until_connected(2);
    pods.world.until_no_leases();
    // Without an ask there is no lease, and without a lease no container behind the gate.
    let bare = pods.pod("bare", "kerf", &[]);
    let closed = pods.refused(&bare, "one");
    assert!(closed.contains("requires one (require_lease)"), "{closed}");
    let id = pods.start(&gated, "two", IMAGE);
    pods.assert_has_its_lease(&id);
}

#[test]
fn kerfd_and_the_engine_may_die_and_no_lease_is_lost() {
    let Some(mut pods) = Pods::new() else {
        return;
    };
    let pod = pods.pod("lives", "runc", &[(ACCELERATOR, "1g.10gb")]);
    let id = pods.start(&pod, "one", IMAGE);
    let lease = pods.assert_has_its_lease(&id);
    pods.world.kerfd.kill9().expect("it goes");
    pods.world.kerfd.restart().expect("it comes up");
    pods.until_connected(2);
    assert_eq!(pods.assert_has_its_lease(&id), lease);
    let engine = pods.world.containerd.as_mut().expect("an engine");
    engine.kill9().expect("it goes");
    engine.restart().expect("it comes up");
    pods.until_connected(3);
    assert_eq!(pods.assert_has_its_lease(&id), lease);
    let other = pods.pod("late", "runc", &[(ACCELERATOR, "2g.20gb")]);
    let late = pods.start(&other, "one", IMAGE);
    assert_eq!(pods.world.client.leases().len(), 2);
    assert_ne!(pods.seen(&late), pods.seen(&id));
    // One that ends while no kerfd is there to see it.
    pods.world.kerfd.kill9().expect("it goes");
    pods.cri.end(&pod);
    pods.world.kerfd.restart().expect("it comes up");
    pods.world.until("the end of one lease", || {
        pods.world
            .client
            .leases()
            .iter()
            .all(|found| found.id != lease.id)
    });
    pods.until_connected(4);
    pods.cri.end(&other);
    pods.world.until_no_leases();
    pods.world.assert_untouched();
}
