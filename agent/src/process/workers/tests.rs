//! Workers that hang, die and lie; and, for tests of others, one that is this process.

use std::collections::BTreeSet;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use kerf_partitioner::process::attach::{AttachError, Target};
use kerf_partitioner::process::cgroup::Cgroup;
use kerf_partitioner::process::worker::{Site, serve};
use kerf_types::ContainerRef;

use super::*;

/// Workers that are threads of this process, at a socket as a service manager's: what it has open they find.
pub fn offered(folder: &Path) -> Processes {
    let program = program(folder);
    let listener = UnixListener::bind(&program.socket).expect("a socket");
    let site = Site {
        sysroot: folder.to_owned(),
        runtime: None,
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let site = site.clone();
            std::thread::spawn(move || serve(stream, &site));
        }
    });
    Processes::new(program)
}

fn program(folder: &Path) -> WorkerProgram {
    WorkerProgram {
        program: folder.join("process-worker"),
        nvml: None,
        sysroot: folder.to_owned(),
        simulated: None,
        records: folder.join("process-workers"),
        socket: folder.join("process.sock"),
        kind: Kind::Processes {
            runtime: folder.join("kerf-runtime"),
        },
    }
}

/// Workers that are this shell script: fd 0 is the socket.
fn scripted(folder: &Path, script: &str) -> Processes {
    let text = format!("#!/bin/sh\n{script}\n");
    let program = program(folder);
    kerf_tests::executable::script(&program.program, &text).expect("a script");
    Processes::new(program)
}

const SHORT: Duration = Duration::from_millis(300);

fn nothing() -> Call {
    Call::RemoveJobCgroups(wire::RemoveJobCgroups {
        namespace: "none".to_owned(),
        id: "none".to_owned(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_is_killed_and_the_next_call_has_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let script = format!("echo $$ >> {}; exec sleep 600", pids.display());
    let processes = scripted(folder.path(), &script);
    let begun = Instant::now();
    for round in 1..=MOST + 2 {
        let error = processes.call("a try", Touch::Something, SHORT, nothing());
        let error = error.await.expect_err("it never answers");
        assert_eq!(error.to_string(), "a try did not return within 300 ms");
        let told = std::fs::read_to_string(&pids).expect("they told");
        let all: Vec<u32> = told.lines().filter_map(|line| line.parse().ok()).collect();
        assert_eq!(all.len(), round, "one for each call");
        let left = all.into_iter().filter_map(process::identify).count();
        assert_eq!(left, 0, "nothing of it goes on");
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_in_the_middle_is_an_error_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let processes = scripted(folder.path(), "head -c 1 >/dev/null; kill -9 $$");
    let error = processes.call(
        "a try",
        Touch::Something,
        Duration::from_secs(60),
        nothing(),
    );
    let error = error.await.expect_err("it is gone");
    assert!(matches!(error, ProcessError::Worker { .. }), "{error}");
    let none = Processes::new(program(&folder.path().join("nowhere")));
    let error = none.call("a try", Touch::Nothing, SHORT, nothing()).await;
    let error = error.expect_err("there is no such program");
    assert!(matches!(error, ProcessError::Worker { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_one_that_was_killed_and_does_not_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let processes = offered(folder.path());
    let mut child = std::process::Command::new("sleep");
    let mut child = child.arg("600").spawn().expect("sleep");
    let stuck = process::identify(child.id()).expect("it runs");
    lock(&processes.0.unsettled).push((stuck, "an act"));
    let asked = processes.call("a try", Touch::Something, SHORT, nothing());
    let error = asked.await.expect_err("another one is at it");
    let expected = format!(
        "a try waits for process worker {}, which was killed in an act and has not gone",
        child.id()
    );
    assert_eq!(error.to_string(), expected);
    // Who only looks is in nobody's way.
    let seen = processes.holders_of(vec!["/dev/none".to_owned()]).await;
    assert_eq!(seen.expect("a look").holders, []);
    child.kill().expect("ours");
    child.wait().expect("ours");
    let asked = processes.call("a try", Touch::Something, SHORT, nothing());
    assert!(matches!(asked.await, Ok(Answer::Stays(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_an_earlier_kerfd_are_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let processes = Processes::new(program(folder.path()));
    let mut child = std::process::Command::new("sleep");
    let mut child = child.arg("600").spawn().expect("sleep");
    let named = process::identify(child.id()).expect("it runs");
    let records = &processes.0.program.records;
    std::fs::create_dir_all(records).expect("a folder");
    let record = records.join(named.pid.to_string());
    std::fs::write(&record, format!("{} 1 1\n", named.start_ticks)).expect("a record");
    processes.end_earlier().await;
    assert!(!child.wait().expect("ours").success(), "killed");
    assert!(!record.exists());
}

/// What kerfd says wrongly is refused before anything is touched, in words.
#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_touched_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let processes = offered(folder.path());
    let own = process::identify(std::process::id()).expect("it runs");
    let cgroup = Cgroup {
        folder: folder.path().to_owned(),
        inode: 1,
    };
    let target = Target {
        container: ContainerRef::try_new("", "c").expect("a name"),
        init: own.clone(),
        cgroup: cgroup.clone(),
    };
    let others = BTreeSet::new();
    let planned = processes.plan_attachment(&target, &[], &others);
    let error = planned.await.expect_err("no cgroup");
    let expected = format!(
        "looking at the container was refused by the process worker: {} is no cgroup with a list of devices",
        folder.path().display()
    );
    assert_eq!(error.to_string(), expected);
    let out = processes.take_out(&cgroup, &own, &Default::default()).await;
    assert!(matches!(out, Err(ActError::<AttachError>::Worker(_))));
    let folders = [folder.path().into()];
    let guard = processes.stand_guard(Path::new("/f"), &folders, SHORT);
    let error = guard.await.expect_err("no cgroup of a job");
    assert!(
        error.to_string().contains("is no cgroup of a job"),
        "{error}"
    );
    // And it goes on to answer.
    let seen = processes.holders_of(vec!["/dev/none".to_owned()]).await;
    assert_eq!(seen.expect("a look").holders, []);
}
