//! The worker as a process: how it ends, and what it may do.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nvidia_ml::control::{FaultRequest, fault};

use crate::world::{Asks, IMPATIENCE, PATIENCE, World, program};

fn start(world: &World) -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let mut command = world.command().command();
    let child = command
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .spawn();
    (ours, child.expect("a worker"))
}

fn end(mut child: Child) -> (ExitStatus, String) {
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        assert!(start.elapsed() < PATIENCE, "the worker does not end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut words = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut words)
        .expect("text");
    (child.wait().expect("ended"), words)
}

#[test]
fn the_end_of_the_stream_is_a_good_end() {
    let world = World::new("h100x1");
    let (ours, child) = start(&world);
    drop(ours);
    let (status, words) = end(child);
    assert_eq!(status.code(), Some(0), "{words}");
}

#[test]
fn a_broken_frame_is_an_error_with_a_line() {
    let world = World::new("h100x1");
    let (mut ours, child) = start(&world);
    ours.write_all(&[0xff; 64]).expect("sent");
    let (status, words) = end(child);
    assert_eq!(status.code(), Some(1));
    assert!(words.contains("read a request"), "{words}");
}

#[test]
fn without_a_socket_it_does_not_start() {
    let status = Command::new(program())
        .args(["worker", "--nvml", "none"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.expect("started").code(), Some(1));
    let status = Command::new(program())
        .arg("worker")
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.expect("started").code(), Some(2), "no library named");
}

#[test]
fn it_keeps_only_the_capabilities_that_it_needs() {
    let world = World::new("h100x1");
    let worker = world.worker();
    let pid = worker.pid().expect("a process");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let mask = |key: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .expect(key);
        u64::from_str_radix(line.trim(), 16).expect("a mask")
    };
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, SYS_ADMIN 21, MKNOD 27 (linux/capability.h).
    let needed: u64 = [0, 1, 3, 21, 27].iter().map(|bit| 1_u64 << bit).sum();
    for set in ["CapPrm:", "CapEff:"] {
        assert_eq!(mask(set) & !needed, 0, "{set}");
    }
    assert_eq!((mask("CapInh:"), mask("CapAmb:")), (0, 0));
    let no_new_privileges = status
        .lines()
        .find_map(|line| line.strip_prefix("NoNewPrivs:"));
    assert_eq!(no_new_privileges.map(str::trim), Some("1"));
}

/// A signal waits while the driver is entered, and ends the worker when it is idle.
#[test]
fn a_signal_never_ends_it_inside_the_driver() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    let before = worker.gpu(0);
    let pid =
        nix::unistd::Pid::from_raw(worker.pid().expect("a process").try_into().expect("a pid"));
    fault(&world.info.dir, FaultRequest::Hang { gpu: 0 }).expect("a machine");
    worker.observe_gpu(0, IMPATIENCE).expect_err("it hangs");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("sent");
    std::thread::sleep(IMPATIENCE);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    assert!(!status.contains("State:\tZ"), "{status}");
    fault(&world.info.dir, FaultRequest::Clear { gpu: 0 }).expect("a machine");
    let start = Instant::now();
    while worker
        .observe_gpu(0, PATIENCE)
        .is_ok_and(|gpu| gpu == before)
    {
        assert!(start.elapsed() < PATIENCE, "it goes on for ever");
    }
}
