//! Children end with their guards.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{ChildGuard, run, shell_line};
use crate::{Scratch, poll};

/// How long something may take that is certain to come; a machine under load is slow.
const LIMIT: Duration = Duration::from_secs(60);

fn sleeper(scratch: &Scratch, script: &str) -> ChildGuard {
    let log = scratch.join("log");
    let script = format!("echo up; {script}");
    ChildGuard::spawn("sleeper", Command::new("sh").args(["-c", &script]), &log).expect("sh starts")
}

fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn dropping_the_guard_ends_the_process() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let child = sleeper(&scratch, "exec sleep 600");
    let pid = child.pid();
    assert!(is_there(pid));
    drop(child);
    assert!(!is_there(pid));
}

#[test]
fn a_process_does_not_outlive_the_thread_that_started_it() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let start = || {
        let mut child = sleeper(&scratch, "trap '' TERM; echo ready; exec sleep 600");
        poll::until_true("its start", LIMIT, || child.log_tail(1) == "ready").expect("it starts");
        assert!(child.exited().expect("a state").is_none());
        child
    };
    let mut child = std::thread::scope(|scope| scope.spawn(start).join().expect("no panic"));
    let status = child.wait(LIMIT).expect("the kernel ends it");
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn a_process_that_ignores_the_request_is_killed_and_reported() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let mut child = sleeper(
        &scratch,
        "trap '' TERM; echo deaf; while :; do sleep 1; done",
    );
    poll::until_true("the trap", LIMIT, || child.log_tail(1) == "deaf").expect("sh sets its trap");
    let error = child
        .terminate(Duration::from_millis(100))
        .expect_err("it does not listen");
    assert_eq!(error.to_string(), "sleeper was asked to end");
    assert!(!is_there(child.pid()));
}

#[test]
fn the_exit_status_and_the_log_are_kept() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let mut child = sleeper(&scratch, "echo down >&2; exit 7");
    let status = child.wait(LIMIT).expect("it ends by itself");
    assert_eq!(status.code(), Some(7));
    assert_eq!(child.log_tail(2), "up\ndown");
    assert!(child.signal(Signal::SIGTERM).is_err());
}

#[test]
fn a_failing_command_says_what_it_was_and_what_it_said() {
    let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).expect_err("exit 3");
    assert_eq!(
        error.to_string(),
        "sh -c 'echo why >&2; exit 3': exit status: 3\nwhy"
    );
}

#[test]
fn a_shell_line_can_be_typed() {
    let mut command = Command::new("kerf");
    command.args(["run", "--", "echo", "it's", ""]);
    assert_eq!(shell_line(&command), r"kerf run -- echo 'it'\''s' ''");
}
