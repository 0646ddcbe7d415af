//! Processes of this machine, alive and ended.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{MpsDaemon, has_ended, start_ticks, variable};

/// Far more than the kernel takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_zombie_has_ended_unless_other_threads_of_it_run() {
    assert!(has_ended('Z', 1) && has_ended('X', 0));
    assert!(!has_ended('Z', 2), "its first thread has ended alone");
    assert!(!has_ended('S', 1));
    let mut child = Command::new("true").spawn().expect("it starts");
    let end = Instant::now() + PATIENCE;
    // Nobody has waited for it: it is there, and has ended.
    while start_ticks(child.id()).is_some() {
        assert!(Instant::now() < end, "it does not end");
        std::thread::yield_now();
    }
    assert!(std::path::Path::new(&format!("/proc/{}", child.id())).exists());
    child.wait().expect("it has ended");
    assert_eq!(start_ticks(child.id()), None);
}

#[test]
fn what_a_process_was_started_with_is_read_and_its_end_is_seen() {
    let mut child = Command::new("cat")
        .env("KERF_TEST_FOLDER", "/a=b")
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let found = |name| variable(child.id(), name).expect("our own child");
    let end = Instant::now() + PATIENCE;
    // A process that has just been started has its environment a moment later.
    while found("KERF_TEST_FOLDER") != Some("/a=b".into()) {
        assert!(Instant::now() < end, "{:?}", found("KERF_TEST_FOLDER"));
        std::thread::yield_now();
    }
    assert_eq!(found("KERF_TEST"), None);
    let daemon = MpsDaemon {
        pid: child.id(),
        start_ticks: start_ticks(child.id()).expect("it runs"),
    };
    assert!(!daemon.ends(Duration::ZERO).expect("a descriptor"));
    daemon.terminate().expect("our own child");
    assert!(daemon.ends(PATIENCE).expect("a descriptor"));
    child.wait().expect("it has ended");
    assert_eq!(variable(child.id(), "PATH").expect("nobody"), None);
}
