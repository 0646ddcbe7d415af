//! In a mount namespace whose cgroup tree is version 2 alone: crun, which refuses a tree of both kinds, and runc with
//! its eBPF program. And containers with a user namespace, in either tree.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use kerf_runtime::frame::LaunchReply;
use kerf_tests::{Capability, bins, note, skip};
use serde_json::json;

use crate::runc::{Container, done, grant, matrix};
use crate::world::kerfd::Kerfd;
use crate::world::{self, World};

const SHIM: &str = env!("CARGO_BIN_EXE_kerf-runtime");

/// Says to a test that it runs in the view.
const IN_VIEW: &str = "KERF_PURE_VIEW";

/// Gives a program a tree of version 2, and runs it there.
const VIEW: &str =
    "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";

/// First uid of the user namespace on the host.
const FIRST_UID: u32 = 100_000;

#[test]
fn on_cgroup_v2_each_container_opens_its_own_devices_and_no_other() {
    if !world::can_run() {
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            VIEW,
            "sh",
        ])
        .arg(own)
        .args([
            "--exact",
            "pure::in_the_view",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(IN_VIEW, "1")
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if error.starts_with("umount:") || error.starts_with("mount:") {
        return skip(
            Capability::Cgroup,
            &format!("no v2 alone: {}", error.trim()),
        );
    }
    assert!(output.status.success(), "{said}\n{error}");
    assert!(error.contains("in the view: "), "{said}\n{error}");
}

/// Does nothing unless [`on_cgroup_v2_each_container_opens_its_own_devices_and_no_other`] starts it.
#[test]
fn in_the_view() {
    if std::env::var_os(IN_VIEW).is_none() {
        return;
    }
    for name in ["runc", "crun"] {
        let Some(runtime) = bins::system(name) else {
            note(&format!("{name} is not there"));
            continue;
        };
        let runtime = runtime.to_str().expect("text");
        without_an_ask(runtime);
        if name == "crun" && !may_lock_memory() {
            note(
                "crun lifts RLIMIT_MEMLOCK for its eBPF program, which is not allowed here: no container with devices",
            );
            continue;
        }
        matrix(runtime);
        in_a_user_namespace(runtime);
    }
    note("in the view: all was tried");
}

/// Whether the limit of locked memory can be lifted, which old crun does for kernels that count eBPF against it.
fn may_lock_memory() -> bool {
    let mut shell = Command::new("sh");
    let lifted = shell
        .args(["-c", "ulimit -H -l unlimited 2>/dev/null"])
        .status();
    lifted.is_ok_and(|status| status.success())
}

/// A life without an ask, and a refusal of one: nobody answers here. The message is where the engine looks for it.
fn without_an_ask(runtime: &str) {
    let world = World::new();
    let shim = world.install(Path::new(SHIM), runtime, 10_000);
    let mut spec = world::spec(&["/bin/sh", "-c", ": > /done"], json!({}));
    spec["linux"]["resources"] = json!({});
    let bundle = world.bundle("plain", &["/bin/true"], json!({}));
    world::write_config(&bundle, &spec);
    let container = Container::new(&world, &shim, "plain");
    assert!(
        container.create(&bundle),
        "{runtime}: {}",
        world.text("stderr")
    );
    assert!(
        world.path("runc/moby").join(container.id()).exists(),
        "--root is honoured"
    );
    assert!(container.start(), "{runtime}: {}", world.text("stderr"));
    done(&bundle);
    spec["annotations"] = json!({"kerf.dev/accelerator": "gpu"});
    world::write_config(&bundle, &spec);
    let refused = Container::new(&world, &shim, "refused");
    assert!(!refused.create(&bundle), "it was created");
    let log = world.text("log.json");
    assert!(log.contains("kerfd does not answer at"), "{log}");
}

#[test]
fn a_container_in_a_user_namespace_opens_its_own_device_and_no_other() {
    if world::can_run() {
        in_a_user_namespace("runc");
    }
}

/// Its own device comes from another path on the host; a neighbour's node is bound in beside, as an image's author
/// could not, to see that the device cgroup holds.
fn in_a_user_namespace(runtime: &str) {
    let world = World::new();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(world.dir.path(), open).expect("mode");
    let shim = world.install(Path::new(SHIM), runtime, 10_000);
    let major = world::free_majors().next().expect("a free major");
    let own = world.node("accel0", major, 0);
    let other = world.node("accel1", major, 1);
    let paths = [&own.host_path, &other.host_path];
    for path in paths {
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("mode");
    }
    let neighbour = other.host_path.clone();
    let _kerfd = Kerfd::listen(&world.socket(), move |_| {
        Some(LaunchReply::granted(grant(1, vec![own.clone()])))
    });
    let script = "for n in accel0 other; do (exec 3<>/dev/$n) 2>>/out; done; : > /done";
    let ask = json!({"kerf.dev/accelerator": "gpu"});
    let name = "userns";
    let bundle = world.bundle(name, &["/bin/sh", "-c", script], ask.clone());
    chown(bundle.join("rootfs"), Some(FIRST_UID), Some(FIRST_UID)).expect("chown");
    let mut spec = world::spec(&["/bin/sh", "-c", script], ask);
    let map = json!([{"containerID": 0, "hostID": FIRST_UID, "size": 65536}]);
    spec["linux"]["uidMappings"] = map.clone();
    spec["linux"]["gidMappings"] = map;
    let namespaces = spec["linux"]["namespaces"]
        .as_array_mut()
        .expect("namespaces");
    namespaces.push(json!({"type": "user"}));
    let mounts = spec["mounts"].as_array_mut().expect("mounts");
    mounts.push(
        json!({"destination": "/dev/other", "type": "bind", "source": neighbour,
        "options": ["bind", "rw"]}),
    );
    world::write_config(&bundle, &spec);
    let container = Container::new(&world, &shim, name);
    assert!(
        container.create(&bundle),
        "{runtime}: {}",
        world.text("stderr")
    );
    assert!(container.start(), "{runtime}: {}", world.text("stderr"));
    done(&bundle);
    let said = fs::read_to_string(bundle.join("rootfs/out")).expect("answers");
    let ends: Vec<&str> = said
        .lines()
        .filter_map(|line| line.rsplit(": ").next())
        .collect();
    let expected = ["No such device or address", "Operation not permitted"];
    assert_eq!(ends, expected, "{runtime}: {said}");
}
