//! Sixty-four containers and the nodes of fifty-six slices: each may open what is its own, and nothing else.
//!
//! The containers are driven through kerf-runtime without an engine, and their first process is the static probe of
//! [`kerf_tests::probe`], which sees every node of the machine in a folder besides its own `/dev`. It answers
//! again after an update of every container's limits, and after kerfd was killed and came back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use kerf_api::v1::lease_subject::Subject;
use kerf_tests::engines::Suite;
use kerf_tests::{
    Capability, ChildGuard, Scratch, bins, executable, poll, probe, process, require,
};
use nix::libc::{ENXIO, EPERM};
use nix::sys::stat::Mode;
use serde_json::json;

use super::bundle::Bundles;
use super::client::layout;
use super::containers::run;
use super::world::{LIMIT, World};

/// Of these, as many as there are slices have one each.
const CONTAINERS: usize = 64;

/// Eight GPUs with seven slices each.
const SLICES: usize = 56;

/// What a runtime puts into every container's `/dev`.
const USUAL: [&str; 7] = ["full", "null", "ptmx", "random", "tty", "urandom", "zero"];

/// What a container has that has a lease: common nodes, its GPU's, and those of its two instances.
type Nodes = BTreeSet<String>;

/// The unified hierarchy alone, as runtimes on newer hosts see it. The older ones stay where they are, unseen.
const UNIFIED: &str = "umount --recursive /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && \
                       echo ready && exec sleep 100000";

struct Matrix<'w> {
    world: &'w World,
    bundles: Bundles,
    ids: Vec<String>,
}

impl Matrix<'_> {
    fn start(&self) {
        let program = probe::program().expect("the probe is built");
        executable::copy(&program, &self.bundles.root().join("bin/probe")).expect("a copy");
        for folder in ["machine", "probe"] {
            std::fs::create_dir_all(self.bundles.root().join(folder)).expect("a folder");
        }
        for (number, id) in self.ids.iter().enumerate() {
            let mut spec = self.bundles.spec(id, "");
            spec["process"]["args"] = json!(["/bin/probe"]);
            // Without it the mode of a node would answer in the place of the device cgroup.
            let capabilities = json!(["CAP_DAC_OVERRIDE"]);
            for set in ["bounding", "effective", "permitted"] {
                spec["process"]["capabilities"][set] = capabilities.clone();
            }
            if number < SLICES {
                spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
            }
            let bundle = self.bundles.write(id, b"");
            nix::unistd::mkfifo(&bundle.join("go"), Mode::S_IRWXU).expect("a FIFO");
            let bind = |source: &Path, at: &str, mode: &str| json!({ "destination": at, "type": "bind", "source": source, "options": ["rbind", mode] });
            let mounts = spec["mounts"].as_array_mut().expect("mounts");
            mounts.push(bind(
                &self.world.kerfd.sysroot().join("dev"),
                "/machine",
                "ro",
            ));
            mounts.push(bind(&bundle, "/probe", "rw"));
            self.bundles.write(id, spec.to_string().as_bytes());
            let runtime = self.world.kerfd.runtime();
            let started = self
                .bundles
                .run(&runtime, id, &bundle, &["run", "--detach"]);
            started.ok();
        }
    }

    fn bundle(&self, id: &str) -> PathBuf {
        self.bundles.folder().join(id)
    }

    /// Has every container look again.
    fn again(&self) {
        for id in &self.ids {
            let go = self.bundle(id).join("go");
            // Without a reader the open of a FIFO fails; with one it begins the round.
            poll::until_true("a container that waits", LIMIT, || {
                use std::os::unix::fs::OpenOptionsExt;
                let mut options = std::fs::File::options();
                let flags = nix::libc::O_NONBLOCK;
                let opened = options.write(true).custom_flags(flags).open(&go);
                opened.is_ok_and(|mut go| go.write_all(b"\n").is_ok())
            })
            .expect("it waits");
        }
    }

    /// What the containers have found in a round, each against its lease; returns how many cells were right.
    fn check(&self, round: usize) -> usize {
        let own = own_nodes(self.world);
        let mut given = BTreeSet::new();
        let mut cells = 0;
        for (number, id) in self.ids.iter().enumerate() {
            let file = self.bundle(id).join(format!("out.{round}"));
            poll::until_true("an answer", LIMIT, || file.exists()).expect("it answers");
            let text = std::fs::read_to_string(&file).expect("an answer");
            let none = BTreeSet::new();
            let mine = match own.get(id.as_str()) {
                Some(nodes) => nodes,
                None => &none,
            };
            assert_eq!(mine.is_empty(), number >= SLICES, "{id}");
            let seen = Seen::parse(&text);
            assert_eq!(
                &seen.own, mine,
                "{id} has other nodes in /dev in round {round}"
            );
            assert_eq!(&seen.open, mine, "{id} opens others in round {round}");
            for name in mine.iter().filter(|name| name.contains("caps")) {
                assert!(given.insert(name.clone()), "{name} is given twice");
            }
            cells += seen.all;
        }
        assert_eq!(given.len(), 2 * SLICES);
        cells
    }

    /// As `runc update` does for a change of limits, and as it does when nothing was to change.
    fn update(&self, limits: &str) {
        let file = self.world.scratch.join("limits.json");
        std::fs::write(&file, limits).expect("a file");
        for id in &self.ids {
            let mut command = self.bundles.command(&self.world.kerfd.runtime());
            command.args(["update", "--resources"]).arg(&file).arg(id);
            let log = self.world.scratch.join("update.log");
            run(&mut command, &log).ok();
        }
    }
}

/// One round of one container.
struct Seen {
    /// Nodes of the machine's drivers in its `/dev`, all of which it opens.
    own: Nodes,
    /// Those of the machine that it opens; the kernel forbids all others.
    open: Nodes,
    /// How many nodes of the machine it was asked about.
    all: usize,
}

impl Seen {
    fn parse(text: &str) -> Self {
        let (mut own, mut open, mut all) = (Nodes::new(), Nodes::new(), 0);
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [kind, name, errno] = fields.as_slice() else {
                panic!("{line}");
            };
            let errno: i32 = errno.parse().expect("a number");
            match (*kind, errno) {
                ("dev", _) if USUAL.contains(name) => {}
                ("dev", ENXIO) => drop(own.insert((*name).to_owned())),
                ("machine", ENXIO) => drop(open.insert((*name).to_owned())),
                ("machine", EPERM) => {}
                _ => panic!("{line}"),
            }
            all += usize::from(*kind == "machine");
        }
        Self { own, open, all }
    }
}

/// The nodes of each container's lease.
fn own_nodes(world: &World) -> BTreeMap<String, Nodes> {
    let inventory = world.client.inventory();
    let table = world
        .kerfd
        .sysroot()
        .join("proc/driver/nvidia-caps/mig-minors");
    let table = std::fs::read_to_string(table).expect("the driver's table of capabilities");
    let minors: BTreeMap<&str, &str> = table
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let mut slices = BTreeMap::new();
    for gpu in &inventory.gpus {
        for gi in &gpu.instances {
            for ci in &gi.compute {
                let base = format!("gpu{}/gi{}", gpu.minor, gi.id);
                let paths = [
                    format!("{base}/access"),
                    format!("{base}/ci{}/access", ci.id),
                ];
                let caps =
                    paths.map(|path| format!("nvidia-caps/nvidia-cap{}", minors[path.as_str()]));
                let common = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"].map(str::to_owned);
                let nodes = common.into_iter().chain(caps);
                let nodes: Nodes = nodes.chain([format!("nvidia{}", gpu.minor)]).collect();
                slices.insert(ci.uuid.clone(), nodes);
            }
        }
    }
    let leases = world.client.leases().into_iter().map(|lease| {
        let container = lease.container.as_deref().expect("a container");
        let (_, id) = container.split_once('/').expect("a namespace");
        let [subject] = lease.subjects.as_slice() else {
            panic!("one subject, not {lease:?}");
        };
        let Some(Subject::Slice(slice)) = &subject.subject else {
            panic!("a slice, not {lease:?}");
        };
        (id.to_owned(), slices[&slice.uuid].clone())
    });
    leases.collect()
}

/// The diagonal with one runtime in one view of the cgroups, for as long as the containers live.
fn diagonal(world: &mut World, oci: PathBuf, view: Option<PathBuf>, limits: &str) {
    world.has_runtime(&oci);
    let slices = layout(&[(&["0", "1", "2", "3", "4", "5", "6", "7"], &[("1g.10gb", 7)])]);
    world.client.apply(slices).expect("it is applied");
    assert_eq!(world.client.slices().len(), SLICES);
    let ids: Vec<String> = (0..CONTAINERS).map(|number| format!("c{number}")).collect();
    let bundles = Bundles::by(world, oci, view);
    let matrix = Matrix {
        world,
        bundles,
        ids,
    };
    matrix.start();
    assert_eq!(world.client.leases().len(), SLICES);
    let nodes = world.nodes().len();
    assert!(nodes >= 8 + 3 + 2 * SLICES);
    assert_eq!(matrix.check(0), CONTAINERS * nodes);
    for (round, limits) in [(1, "{}"), (2, limits)] {
        matrix.update(limits);
        matrix.again();
        assert_eq!(matrix.check(round), CONTAINERS * nodes);
    }
    let Matrix { bundles, ids, .. } = matrix;
    world.kerfd.kill9().expect("kerfd goes");
    world.kerfd.restart().expect("kerfd comes back");
    let matrix = Matrix {
        world,
        bundles,
        ids,
    };
    matrix.again();
    assert_eq!(matrix.check(3), CONTAINERS * nodes);
    for id in &matrix.ids {
        matrix.bundles.end(id);
    }
    world.until_no_leases();
}

/// A mount namespace with the unified hierarchy alone; it lives as long as the guard.
pub fn unified(scratch: &Scratch) -> (ChildGuard, PathBuf) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", UNIFIED]);
    let log = scratch.join("view.log");
    let guard = ChildGuard::spawn("a view of cgroups", &mut command, &log).expect("it starts");
    poll::until_true("a view of cgroups", LIMIT, || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"))
    })
    .unwrap_or_else(|error| panic!("{error:#}: {}", guard.log_tail(5)));
    let view = PathBuf::from(format!("/proc/{}/ns/mnt", guard.pid()));
    (guard, view)
}

fn can_run() -> bool {
    [Capability::Containerd, Capability::Cgroup]
        .into_iter()
        .all(require)
}

#[test]
fn the_diagonal_with_runc_and_the_hosts_own_cgroups() {
    if !can_run() {
        return;
    }
    let Some(mut world) = World::bare("h100x8", "") else {
        return;
    };
    let runc = bins::system("runc").expect("runc");
    diagonal(&mut world, runc, None, r#"{"cpu":{"shares":512}}"#);
}

fn diagonal_on_v2(name: &str) {
    if !can_run() || !require(Capability::Engines) {
        return;
    }
    let Some(mut world) = World::bare("h100x8", "") else {
        return;
    };
    let (_guard, view) = unified(&world.scratch);
    let oci = Suite::Sid.program(name).expect("it is unpacked");
    let version = process::run(Command::new(&oci).arg("--version")).expect("a version");
    assert!(version.starts_with(name), "{version}");
    diagonal(&mut world, oci, Some(view), r#"{"hugepageLimits":[]}"#);
}

#[test]
fn the_diagonal_with_runc_and_cgroup_v2() {
    diagonal_on_v2("runc");
}

#[test]
fn the_diagonal_with_crun_and_cgroup_v2() {
    diagonal_on_v2("crun");
}
