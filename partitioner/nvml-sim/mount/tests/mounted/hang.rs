//! Accesses that do not return, and others that do meanwhile.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nvidia_ml::kernel::state::{Access, Fault, FaultKind};

use crate::world::{MODE, World, with_mount};

/// Far more than an answer takes, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time for an answer that must not come.
const IMPATIENCE: Duration = Duration::from_millis(300);

fn hang(world: &World, on: Access) {
    let fault = Fault {
        path: format!("/{MODE}"),
        on,
        kind: FaultKind::Hang,
        times: None,
    };
    world.kernel().set_fault(fault).expect("set");
}

#[test]
fn a_write_that_hangs_keeps_nobody_from_the_others() {
    with_mount(|world, _mounted| {
        hang(world, Access::Write);
        let (sender, answers) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(std::fs::write(world.path(MODE), "CPX")));
            answers.recv_timeout(IMPATIENCE).expect_err("it hangs");
            assert_eq!(world.read(MODE), "SPX\n");
            let other = "sys/class/drm/card8/device/current_compute_partition";
            std::fs::write(world.path(other), "DPX").expect("another GPU");
            assert_eq!(world.read(other), "DPX\n");
            world.kernel().clear_faults().expect("cleared");
            let answer = answers.recv_timeout(PATIENCE).expect("it goes on");
            answer.expect("taken");
        });
        assert_eq!(world.read(MODE), "CPX\n");
    });
}

#[test]
fn reads_that_hang_keep_nobody_from_the_others() {
    with_mount(|world, _mounted| {
        hang(world, Access::Read);
        let (sender, answers) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..20 {
                let sender = sender.clone();
                scope.spawn(move || sender.send(world.read(MODE)));
            }
            answers.recv_timeout(IMPATIENCE).expect_err("they hang");
            assert!(!world.names("sys/class/drm").is_empty());
            world.kernel().clear_faults().expect("cleared");
            for _ in 0..20 {
                let answer = answers.recv_timeout(PATIENCE).expect("they go on");
                assert_eq!(answer, "SPX\n");
            }
        });
    });
}

#[test]
fn unmounting_frees_those_who_hang_once_the_process_or_the_fault_is_gone() {
    with_mount(|world, mounted| {
        hang(world, Access::Write);
        let (sender, answers) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(std::fs::write(world.path(MODE), "CPX")));
            answers.recv_timeout(IMPATIENCE).expect_err("it hangs");
            mounted.unmount().expect("detached");
            assert!(!world.path(MODE).exists());
            world.kernel().clear_faults().expect("cleared");
            let answer = answers.recv_timeout(PATIENCE).expect("it goes on");
            answer.expect("taken");
        });
    });
}
