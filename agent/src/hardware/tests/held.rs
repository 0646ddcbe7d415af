//! Workers that cannot end because a device holds a thread of them.

use std::time::{Duration, Instant};

use kerf_api::frame::FrameDecoder;
use kerf_api::partitioner::v1::{
    Failure, HostFacts, ObserveHost, Request, failure, request, response,
};

use super::{PATIENCE, frame, pool, until};
use crate::hardware::worker::{await_earlier, running};

/// The device that holds a thread.
const SICK: &str = "sys/devices/pci0000:00/0000:00:02.0";

/// A worker that looks at the host while a thread of it is stuck, does not find the driver then, and whose first thread
/// alone ends with its socket, as the kernel has it where the other sleeps and nothing wakes it: until there is a `gate`,
/// or no folder. It writes down what it was asked.
const WORKER: &str = r#"#!/usr/bin/env python3
import ctypes, os, platform, threading, time

folder, frames = FOLDER, [bytes.fromhex(text) for text in FRAMES]

def stuck():
    while os.path.exists(folder) and not os.path.exists(folder + "/gate"):
        time.sleep(0.02)
    os._exit(0)

threading.Thread(target=stuck).start()
while asked := os.read(0, 1 << 16):
    with open(folder + "/asked", "ab") as asks:
        asks.write(asked)
    os.write(0, frames.pop(0))
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"#;

/// What workers were told of looks at the host: how long they may take, and which devices others hold.
fn looks(folder: &std::path::Path) -> Vec<ObserveHost> {
    let mut frames = FrameDecoder::new();
    frames.push(&std::fs::read(folder.join("asked")).expect("what was asked"));
    let asked = std::iter::from_fn(|| frames.pop::<Request>().expect("requests"));
    let looks = asked.filter_map(|request| match request.call {
        Some(request::Call::ObserveHost(look)) => Some(look),
        _ => None,
    });
    looks.collect()
}

#[tokio::test]
async fn a_worker_that_cannot_end_is_no_reason_to_wait_and_the_next_leaves_its_device_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let facts = HostFacts {
        held: vec![SICK.to_owned()],
        ..HostFacts::default()
    };
    let none = Failure {
        code: failure::Code::NoDriver.into(),
        message: "no library".to_owned(),
        ..Failure::default()
    };
    let frames = [
        frame(1, response::Outcome::Host(Box::new(facts))),
        frame(2, response::Outcome::Failure(none)),
    ];
    let hex =
        |bytes: &Vec<u8>| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let frames: Vec<String> = frames.iter().map(hex).collect();
    let hardware = pool(folder, "exit 1", PATIENCE);
    let script = WORKER
        .replace("FOLDER", &format!("{folder:?}"))
        .replace("FRAMES", &format!("{frames:?}"));
    kerf_tests::executable::script(&folder.join("worker"), &script).expect("a script");
    let records = folder.join("workers");

    hardware.observe_host().await.expect("it looks");
    let look = |held: &[&str]| ObserveHost {
        deadline_ms: 60_000,
        held: held.iter().map(ToString::to_string).collect(),
    };
    let mut expected = vec![look(&[])];
    assert_eq!(looks(folder), expected);
    // Without a driver another worker is taken each time; each of these is told of the device by those before.
    for round in 1..3 {
        let error = hardware.open().await.expect_err("no driver");
        assert!(error.is_no_driver(), "{error}");
        hardware.driver_has_come().await;
        hardware.observe_host().await.expect("another one looks");
        expected.push(look(&[SICK]));
        assert_eq!(looks(folder), expected);
        assert_eq!(running(&records).len(), round + 1, "none can end");
    }
    assert_eq!(hardware.status().stuck, 0);

    // They have the driver closed, so neither maintenance nor a next kerfd has to wait for them.
    let begun = Instant::now();
    hardware.close(PATIENCE).await;
    assert!(begun.elapsed() < PATIENCE);
    for process in running(&records) {
        let path = records.join(process.pid.to_string());
        let text = std::fs::read_to_string(&path).expect("its record");
        let of_another = text.replace(&format!(" {} ", std::process::id()), " 1 ");
        std::fs::write(&path, of_another).expect("a record of an earlier kerfd");
    }
    let stuck = await_earlier(&records, Duration::ZERO).await;
    assert_eq!(stuck, Vec::<u32>::new());
    assert_eq!(running(&records).len(), 3, "the next kerfd knows of them");
    std::fs::write(folder.join("gate"), "").expect("the gate opens");
    let gone = || std::fs::read_dir(&records).expect("records").count() == 0;
    until("a record stayed", gone).await;
}
