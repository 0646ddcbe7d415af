//! Start, output, exit code, stop, remove, and the same from a second launcher.

use std::time::Duration;

use kerf_agent::launcher::{ContainerStatus, Launcher, LauncherError};
use kerf_tests::poll;
use kerf_types::LeaseId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LIMIT, World, config, job};

#[test]
fn output_and_exit_code_come_back_and_nothing_stays() {
    let Some(world) = World::new() else { return };
    let script = "echo to out; echo to err >&2; exit 7";
    let (code, out) = world.shell("one", script);
    assert_eq!((code, out.as_str()), (7, "to out\n"));
    assert_eq!(world.log("one", "stderr.log"), "to err\n");
    world.assert_empty();
    let container = world.container("one");
    world
        .run(world.launcher.remove(&container))
        .expect("a second time is no error");
    let gone = world.run(world.launcher.wait(&container));
    assert!(
        matches!(gone, Err(LauncherError::NotFound { .. })),
        "{gone:?}"
    );
}

#[test]
fn a_container_has_what_the_spec_says_and_no_more() {
    let Some(world) = World::new() else { return };
    let lease = LeaseId::new(5, [9; 10]);
    let mut request = world.request(
        "spec",
        "echo $GREETING; pwd; hostname; id -u; ls /sys/class/net; ulimit -n; ulimit -c; \
         grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; \
         cat /proc/kcore 2>&1 | head -c 9; echo; \
         mknod /dev/x c 195 0 2>&1; unshare -U true 2>&1; mount -t tmpfs x /tmp 2>&1; echo end; sleep 600",
    );
    request.lease = Some(lease);
    request.spec.env = [("GREETING".to_owned(), "hello".to_owned())].into();
    request.spec.workdir = Some("/tmp".to_owned());
    request.spec.memory = Some(kerf_types::Bytes(64 << 20));
    request.spec.cpu_milli = Some(500);
    let started = world.start(request).expect("it starts");
    let over = || world.log("spec", "stdout.log").ends_with("\nend\n");
    poll::until_true("the script's output", LIMIT, over).expect("it prints");
    let expected = "hello\n/tmp\nspec\n0\nlo\n";
    let text = world.log("spec", "stdout.log");
    assert!(text.starts_with(expected), "{text}");
    for line in ["CapEff:\t00000000000404fb", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for refused in [
        "mknod: /dev/x:",
        "unshare: unshare",
        "mount: permission denied",
    ] {
        assert!(text.contains(refused), "{refused} is not in\n{text}");
    }
    let group = format!("/kerf/{}/spec", world.containerd.namespace());
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", started.pid)).expect("groups");
    assert!(groups.contains(&group), "{groups}");
    let info = world.ctr(&["containers", "info", "spec"]);
    assert!(
        info.contains(&format!("\"kerf.dev/lease\": \"{lease}\"")),
        "{info}"
    );
    assert!(info.contains("\"limit\": 67108864") && info.contains("\"quota\": 50000"));
    let view = world.view("spec").expect("it is there");
    assert_eq!(view.job, Some(job()));
    assert_eq!(view.lease, Some(lease));
    assert_eq!(view.pid, Some(started.pid));
    assert_eq!(view.log_dir, Some(world.log_dir("spec")));
    assert_eq!(view.status, ContainerStatus::Running);
    world
        .run(world.launcher.remove(&world.container("spec")))
        .expect("a running one is killed and goes");
    world.assert_empty();
}

#[test]
fn stop_asks_first_and_kills_then() {
    let Some(world) = World::new() else { return };
    let polite = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    for (id, script) in [("polite", polite), ("deaf", deaf)] {
        world.start(world.request(id, script)).expect("it starts");
        poll::until_true("the trap", LIMIT, || {
            world.log(id, "stdout.log") == "ready\n"
        })
        .expect("it is set");
    }
    let stop = |id, grace| {
        let container = world.container(id);
        world.run(world.launcher.stop(&container, grace))
    };
    let exit = stop("polite", LIMIT).expect("it ends");
    assert_eq!(exit.code, 3);
    assert!(exit.at.0 > 1_700_000_000_000);
    assert_eq!(stop("polite", LIMIT).expect("it says so again"), exit);
    let exit = stop("deaf", Duration::from_millis(300)).expect("it ends");
    assert_eq!(exit.code, 137);
    assert_eq!(world.finish("polite"), (3, "ready\nbye\n".to_owned()));
    assert_eq!(world.finish("deaf"), (137, "ready\n".to_owned()));
    world.assert_empty();
}

#[test]
fn a_frozen_container_goes_too() {
    let Some(world) = World::new() else { return };
    world
        .start(world.request("ice", "sleep 600"))
        .expect("it starts");
    world.ctr(&["tasks", "pause", "ice"]);
    let container = world.container("ice");
    let status = world.view("ice").map(|view| view.status);
    assert_eq!(status, Some(ContainerStatus::Paused));
    world
        .run(world.launcher.remove(&container))
        .expect("it is thawed and killed");
    world.assert_empty();
}

#[test]
fn a_new_launcher_takes_up_what_the_old_one_started() {
    let Some(mut world) = World::new() else {
        return;
    };
    let script = "while [ ! -e /tmp/go ]; do sleep 0.1; done; echo late; exit 5";
    let mut request = world.request("long", script);
    request.restarts = 2;
    let pid = world.start(request).expect("it starts").pid;
    // In the root file system of the container, as its first process sees it.
    let go = format!("/proc/{pid}/root/tmp/go");
    world.launcher = Launcher::new(config(&world.containerd, &world.scratch)).expect("another");
    let views = world.run(world.launcher.list()).expect("a list");
    let [view] = views.as_slice() else {
        panic!("one container, not {views:?}");
    };
    assert_eq!((view.restarts, view.pid), (2, Some(pid)));
    let twice = world.start(world.request("long", "true"));
    assert!(
        matches!(twice, Err(LauncherError::Exists { .. })),
        "{twice:?}"
    );
    std::fs::write(go, "").expect("the container's file system is there");
    assert_eq!(world.finish("long"), (5, "late\n".to_owned()));
    world.assert_empty();
}

/// Where a container's shim listens: containerd 1 writes the bare address into the bundle, 2 a JSON
/// document with it.
fn shim_socket(world: &World, id: &str) -> String {
    let bundles = world.scratch.join("c/state/io.containerd.runtime.v2.task");
    let bundle = bundles.join(world.containerd.namespace()).join(id);
    let files = ["address", "bootstrap.json"].map(|file| bundle.join(file));
    let texts = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok());
    let mut addresses = texts.filter_map(|text| {
        let (_, address) = text.split_once("unix://")?;
        address.split('"').next().map(str::to_owned)
    });
    addresses.next_back().expect("an address")
}

#[test]
fn a_dead_shim_ends_the_wait_and_leaves_nothing() {
    let Some(world) = World::new() else { return };
    let started = world
        .start(world.request("orphan", "sleep 600"))
        .expect("it starts");
    let status = std::fs::read_to_string(format!("/proc/{}/status", started.pid)).expect("alive");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let shim: i32 = parent.expect("a parent").trim().parse().expect("its id");
    let socket = shim_socket(&world, "orphan");
    kill(Pid::from_raw(shim), Signal::SIGKILL).expect("the shim goes");
    let container = world.container("orphan");
    let ended = world.run(world.launcher.wait(&container));
    assert!(
        matches!(ended, Err(LauncherError::ExitUnknown { .. })),
        "{ended:?}"
    );
    world
        .run(world.launcher.remove(&container))
        .expect("it goes");
    let alive = || std::path::Path::new(&format!("/proc/{}", started.pid)).exists();
    poll::until_true("the end of the process", LIMIT, || !alive()).expect("it is killed");
    // Of a shim that was killed nobody else removes it.
    std::fs::remove_file(socket).expect("it was there");
    world.assert_empty();
}
