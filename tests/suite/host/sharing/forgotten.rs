//! What an earlier life has left, and what a refused layout has ended.

use std::fs;
use std::process::Command;

use kerf_tests::ChildGuard;

use super::daemons::client_of;
use super::{MPS, Shared};
use crate::host::faults::{until_degraded, until_well};
use crate::host::said::{Said, text};

#[test]
fn daemons_and_folders_that_nobody_knows_of_go_when_nobody_is_on_them() {
    let Some(mut shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let uuid = shared.0.client.inventory().gpus[3].uuid.clone();
    shared.0.kerfd.kill9().expect("it goes");
    let folder = shared.0.kerfd.folder().join("run/mps");
    let (dead, alive) = (folder.join("0123456789ab"), folder.join("ba9876543210"));
    for place in [&dead, &alive] {
        fs::create_dir_all(place.join("pipe")).expect("a folder");
        fs::create_dir_all(place.join("shm")).expect("a folder");
    }
    // No kernel gives a process this number.
    fs::write(dead.join("pipe/nvidia-cuda-mps-control.pid"), "4194305\n").expect("a file");
    let control = shared
        .0
        .kerfd
        .sysroot()
        .join("usr/bin/nvidia-cuda-mps-control");
    let mut daemon = Command::new(control);
    daemon
        .arg("-f")
        .env("CUDA_MPS_PIPE_DIRECTORY", alive.join("pipe"))
        .env("CUDA_MPS_LOG_DIRECTORY", &alive)
        .env("CUDA_VISIBLE_DEVICES", &uuid);
    let log = shared.0.scratch.join("daemon.log");
    let _daemon = ChildGuard::spawn("daemon", &mut daemon, &log).expect("it starts");
    let pid_file = alive.join("pipe/nvidia-cuda-mps-control.pid");
    shared.0.until("the daemon", || pid_file.exists());
    let client = client_of(&shared, &alive.join("pipe"), "client");

    shared.0.kerfd.restart().expect("kerfd comes up");
    until_degraded(&shared.0, &["mps daemon in ba9876543210", &uuid, "runs on"]);
    shared
        .0
        .until("the end of an empty place", || !dead.exists());
    assert!(alive.exists());
    assert_eq!(shared.daemons().len(), 1);
    drop(client);
    until_well(&shared.0);
    assert_eq!(shared.daemons(), Vec::<u32>::new());
    assert!(!alive.exists());
}

/// One shared slice.
const SLICES: &str = "- {gpus: [0], slices: {3g.40gb: 1}, sharing: {mps: {clients: 2}}}";

/// Applies a layout that may reset GPUs.
fn with_reset(shared: &Shared, rules: &str) -> Said {
    let path = shared.0.scratch.join("reset.yaml");
    fs::write(&path, format!("rules:\n{rules}\n")).expect("written");
    shared.kerf(&["apply", "--allow-reset", "-f", text(&path)])
}

#[test]
fn sharing_that_a_refused_layout_has_ended_is_there_again() {
    // Its driver tells no profiles with MIG off: MIG is turned on first, and what lies on the GPU is planned then.
    let Some(shared) = Shared::bare("a100x8", "") else {
        return;
    };
    shared.settles(MPS);
    let first = shared.daemon();
    let refused = with_reset(&shared, "- {gpus: [0], slices: {9g.99gb: 1}}");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let events = shared.kerf(&["events"]).ends(0);
    assert!(events.contains("no longer shared by mps"), "{events}");
    assert_ne!(shared.daemon(), first);
    shared.layout("assert", MPS).ends(0);
    until_well(&shared.0);
    let lease = shared.0.client.lease("gpu,mps", "", "").expect("a place");
    shared.0.client.release(&lease.id).expect("nobody has it");
    // What the same GPU can have goes its way, in two plans, and every step of both has a number.
    let said = with_reset(&shared, SLICES).ends(0);
    assert_eq!(counts(&said), ["1/2", "2/2", "1/3", "2/3", "3/3"], "{said}");
    assert!(said.contains("Applied: 5 steps"), "{said}");
}

/// The counts in front of the steps.
fn counts(said: &str) -> Vec<String> {
    let lines = said.lines();
    let lines = lines.filter_map(|line| line.trim_start().strip_prefix('['));
    let counts = lines.filter_map(|line| line.split_once(']'));
    counts.map(|(count, _)| count.trim().to_owned()).collect()
}

#[test]
fn every_step_of_a_plan_has_its_number_and_a_way_of_sharing_is_one() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let said = shared.layout("apply", MPS).ends(0);
    assert!(said.contains("Plan: 1 step on 1 GPU"), "{said}");
    assert_eq!(counts(&said), ["1/1"], "{said}");
    assert!(
        said.contains("[1/1] GPU 0: share it: mps for 2 clients"),
        "{said}"
    );
    assert!(said.contains("Applied: 1 step"), "{said}");
    let said = shared.layout("apply", SLICES).ends(0);
    assert_eq!(counts(&said), ["1/4", "2/4", "3/4", "4/4"], "{said}");
    assert!(said.contains("Applied: 4 steps"), "{said}");
    let said = shared.layout("apply", super::NOT_SHARED).ends(0);
    assert_eq!(counts(&said), ["1/4", "2/4", "3/4", "4/4"], "{said}");
    assert!(
        said.contains("[1/4] GPU 0: share it no longer: mps"),
        "{said}"
    );
}
