//! The words of runtimes, and containerd's times.

use std::path::Path;

use kerf_types::ContainerRef;
use prost_types::Timestamp as WireTimestamp;

use super::ContainerStatus;
use super::orphan::{bundle_in_the_way, is_shim, kills};
use super::task::clear;
use super::timestamp;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn only_the_containers_own_shim_is_taken_for_it() {
    let container = ContainerRef::try_new("kerf", "job-1").expect("a name");
    let socket = Path::new("/run/containerd/containerd.sock");
    let shim = "/usr/bin/containerd-shim-runc-v2 -namespace kerf -id job-1 -address \
        /run/containerd/containerd.sock";
    assert!(is_shim(&words(shim), socket, &container));
    for (part, other) in [
        ("-runc-v2 ", "-kata-v2 "),
        ("-namespace kerf", "-namespace k8s.io"),
        ("-id job-1", "-id job-10"),
        ("containerd.sock", "other.sock"),
        ("-id job-1 ", ""),
        ("/usr/bin/containerd-shim", "vi /usr/bin/containerd-shim"),
    ] {
        let line = shim.replacen(part, other, 1);
        assert_ne!(line, shim);
        assert!(!is_shim(&words(&line), socket, &container), "{line}");
    }
    assert!(!is_shim(&[], socket, &container));
}

#[test]
fn the_words_of_the_runtime_stand_alone() {
    let check = |message, expected| assert_eq!(clear(message), expected);
    check(
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
         container process: exec: \"/x\": stat /x: no such file or directory",
        "exec: \"/x\": stat /x: no such file or directory",
    );
    check(
        "failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error \
         (open /run/b/log.json: no such file or directory): /usr/bin/kerf-runtime did not terminate \
         successfully: exit status 1: kerf-runtime: no answer of kerfd\n",
        "/usr/bin/kerf-runtime did not terminate successfully: exit status 1: kerf-runtime: no \
         answer of kerfd",
    );
    check("first\n\n  second\r\n", "first / second");
    check("", "");
}

#[test]
fn only_the_containers_own_bundle_is_in_its_way() {
    let container = ContainerRef::try_new("kerf", "job-1").expect("a name");
    let found = |message: &str| bundle_in_the_way(message, &container);
    let bundle = "/run/containerd/io.containerd.runtime.v2.task/kerf/job-1";
    let message = format!("failed to start shim: mkdir {bundle}: file exists");
    assert_eq!(found(&message), Some(bundle.into()));
    for other in [
        message.replace("kerf/job-1", "kerf/job-2"),
        message.replace("kerf/job-1", "k8s.io/job-1"),
        message.replace("kerf/job-1", "kerf/xjob-1"),
        message.replace("/run", "run"),
        message.replace("exists", "missing"),
        message.replace("mkdir", "open"),
    ] {
        assert_eq!(found(&other), None, "{other}");
    }
}

#[test]
fn absurd_times_are_no_panic() {
    let check = |seconds, nanos, expected| {
        let time = WireTimestamp { seconds, nanos };
        assert_eq!(timestamp(Some(time)).0, expected);
    };
    check(1, 5_000_000, 1_005);
    check(-1, -1, 0);
    check(i64::MAX, i32::MAX, u64::MAX);
    assert_eq!(timestamp(None).0, 0);
}

#[test]
fn a_silent_shim_is_asked_again_and_its_container_is_not_dead() {
    use containerd_client::types::v1::{Process, Status};

    let check = |status: Status, expected| {
        let process = Process {
            status: status.into(),
            ..Process::default()
        };
        assert_eq!(super::view::status(&process), expected, "{status:?}");
    };
    check(Status::Unknown, ContainerStatus::Silent);
    check(Status::Running, ContainerStatus::Running);
    check(Status::Pausing, ContainerStatus::Paused);
    check(Status::Created, ContainerStatus::Created);
}

#[test]
fn kills_at_the_memory_limit_are_counted_in_both_kinds_of_cgroups() {
    let v2 = "low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n";
    let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!((kills(v2), kills(v1)), (1, 3));
    assert_eq!(kills("oom_kill_disable 1\nunder_oom 0\n"), 0);
}
