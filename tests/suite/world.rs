//! The private containerd that all container tests stand on is a real one and leaves nothing.

use std::path::Path;

use kerf_tests::engines::Suite;
use kerf_tests::world::{Containerd, IMAGE, busybox_image, leftovers};
use kerf_tests::{Capability, Scratch, process, require};

/// containerd with the busybox image in it.
fn engine(scratch: &Scratch) -> Containerd {
    let archive = scratch.join("busybox.tar");
    busybox_image(&archive, IMAGE).expect("the host's busybox makes an image");
    let containerd = Containerd::start(&scratch.join("c")).expect("containerd comes up");
    containerd
        .import(&archive)
        .expect("containerd takes the archive");
    containerd
}

/// Nothing of this world may be left: process, mount, cgroup or state of runc.
fn assert_gone(scratch: &Scratch, namespace: &str) {
    let folder = scratch.path().display().to_string();
    assert_eq!(
        leftovers::mounts_below(scratch.path()),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(leftovers::processes_naming(&folder), Vec::<u32>::new());
    assert_eq!(leftovers::processes_in_cgroup(namespace), Vec::<u32>::new());
    for parent in [
        "/run/containerd/runc",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/devices",
    ] {
        assert!(
            !Path::new(parent).join(namespace).exists(),
            "{parent}/{namespace} is left"
        );
    }
}

#[test]
fn a_container_of_the_busybox_image_runs_and_its_exit_code_comes_back() {
    if !require(Capability::Containerd) || !require(Capability::Cgroup) {
        return;
    }
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let containerd = engine(&scratch);
    let namespace = containerd.namespace().to_owned();
    let mut command = containerd.ctr_run();
    command.args([
        "--rm",
        IMAGE,
        "one",
        "sh",
        "-c",
        "echo $((6 * 7)); ls /; exit 7",
    ]);
    let output = process::output(&mut command).expect("ctr starts");
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.starts_with(b"42\nbin\n"));
    containerd.stop().expect("nothing is left");
    assert_gone(&scratch, &namespace);
}

#[test]
fn a_container_runs_in_each_version_side_by_side() {
    let needs = [
        Capability::Containerd,
        Capability::Cgroup,
        Capability::Engines,
    ];
    if !needs.into_iter().all(require) {
        return;
    }
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let archive = scratch.join("busybox.tar");
    busybox_image(&archive, IMAGE).expect("the host's busybox makes an image");
    let mut engines = Vec::new();
    for suite in Suite::ALL {
        let folder = scratch.join(suite.name());
        let containerd =
            Containerd::start_suite(suite, &folder, None).expect("containerd comes up");
        containerd.import(&archive).expect("it takes the archive");
        engines.push(containerd);
    }
    let mut versions = std::collections::BTreeSet::new();
    for containerd in engines {
        let run = ["--rm", IMAGE, "one", "sh", "-c", "echo $((6 * 7)); exit 7"];
        let output = process::output(containerd.ctr_run().args(run)).expect("ctr starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(7), "42\n"));
        let answer = process::run(containerd.ctr().arg("version")).expect("an answer");
        let both: Vec<String> = answer
            .lines()
            .filter(|line| line.contains("Version:"))
            .map(str::to_owned)
            .collect();
        // Client and server are of one version, and each pair is of another.
        assert!(
            both.len() >= 2 && both.iter().all(|line| line.trim() == both[0].trim()),
            "{answer}"
        );
        versions.insert(both);
        let namespace = containerd.namespace().to_owned();
        containerd.stop().expect("nothing is left");
        assert!(leftovers::processes_in_cgroup(&namespace).is_empty());
    }
    assert_eq!(versions.len(), Suite::ALL.len());
    assert_gone(&scratch, "none");
}

#[test]
fn a_running_container_is_ended_with_its_containerd() {
    if !require(Capability::Containerd) || !require(Capability::Cgroup) {
        return;
    }
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let mut containerd = engine(&scratch);
    let namespace = containerd.namespace().to_owned();
    let run = ["--detach", IMAGE, "long", "sleep", "600"];
    process::run(containerd.ctr_run().args(run)).expect("it starts");
    containerd.kill9().expect("containerd goes");
    assert_eq!(
        leftovers::processes_in_cgroup(&namespace).len(),
        1,
        "the container lives on"
    );
    containerd.restart().expect("containerd comes back");
    let tasks = process::run(containerd.ctr().args(["tasks", "list"])).expect("a list");
    assert!(tasks.contains("RUNNING"), "{tasks}");
    drop(containerd);
    assert_gone(&scratch, &namespace);
}

#[test]
fn containers_without_shim_or_containerd_are_ended_too() {
    if !require(Capability::Containerd) || !require(Capability::Cgroup) {
        return;
    }
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let mut containerd = engine(&scratch);
    let namespace = containerd.namespace().to_owned();
    let run = ["--detach", IMAGE, "orphan", "sleep", "600"];
    process::run(containerd.ctr_run().args(run)).expect("it starts");
    let pid = containerd.pid();
    let sockets = containerd.shim_sockets();
    assert!(
        sockets.len() == 1 && sockets.iter().all(|socket| socket.exists()),
        "{sockets:?}"
    );
    containerd.kill9().expect("containerd goes");
    let socket = containerd.socket().display().to_string();
    let shims = leftovers::processes_naming(&socket);
    assert!(!shims.is_empty() && !shims.contains(&pid));
    leftovers::kill_all(&shims);
    containerd.stop().expect("nothing is left");
    assert_gone(&scratch, &namespace);
    assert!(!sockets.iter().any(|socket| socket.exists()), "{sockets:?}");
}
