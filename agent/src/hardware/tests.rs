//! The pool against workers that misbehave on purpose.

use std::sync::Arc;
use std::time::Duration;

use kerf_api::partitioner::v1::{Failure, Opened, Response, failure, response};
use kerf_telemetry::SelfMetrics;

use super::worker::Kind;
use super::{Deadlines, Hardware, HardwareError, WorkerProgram};

mod held;

/// Where an answer is expected; a machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where none will come.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// A pool whose worker is this shell script; fd 0 is the socket. Every call has this deadline.
fn pool(folder: &std::path::Path, script: &str, call: Duration) -> Hardware {
    pool_of(folder, script, call, call)
}

/// The same with a deadline of its own for loading the driver.
fn pool_of(folder: &std::path::Path, script: &str, call: Duration, open: Duration) -> Hardware {
    let program = folder.join("worker");
    kerf_tests::executable::script(&program, &format!("#!/bin/sh\n{script}\n")).expect("a script");
    Hardware::new(
        WorkerProgram {
            program,
            nvml: None,
            sysroot: folder.to_owned(),
            simulated: None,
            records: folder.join("workers"),
            socket: folder.join("partitioner.sock"),
            kind: Kind::Hardware,
        },
        Deadlines {
            call,
            open,
            step: call,
        },
        Arc::new(SelfMetrics::try_new().expect("metrics")),
    )
}

#[tokio::test]
async fn a_hung_driver_stops_the_spawning_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let script = format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display());
    let hardware = pool(folder.path(), &script, IMPATIENCE);
    for _ in 0..3 {
        let error = hardware.open().await.expect_err("it hangs");
        assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
    }
    let error = hardware.open().await.expect_err("no fourth worker");
    assert!(
        matches!(error, HardwareError::DriverHangs { stuck: 3 }),
        "{error}"
    );
    assert!(hardware.status().driver_hangs);
    assert_eq!(hardware.status().stuck_in_driver, 3);

    std::fs::write(&gate, "").expect("the gate opens");
    until("they did not come back", || hardware.status().stuck == 0).await;
    assert_eq!(hardware.status().timeouts, 3);
}

#[tokio::test]
async fn a_worker_that_dies_or_lies_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let hardware = pool(folder.path(), "exit 1", PATIENCE);
    for _ in 0..5 {
        let error = hardware.observe_host().await.expect_err("it ended");
        assert!(matches!(error, HardwareError::Worker { .. }), "{error}");
    }
    let lie = "printf '\\377\\377\\377\\377' >&0; sleep 5";
    let hardware = pool(folder.path(), lie, PATIENCE);
    let error = hardware.observe_host().await.expect_err("it lies");
    assert!(matches!(error, HardwareError::Worker { .. }), "{error}");
    assert_eq!(hardware.status().stuck, 0);
}

/// A process that is nobody's child here, as a worker of a kerfd that was killed is. It ends when the
/// returned end of its standard input is closed.
async fn orphan() -> (u32, tokio::process::ChildStdin) {
    use tokio::io::AsyncReadExt;
    // The shell gives a background process no input unless it is named.
    let script = "exec 3<&0; cat <&3 >/dev/null & echo $!";
    let mut shell = tokio::process::Command::new("sh")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");
    let (input, output) = (shell.stdin.take(), shell.stdout.take());
    let mut text = String::new();
    let mut output = output.expect("its output");
    output.read_to_string(&mut text).await.expect("a pid");
    shell.wait().await.expect("the shell ends");
    (
        text.trim().parse().expect("a pid"),
        input.expect("its input"),
    )
}

#[tokio::test]
async fn workers_of_an_earlier_kerfd_are_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().to_owned();
    let (pid, input) = orphan().await;
    let process = crate::process::identify(pid).expect("it runs");
    let record = |pid: u32, start: u64| {
        std::fs::write(records.join(pid.to_string()), start.to_string()).expect("a record");
    };
    record(pid, process.start_ticks);
    record(999_999_999, 5);
    let stuck = super::worker::await_earlier(&records, Duration::from_millis(20)).await;
    assert_eq!(stuck, [pid]);
    let waiting = super::worker::await_earlier(&records, PATIENCE);
    let (stuck, ()) = tokio::join!(waiting, async { drop(input) });
    assert!(stuck.is_empty());
    assert_eq!(std::fs::read_dir(&records).expect("the folder").count(), 0);
}

/// A shell command that sends this answer to the first call.
fn answer(outcome: response::Outcome) -> String {
    let octal: String = frame(1, outcome)
        .iter()
        .map(|byte| format!("\\{byte:03o}"))
        .collect();
    format!("printf '{octal}' >&0")
}

/// The answer to the call with that number.
fn frame(id: u64, outcome: response::Outcome) -> Vec<u8> {
    let outcome = Some(outcome);
    kerf_api::frame::encode_frame(&Response { id, outcome }).expect("a frame")
}

/// Polls with a deadline.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_worker_that_loads_late_is_asked_again_and_its_record_goes_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let opened = answer(response::Outcome::Opened(Opened::default()));
    let wait = format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display());
    let script = format!("{wait}\n{opened}\ncat >/dev/null");
    let hardware = pool(folder.path(), &script, IMPATIENCE);
    let error = hardware.open().await.expect_err("it is slow");
    assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
    std::fs::write(&gate, "").expect("the gate opens");
    until("it did not come back", || hardware.status().stuck == 0).await;
    let records = folder.path().join("workers");
    let count = || std::fs::read_dir(&records).expect("records").count();
    assert_eq!(count(), 1);
    hardware.open().await.expect("loaded by the first worker");
    assert_eq!(count(), 1, "no second worker");
    drop(hardware);
    until("the record stayed", || count() == 0).await;
}

/// While it loads, another worker may be the one that is asked what needs no driver.
#[tokio::test]
async fn a_worker_that_loads_late_takes_the_place_of_one_without_the_driver() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gate, starts) = (folder.path().join("gate"), folder.path().join("starts"));
    let opened = answer(response::Outcome::Opened(Opened::default()));
    let is_first = format!("[ $(wc -l < {}) -le 1 ]", starts.display());
    let wait = format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display());
    let script = format!(
        "echo x >> {}\nif {is_first}; then {wait}; fi\n{opened}\ncat >/dev/null",
        starts.display()
    );
    let hardware = pool_of(folder.path(), &script, PATIENCE, IMPATIENCE);
    let error = hardware.open().await.expect_err("it is slow");
    assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
    let gpu = "0000:01:00.0".parse().expect("an address");
    let error = hardware.observe_amd(gpu).await.expect_err("another answer");
    assert!(matches!(error, HardwareError::Protocol { .. }), "{error}");
    std::fs::write(&gate, "").expect("the gate opens");
    until("it did not come back", || hardware.status().stuck == 0).await;
    hardware.open().await.expect("loaded by the first worker");
    let text = std::fs::read_to_string(&starts).expect("two starts");
    assert_eq!(text, "x\nx\n");
    let records = folder.path().join("workers");
    let running = || super::worker::running(&records).len();
    until("the other stayed", || running() == 1).await;
}

#[tokio::test]
async fn a_missing_driver_is_not_asked_for_again_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let starts = folder.path().join("starts");
    let failure = Failure {
        code: failure::Code::NoDriver.into(),
        message: "no library".to_owned(),
        ..Failure::default()
    };
    let none = answer(response::Outcome::Failure(failure));
    let hardware = pool(
        folder.path(),
        &format!("echo x >> {}\n{none}\ncat >/dev/null", starts.display()),
        PATIENCE,
    );
    for _ in 0..3 {
        let error = hardware.open().await.expect_err("no driver");
        assert_eq!(error.to_string(), "loading the driver: no library");
    }
    let text = std::fs::read_to_string(&starts).expect("one start");
    assert_eq!(text, "x\n");
    // The kernel's files need no driver: a worker is started for them.
    let error = hardware.observe_host().await.expect_err("the same answer");
    assert!(error.is_no_driver(), "{error}");
    let text = std::fs::read_to_string(&starts).expect("two starts");
    assert_eq!(text, "x\nx\n");
}

#[tokio::test]
async fn a_closed_pool_asks_nobody_and_every_worker_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let starts = folder.path().join("starts");
    let opened = answer(response::Outcome::Opened(Opened::default()));
    let script = format!("echo x >> {}\n{opened}\ncat >/dev/null", starts.display());
    let hardware = pool(folder.path(), &script, PATIENCE);
    hardware.open().await.expect("loaded");
    let records = folder.path().join("workers");
    let running = || super::worker::running(&records).len();
    assert_eq!(running(), 1);
    hardware.close(PATIENCE).await;
    assert_eq!(running(), 0, "it has ended when this returns");
    for _ in 0..2 {
        let error = hardware.open().await.expect_err("closed");
        assert!(matches!(error, HardwareError::Closed), "{error}");
        let error = hardware.observe_host().await.expect_err("closed");
        assert!(matches!(error, HardwareError::Closed), "{error}");
    }
    let text = std::fs::read_to_string(&starts).expect("one start");
    assert_eq!(text, "x\n");
    hardware.reopen();
    hardware.open().await.expect("loaded by another worker");
}

#[tokio::test]
async fn a_worker_that_comes_out_of_the_driver_late_is_let_go_by_a_closed_pool() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let opened = answer(response::Outcome::Opened(Opened::default()));
    let wait = format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display());
    let script = format!("{wait}\n{opened}\ncat >/dev/null");
    let hardware = pool(folder.path(), &script, IMPATIENCE);
    let error = hardware.open().await.expect_err("it is slow");
    assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
    hardware.close(IMPATIENCE).await;
    let records = folder.path().join("workers");
    let running = || super::worker::running(&records).len();
    assert_eq!(running(), 1, "nobody ends it");
    std::fs::write(&gate, "").expect("the gate opens");
    let gone = || hardware.status().stuck == 0 && running() == 0;
    until("it stayed, with the driver open", gone).await;
}

/// A script whose first `hung` processes wait for the gate, and whose others send that answer.
fn script_of(folder: &std::path::Path, hung: usize, then: response::Outcome) -> String {
    let (gate, starts) = (folder.join("gate"), folder.join("starts"));
    let (gate, starts) = (gate.display(), starts.display());
    let wait = format!("while [ ! -e {gate} ]; do sleep 0.02; done; exit 0");
    let is_one = format!("[ $(wc -l < {starts}) -le {hung} ]");
    let then = answer(then);
    format!("echo x >> {starts}\nif {is_one}; then {wait}; fi\n{then}\ncat >/dev/null")
}

#[tokio::test]
async fn a_look_at_the_host_that_is_stuck_is_not_sent_again_and_takes_no_gpu_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = script_of(
        folder.path(),
        1,
        response::Outcome::Opened(Opened::default()),
    );
    let hardware = pool_of(folder.path(), &script, IMPATIENCE, PATIENCE);
    let error = hardware.observe_host().await.expect_err("it hangs");
    assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
    for _ in 0..5 {
        let error = hardware.observe_host().await.expect_err("it is stuck");
        assert!(matches!(error, HardwareError::Stuck { .. }), "{error}");
        assert_eq!(error.to_string(), "reading /sys has not returned yet");
        assert!(error.was_not_done());
    }
    let starts = || std::fs::read_to_string(folder.path().join("starts")).expect("starts");
    assert_eq!(starts(), "x\n", "no other worker is spent on it");
    hardware.open().await.expect("the driver answers beside it");
    let status = hardware.status();
    assert_eq!((status.stuck, status.timeouts), (1, 1));
    assert!(!status.driver_hangs && status.unresponsive.is_empty());
    std::fs::write(folder.path().join("gate"), "").expect("the gate opens");
    until("it did not come back", || hardware.status().stuck == 0).await;
    // The script answers nobody twice: that it was sent is what counts.
    let error = hardware.observe_host().await.expect_err("no answer");
    assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn gpus_of_one_maker_that_hang_leave_the_driver_of_another_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = script_of(
        folder.path(),
        3,
        response::Outcome::Opened(Opened::default()),
    );
    let hardware = pool_of(folder.path(), &script, IMPATIENCE, PATIENCE);
    let gpu = |bus: u8| format!("0000:{bus:02x}:00.0").parse().expect("an address");
    for bus in 1..4 {
        let error = hardware.observe_amd(gpu(bus)).await.expect_err("it hangs");
        assert!(matches!(error, HardwareError::Deadline { .. }), "{error}");
    }
    hardware.open().await.expect("NVIDIA's answers");
    let status = hardware.status();
    assert!(!status.driver_hangs);
    assert_eq!((status.stuck, status.stuck_in_driver), (3, 0));
    let error = hardware.observe_amd(gpu(4)).await.expect_err("not risked");
    assert!(
        matches!(error, HardwareError::DriverHangs { stuck: 3 }),
        "{error}"
    );
    let error = hardware.observe_amd(gpu(1)).await.expect_err("left alone");
    assert!(
        matches!(error, HardwareError::Unresponsive { .. }),
        "{error}"
    );
    std::fs::write(folder.path().join("gate"), "").expect("the gate opens");
    until("they did not come back", || hardware.status().stuck == 0).await;
}

/// Two workers hang in the driver and the third looks at the host, so that there are never more than three.
#[tokio::test]
async fn the_last_worker_is_kept_for_the_look_at_the_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let facts = response::Outcome::Host(Box::default());
    let script = script_of(folder.path(), 1, facts);
    // What has answered of the host hangs in the driver until the gate opens.
    let gate = folder.path().join("gate");
    let (open, starts) = (gate.display(), folder.path().join("starts"));
    let starts = starts.display();
    // The folder goes with the test, and the last worker with it.
    let hangs = format!("while [ -e {starts} ] && [ ! -e {open} ]; do sleep 0.02; done");
    let script = script.replace("cat >/dev/null", &hangs);
    let hardware = pool_of(folder.path(), &script, PATIENCE, IMPATIENCE);
    hardware.open().await.expect_err("it hangs");
    hardware.observe_host().await.expect("a second worker");
    hardware.open().await.expect_err("it hangs as well");
    for _ in 0..3 {
        let error = hardware.open().await.expect_err("no third in the driver");
        assert!(
            matches!(error, HardwareError::DriverHangs { stuck: 2 }),
            "{error}"
        );
    }
    hardware.observe_host().await.expect("a third worker");
    let starts = std::fs::read_to_string(folder.path().join("starts")).expect("starts");
    assert_eq!(starts, "x\nx\nx\n");
    std::fs::write(gate, "").expect("the gate opens");
    until("they did not come back", || hardware.status().stuck == 0).await;
}

/// Beyond its bound the service manager closes connections, and kerfd starts workers that lack the rights.
#[test]
fn the_socket_offers_all_workers_that_two_kerfds_can_have() {
    let unit = include_str!("../../../systemd/kerf-partitioner.socket");
    let mut lines = unit.lines();
    let bound = lines.find_map(|line| line.strip_prefix("MaxConnections="));
    let bound: usize = bound.and_then(|text| text.parse().ok()).expect("a bound");
    let of_one = super::pool::LATE_BOUND + 1;
    assert!(
        bound > 2 * of_one,
        "{bound} are offered, {of_one} used by one"
    );
}
