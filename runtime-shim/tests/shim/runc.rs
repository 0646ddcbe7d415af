//! With runc: what a container may open, and what happens when it gets nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_runtime::frame::{DeviceNode, Grant, LaunchKind, LaunchReply};
use kerf_tests::poll;
use serde_json::{Value, json};

use crate::world::kerfd::Kerfd;
use crate::world::{self, World};

const SHIM: &str = env!("CARGO_BIN_EXE_kerf-runtime");

/// How long a container may take that ends by itself; a machine under load is slow.
const LIMIT: Duration = Duration::from_secs(60);

fn lease(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012}")
}

pub fn grant(number: usize, devices: Vec<DeviceNode>) -> Grant {
    Grant {
        lease_id: lease(number),
        fence: 1,
        devices,
        ..Grant::default()
    }
}

fn ask() -> Value {
    json!({"kerf.dev/accelerator": "1g.10gb"})
}

/// A container that runs under the name of its bundle and is deleted when the test ends, however it ends.
pub struct Container<'w> {
    world: &'w World,
    shim: PathBuf,
    id: String,
}

impl<'w> Container<'w> {
    pub fn new(world: &'w World, shim: &Path, name: &str) -> Self {
        Self {
            world,
            shim: shim.to_owned(),
            id: format!("{name}-{}", std::process::id()),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn create(&self, bundle: &Path) -> bool {
        let bundle = bundle.to_str().expect("text");
        let pid = self.world.path("pid");
        let pid = pid.to_str().expect("text");
        let verb = ["create", "--bundle", bundle, "--pid-file", pid, &self.id];
        self.world.runtime(&self.shim, &verb).success()
    }

    pub fn start(&self) -> bool {
        self.world
            .runtime(&self.shim, &["start", &self.id])
            .success()
    }

    fn exists(&self) -> bool {
        self.world.path("runc/moby").join(&self.id).exists()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.world
            .runtime(&self.shim, &["delete", "--force", &self.id]);
    }
}

/// Waits for a file that the container writes when it is done.
pub fn done(bundle: &Path) {
    let file = bundle.join("rootfs/done");
    poll::until_true("the end of the container", LIMIT, || file.exists()).expect("it ends");
}

/// A script that makes a node for each of `minors` and writes down what opening it answers.
fn opener(major: u32, minors: std::ops::Range<u32>) -> String {
    let mut script = String::new();
    for minor in minors {
        let try_one =
            format!("mknod /tmp/{minor} c {major} {minor}; (exec 3<>/tmp/{minor}) 2>>/out; ");
        script.push_str(&try_one);
    }
    script + "ls /dev > /nodes; env > /env; : > /done"
}

#[test]
fn each_container_opens_its_own_devices_and_no_other() {
    if world::can_run() {
        matrix("runc");
    }
}

/// Three containers of one runtime, one after the other, with a device of its own each.
pub fn matrix(runtime: &str) {
    let world = World::new();
    let shim = world.install(Path::new(SHIM), runtime, 10_000);
    let major = world::free_majors().next().expect("a free major");
    // Minor 0 is shared, as nvidiactl is; container n has 1+n for itself.
    let nodes: Vec<DeviceNode> = (0..4)
        .map(|minor| world.node(&format!("accel{minor}"), major, minor))
        .collect();
    let shared = nodes.clone();
    let kerfd = Kerfd::listen(&world.socket(), move |request| {
        let number: usize = request
            .ask
            .as_deref()?
            .strip_prefix("slice:")?
            .parse()
            .ok()?;
        let own = shared.get(1 + number)?.clone();
        let mut grant = grant(number, vec![shared.first()?.clone(), own]);
        grant.env = vec!["NVIDIA_VISIBLE_DEVICES=void".to_owned()];
        Some(LaunchReply::granted(grant))
    });
    for number in 0..3 {
        let script = opener(major, 0..4);
        let name = format!("matrix{number}");
        let annotations = json!({"kerf.dev/accelerator": format!("slice:{number}")});
        let bundle = world.bundle(&name, &["/bin/sh", "-c", &script], annotations);
        let container = Container::new(&world, &shim, &name);
        assert!(container.create(&bundle), "{}", world.text("stderr"));
        assert!(container.start(), "{}", world.text("stderr"));
        done(&bundle);
        let read = |name: &str| fs::read_to_string(bundle.join("rootfs").join(name));
        let answers: Vec<String> = read("out").expect("answers").lines().map(answer).collect();
        let expected = (0..4).map(|minor| match minor {
            0 => "0 allowed".to_owned(),
            m if m == 1 + number => format!("{m} allowed"),
            m => format!("{m} denied"),
        });
        assert_eq!(answers, expected.collect::<Vec<_>>());
        let listed = read("nodes").expect("nodes");
        let listed: Vec<&str> = listed.lines().filter(|n| n.starts_with("accel")).collect();
        assert_eq!(
            listed,
            ["accel0".to_owned(), format!("accel{}", 1 + number)]
        );
        let env = read("env").expect("env");
        assert!(
            env.lines()
                .any(|line| line == "NVIDIA_VISIBLE_DEVICES=void"),
            "{env}"
        );
    }
    let requests = kerfd.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.kind, LaunchKind::Create);
        assert_eq!(request.namespace, "moby");
        assert_eq!(request.pid_file, Some(world.path("pid")));
    }
}

/// `3 denied` of `sh: can't create /tmp/3: Operation not permitted`.
fn answer(line: &str) -> String {
    let minor = line
        .split("/tmp/")
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    let verdict = match line {
        l if l.ends_with("No such device or address") => "allowed",
        l if l.ends_with("Operation not permitted") => "denied",
        other => other,
    };
    format!("{} {verdict}", minor.unwrap_or("?"))
}

/// Creates a container with an ask and expects that nothing comes of it; gives the log's last message.
fn refused(world: &World, shim: &Path) -> String {
    let bundle = world.bundle("refused", &["/bin/true"], ask());
    refused_with(world, shim, &bundle)
}

fn refused_with(world: &World, shim: &Path, bundle: &Path) -> String {
    let before = fs::read(bundle.join("config.json")).expect("config");
    let container = Container::new(world, shim, "refused");
    assert!(!container.create(bundle), "it was created");
    assert!(!container.exists());
    assert_eq!(
        fs::read(bundle.join("config.json")).expect("config"),
        before
    );
    let beside = fs::read_dir(bundle).expect("bundle").count();
    assert_eq!(beside, 2, "something is left beside config.json and rootfs");
    let log = world.text("log.json");
    let line: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("json");
    assert_eq!(line["level"], "error");
    line["msg"].as_str().expect("a message").to_owned()
}

#[test]
fn without_a_grant_nothing_starts() {
    if !world::can_run() {
        return;
    }
    let refusing = World::new();
    let shim = refusing.install(Path::new(SHIM), "runc", 10_000);
    let kerfd = Kerfd::listen(&refusing.socket(), |_| {
        Some(LaunchReply::refused(
            "no slice of 1g.10gb is free",
            "see `kerf slices`",
        ))
    });
    let message = refused(&refusing, &shim);
    let expected =
        "kerf-runtime: kerfd refused: no slice of 1g.10gb is free (hint: see `kerf slices`)";
    assert_eq!(message, expected);
    assert_eq!(kerfd.requests().len(), 1);

    let absent = World::new();
    let shim = absent.install(Path::new(SHIM), "runc", 60_000);
    let message = refused(&absent, &shim);
    // After its 60 s it would say that it got no answer.
    assert!(message.contains("kerfd does not answer at"), "{message}");

    let silent = World::new();
    let shim = silent.install(Path::new(SHIM), "runc", 300);
    let _kerfd = Kerfd::listen(&silent.socket(), |_| None);
    let message = refused(&silent, &shim);
    assert!(
        message.contains("kerfd gave no answer within 300 ms"),
        "{message}"
    );
}

#[test]
fn a_grant_that_is_not_fit_for_use_starts_nothing() {
    if !world::can_run() {
        return;
    }
    type Fault = fn(&mut Grant);
    let faults: [(Fault, &str); 5] = [
        (
            |g| g.devices[0].minor += 1,
            "is not the granted character device",
        ),
        (
            |g| g.devices[0].host_path = "/etc/passwd".into(),
            "is not the granted",
        ),
        (
            |g| g.devices[0].host_path = "/no/such".into(),
            "cannot be read",
        ),
        (
            |g| g.devices[0].path = "/etc/shadow".into(),
            "bad device path",
        ),
        (|g| g.fence = 0, "the grant is out of date"),
    ];
    for (fault, expected) in faults {
        let world = World::new();
        let shim = world.install(Path::new(SHIM), "runc", 10_000);
        let major = world::free_majors().next().expect("a free major");
        let mut bad = grant(1, vec![world.node("accel0", major, 0)]);
        kerf_runtime::fence::pass(&world.path("run"), &bad).expect("a first grant");
        fault(&mut bad);
        let _kerfd = Kerfd::listen(&world.socket(), move |_| {
            Some(LaunchReply::granted(bad.clone()))
        });
        let message = refused(&world, &shim);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_privileged_container_is_refused_before_kerfd_is_asked() {
    if !world::can_run() {
        return;
    }
    let world = World::new();
    let shim = world.install(Path::new(SHIM), "runc", 10_000);
    let kerfd = Kerfd::listen(&world.socket(), |_| None);
    let bundle = world.bundle("refused", &["/bin/true"], ask());
    let mut spec = world::spec(&["/bin/true"], ask());
    spec["linux"]["resources"]["devices"] = json!([{"allow": true, "access": "rwm"}]);
    world::write_config(&bundle, &spec);
    let message = refused_with(&world, &shim, &bundle);
    assert!(message.contains("the container is privileged"), "{message}");
    assert!(kerfd.requests().is_empty());
}

#[test]
fn of_two_plain_runc_containers_with_one_standing_device_the_second_fails() {
    if !world::can_run() {
        return;
    }
    let world = World::new();
    let hook = world.install(Path::new(SHIM), "runc", 10_000);
    let taken = std::sync::atomic::AtomicBool::new(false);
    let kerfd = Kerfd::listen(&world.socket(), move |_| {
        let first = !taken.swap(true, std::sync::atomic::Ordering::SeqCst);
        Some(match first {
            true => LaunchReply::granted(grant(1, Vec::new())),
            false => LaunchReply::refused("gpu=0 is leased to another container", ""),
        })
    });
    let socket = world.socket();
    let args = json!(["kerf-runtime", "claim", "--socket", socket, "gpu=0"]);
    let mut created = Vec::new();
    let runc = Path::new("runc");
    let containers = ["claim0", "claim1"].map(|name| Container::new(&world, runc, name));
    for container in &containers {
        let bundle = world.bundle(&container.id, &["/bin/sleep", "60"], json!({}));
        let mut spec = world::spec(&["/bin/sleep", "60"], json!({}));
        spec["hooks"] = json!({"createRuntime": [{"path": hook, "args": args}]});
        world::write_config(&bundle, &spec);
        created.push(container.create(&bundle));
    }
    assert_eq!(created, [true, false], "{}", world.text("stderr"));
    assert!(
        world
            .text("log.json")
            .contains("gpu=0 is leased to another container")
    );
    let requests = kerfd.requests();
    let pid: i32 = requests[0].init_pid.expect("an init");
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(requests[0].claim.as_deref(), Some("gpu=0"));
    assert_eq!(requests[0].kind, LaunchKind::Claim);
}
