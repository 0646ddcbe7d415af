//! Jobs whose kerfd, containerd, shim or store goes away while they run or end.

use std::time::Duration;

use kerf_tests::world::{IMAGE, leftovers};
use kerf_tests::{Capability, poll, process, require};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use super::containers::{engine, prints};
use super::host;
use super::script::World;

/// How long anything may take that kerfd does by itself.
const LIMIT: Duration = Duration::from_secs(60);

/// Submits a shell script; gives the job's id.
fn submit(world: &World, flags: &[&str], script: &str) -> String {
    let fixed = ["submit", "--image", IMAGE];
    let words = [fixed.as_slice(), flags, &["--", "sh", "-c", script]].concat();
    world.says(&words).trim().to_owned()
}

/// The line of a job in the list of all.
fn line(world: &World, id: &str) -> String {
    let list = world.says(&["jobs", "--all"]);
    let line = list.lines().find(|line| line.starts_with(id));
    line.unwrap_or_default().to_owned()
}

fn until(world: &World, id: &str, words: &[&str]) {
    let all = || {
        let line = line(world, id);
        words.iter().all(|word| line.contains(word))
    };
    if let Err(error) = poll::until_true(&words.join(" "), LIMIT, all) {
        panic!("{error}; it is {:?}", line(world, id));
    }
}

fn logs_say(world: &World, id: &str, text: &str) {
    prints(world, &["logs", id], text);
}

/// Waits until a job has printed its first word and kerfd knows that it runs.
fn begun(world: &World, id: &str) {
    logs_say(world, id, "begun");
    until(world, id, &["running"]);
}

#[test]
fn a_shim_that_is_slow_when_kerfd_starts_costs_no_job() {
    let Some(mut world) = engine() else { return };
    let id = submit(
        &world,
        &[],
        "echo begun; while [ ! -e /go ]; do sleep 0.1; done; exit 6",
    );
    begun(&world, &id);
    let shims = leftovers::processes_naming(&format!("kerf-{id}-0"));
    let signal = |signal| {
        for shim in &shims {
            let pid = Pid::from_raw(i32::try_from(*shim).expect("a process id"));
            kill(pid, signal).expect("the shim is there");
        }
    };
    assert!(!shims.is_empty());
    world.kerfd().terminate().expect("it ends well");
    signal(Signal::SIGSTOP);
    world.kerfd().restart().expect("kerfd comes back");
    until(&world, &id, &["running", "its shim does not answer"]);
    signal(Signal::SIGCONT);
    until(&world, &id, &["running", "its container runs"]);
    let mut exec = world.containerd().ctr();
    exec.args([
        "tasks",
        "exec",
        "--exec-id",
        "go",
        &format!("kerf-{id}-0"),
        "touch",
        "/go",
    ]);
    // The job may end, and this with it, as soon as the file is there: how the job ends tells that it was.
    process::output(&mut exec).expect("it starts");
    until(&world, &id, &["failed", "exit code 6"]);
}

#[test]
fn a_job_that_runs_says_so_again_once_containerd_is_back() {
    let Some(mut world) = engine() else { return };
    let id = submit(&world, &["--grace", "1s"], "echo begun; sleep 600");
    begun(&world, &id);
    world.kerfd().terminate().expect("it ends well");
    world.containerd().kill9().expect("containerd goes");
    world.kerfd().restart().expect("kerfd comes back");
    until(&world, &id, &["running", "containerd does not answer"]);
    world.containerd().restart().expect("containerd comes back");
    until(&world, &id, &["running", "its container runs"]);
    world.says(&["cancel", &id]);
    until(&world, &id, &["cancelled"]);
}

#[test]
fn a_cancel_outlives_kerfd_and_containerd_and_starts_nothing_again() {
    let Some(mut world) = engine() else { return };
    // It takes its time to end and ends with an error, which its restart policy would mend.
    let script = "trap 'echo asked; sleep 2; exit 9' TERM; echo begun; while :; do sleep 0.1; done";
    let flags = ["--grace", "20s", "--restart", "always"];
    let cancelled = |world: &World| {
        let id = submit(world, &flags, script);
        begun(world, &id);
        world.says(&["cancel", &id]);
        id
    };
    // kerfd goes once it has written down what it wants: the next one does it.
    let id = cancelled(&world);
    let store = world.kerfd().state().join("state.db");
    poll::until_true("the intent in the store", LIMIT, || {
        let store = Connection::open(&store).expect("the store");
        let query = "SELECT document ->> '$.stopping[0]' FROM runs WHERE job = ?1";
        let cause = store.query_row(query, [&id], |row| row.get::<_, Option<String>>(0));
        cause.expect("the member").as_deref() == Some("cancel")
    })
    .expect("it is written down");
    world.kerfd().kill9().expect("kerfd goes");
    world.kerfd().restart().expect("kerfd comes back");
    until(&world, &id, &["cancelled"]);
    // It goes once it has asked, and the container ends while nobody looks.
    let id = cancelled(&world);
    logs_say(&world, &id, "asked");
    world.kerfd().kill9().expect("kerfd goes");
    let mut tasks = world.containerd().ctr();
    tasks.args(["tasks", "list"]);
    poll::until_true("the end", LIMIT, || {
        process::run(&mut tasks)
            .expect("a list")
            .contains("STOPPED")
    })
    .expect("it ends");
    world.kerfd().restart().expect("kerfd comes back");
    until(&world, &id, &["cancelled"]);

    // The same with containerd away when the signal is due.
    let id = submit(
        &world,
        &["--grace", "1s", "--restart", "always"],
        "echo begun; sleep 600",
    );
    begun(&world, &id);
    world.containerd().kill9().expect("containerd goes");
    world.says(&["cancel", &id]);
    until(&world, &id, &["running", "it is to end"]);
    world.containerd().restart().expect("containerd comes back");
    until(&world, &id, &["cancelled"]);
    prints(&world, &["jobs"], "no jobs");
}

#[test]
fn a_time_limit_goes_on_over_a_restart() {
    let Some(mut world) = engine() else { return };
    let flags = ["--grace", "1s", "--time-limit", "4s", "--restart", "always"];
    let id = submit(&world, &flags, "echo begun; sleep 600");
    begun(&world, &id);
    world.kerfd().kill9().expect("kerfd goes");
    world.kerfd().restart().expect("kerfd comes back");
    until(&world, &id, &["failed", "its time limit has passed"]);
}

#[test]
fn jobs_outlive_their_store() {
    let Some(mut world) = engine() else { return };
    let script = "echo begun; while [ ! -e /go ]; do sleep 0.1; done; echo done; exit 4";
    let id = submit(&world, &["-e", "KEY=value"], script);
    begun(&world, &id);
    let before = world.says(&["jobs", &id]);
    world.kerfd().kill9().expect("kerfd goes");
    let state = world.kerfd().state();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(state.join(name)));
    }
    world
        .kerfd()
        .restart()
        .expect("kerfd comes up all the same");
    until(&world, &id, &["running", "its container runs"]);
    assert_eq!(world.says(&["jobs", &id]), before);
    let mut exec = world.containerd().ctr();
    exec.args([
        "tasks",
        "exec",
        "--exec-id",
        "go",
        &format!("kerf-{id}-0"),
        "touch",
        "/go",
    ]);
    // The job may end, and this with it, as soon as the file is there: how the job ends tells that it was.
    process::output(&mut exec).expect("it starts");
    until(&world, &id, &["failed", "exit code 4"]);
    let copies = world.kerfd().folder().join("run/jobs");
    poll::until_true("the end of the copy", LIMIT, || {
        copies.read_dir().expect("the folder").next().is_none()
    })
    .expect("an ended job has none");
}

#[test]
fn a_container_that_nobody_knows_is_named_and_left_alone() {
    let Some(mut world) = engine() else { return };
    let id = submit(&world, &[], "echo begun; sleep 600");
    begun(&world, &id);
    world.kerfd().kill9().expect("kerfd goes");
    let (state, run) = (world.kerfd().state(), world.kerfd().folder().join("run"));
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(state.join(name)));
    }
    for copies in ["jobs", "runs"] {
        std::fs::remove_dir_all(run.join(copies)).expect("the copies");
    }
    world
        .kerfd()
        .restart()
        .expect("kerfd comes up all the same");
    prints(&world, &["status"], &format!("kerf-{id}-0"));
    let mut list = world.containerd().ctr();
    list.args(["tasks", "list"]);
    assert!(process::run(&mut list).expect("a list").contains("RUNNING"));
}

#[test]
fn a_kerfd_that_ends_fails_no_job() {
    if !require(Capability::Root) {
        return;
    }
    let mut world = host("h100x1");
    let ids: Vec<String> = (0..12).map(|_| submit(&world, &[], "true")).collect();
    // Their starts are tried all the time, since there is no containerd: some are always in the middle of one.
    for _ in 0..8 {
        world.kerfd().terminate().expect("it ends well");
        world.kerfd().restart().expect("kerfd comes back");
        let list = world.says(&["jobs"]);
        let gone = ids.iter().filter(|id| !list.contains(id.as_str()));
        assert_eq!(gone.count(), 0, "{}", world.says(&["jobs", "--all"]));
    }
}

#[test]
fn a_job_that_cannot_be_read_keeps_no_kerfd_from_starting() {
    if !require(Capability::Root) {
        return;
    }
    let mut world = host("h100x1");
    let submit = ["submit", "--image", IMAGE, "--", "true"];
    let ids = [0, 1].map(|_| world.says(&submit).trim().to_owned());
    world.kerfd().terminate().expect("it ends well");
    let store = Connection::open(world.kerfd().state().join("state.db")).expect("the store");
    let damage = "UPDATE jobs SET spec = '{\"image\":' WHERE id = ?1";
    assert_eq!(store.execute(damage, [&ids[0]]).expect("damage"), 1);
    drop(store);
    let copy = format!("run/jobs/{}.json", ids[0]);
    let copy = world.kerfd().folder().join(copy);
    let kept = std::fs::read(&copy).expect("the copy of an active job");
    std::fs::remove_file(&copy).expect("it is ours");
    world
        .kerfd()
        .restart()
        .expect("kerfd comes up all the same");
    let list = world.says(&["jobs"]);
    assert!(!list.contains(&ids[0]) && list.contains(&ids[1]), "{list}");
    let status = world.says(&["status"]);
    assert!(
        status.contains("cannot be read") && status.contains(&ids[0]),
        "{status}"
    );
    // With its copy it is as before.
    world.kerfd().terminate().expect("it ends well");
    std::fs::write(&copy, kept).expect("it is put back");
    world.kerfd().restart().expect("kerfd comes up");
    assert!(world.says(&["jobs"]).contains(&ids[0]));
    assert!(!world.says(&["status"]).contains("cannot be read"));
}
