//! The pool against workers that misbehave on purpose.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use kerf_telemetry::SelfMetrics;

use super::{Deadlines, Hardware, HardwareError, WorkerProgram};

/// A pool whose worker is this shell script; fd 0 is the socket.
fn pool(folder: &std::path::Path, script: &str) -> Hardware {
    let program = folder.join("worker");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("executable");
    let call = Duration::from_millis(300);
    Hardware::new(
        WorkerProgram {
            program,
            nvml: None,
            sysroot: folder.to_owned(),
            records: folder.join("workers"),
        },
        Deadlines { call, step: call },
        Arc::new(SelfMetrics::try_new().expect("metrics")),
    )
}

#[tokio::test]
async fn a_hung_driver_stops_the_spawning_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let script = format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display());
    let hardware = pool(folder.path(), &script);
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

    std::fs::write(&gate, "").expect("the gate opens");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while hardware.status().stuck > 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "they did not come back"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(hardware.status().timeouts, 3);
}

#[tokio::test]
async fn a_worker_that_dies_or_lies_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let hardware = pool(folder.path(), "exit 1");
    for _ in 0..5 {
        let error = hardware.observe_host().await.expect_err("it ended");
        assert!(matches!(error, HardwareError::Worker { .. }), "{error}");
    }
    let hardware = pool(folder.path(), "printf '\\377\\377\\377\\377' >&0; sleep 5");
    let error = hardware.observe_host().await.expect_err("it lies");
    assert!(matches!(error, HardwareError::Worker { .. }), "{error}");
    assert_eq!(hardware.status().stuck, 0);
}

#[tokio::test]
async fn workers_of_an_earlier_kerfd_are_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().to_owned();
    let mut child = tokio::process::Command::new("sleep")
        .arg("0.3")
        .spawn()
        .expect("sleep");
    let pid = child.id().expect("a pid");
    let process = crate::process::identify(pid).expect("it runs");
    std::fs::write(
        records.join(pid.to_string()),
        process.start_ticks.to_string(),
    )
    .expect("record");
    std::fs::write(records.join("999999999"), "5").expect("a stale record");
    let stuck = super::worker::await_earlier(&records, Duration::from_millis(20)).await;
    assert_eq!(stuck, [pid]);
    let reaper = tokio::spawn(async move { child.wait().await });
    let stuck = super::worker::await_earlier(&records, Duration::from_secs(10)).await;
    assert!(stuck.is_empty());
    assert_eq!(std::fs::read_dir(&records).expect("the folder").count(), 0);
    reaper.await.expect("joined").expect("waited");
}
