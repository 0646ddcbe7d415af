//! The state file: atomic replacement, what is refused, capability files, loads of processes that
//! have ended.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::model::load::Process;
use crate::model::machine::Nodes;
use crate::model::mig::InstanceRef;
use crate::model::status::Status;
use crate::model::tables;

fn begun(dir: &Path) -> Store {
    let spec = tables::machine("h100x1").expect("a known machine");
    let nodes = Nodes {
        real: false,
        frontend: 600,
        uvm: 601,
        caps: 602,
    };
    let store = Store::new(dir);
    store
        .begin(&Machine::new(spec, 1, nodes, now_us()))
        .expect("a writable folder");
    store
}

/// Cuts a 2g with its compute instance at `start`.
fn cut(store: &Store, start: u32) -> InstanceRef {
    let made = store.change(|machine, now| {
        machine.set_mig_mode(0, true, now)?;
        let gi = InstanceRef {
            gpu: 0,
            serial: machine.create_gi(0, 14, Some(start), now)?,
        };
        let ci = machine.create_ci(gi, 1, None, now)?;
        Ok::<_, Status>(InstanceRef { gpu: 0, serial: ci })
    });
    made.expect("a writable state").expect("room")
}

fn capability_files(dir: &Path) -> BTreeSet<String> {
    fn walk(path: &Path, base: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), base, found);
            } else {
                let name = entry
                    .path()
                    .strip_prefix(base)
                    .expect("below it")
                    .to_owned();
                found.insert(name.display().to_string());
            }
        }
    }
    let base = dir.join("root/proc/driver/nvidia/capabilities");
    let mut found = BTreeSet::new();
    walk(&base, &base, &mut found);
    found
}

#[test]
fn without_a_machine_there_is_no_state() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(
        Store::new(dir.path()).read(),
        Err(StoreError::Absent(_))
    ));
}

#[test]
fn foreign_states_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    let path = dir.path().join(STATE_FILE);
    let good = fs::read_to_string(&path).expect("the state");
    let other_format = good.replacen("\"format\":1", "\"format\":2", 1);
    let other_machine = good.replacen("h100x1", "z9000", 1);
    for text in [
        "",
        "{",
        "[]",
        &good[..good.len() / 2],
        &other_format,
        &other_machine,
    ] {
        fs::write(&path, text).expect("a writable state");
        let fresh = Store::new(dir.path());
        assert!(
            matches!(fresh.read(), Err(StoreError::Foreign(_))),
            "{text:.20}"
        );
        assert!(fresh.change(|_, _| Ok::<_, Infallible>(())).is_err());
        assert_eq!(fs::read_to_string(&path).expect("the state"), text);
    }
    // The first reader still has the state that it knew: the inode is the same.
    assert!(store.read().is_ok());
}

#[test]
fn another_process_sees_a_change_at_its_next_read() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (writer, reader) = (begun(dir.path()), Store::new(dir.path()));
    for generation in 1..200 {
        let before = reader.read().expect("a state").generation;
        assert_eq!(before, generation - 1);
        let done = writer.change(|_, _| Ok::<_, Infallible>(()));
        done.expect("a writable state").expect("nothing to refuse");
    }
}

#[test]
fn a_refused_change_writes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    let refused = store.change(|machine, now| {
        machine.driver_hung = true;
        machine.set_mig_mode(7, true, now)
    });
    assert_eq!(
        refused.expect("a writable state"),
        Err(Status::InvalidArgument)
    );
    let machine = store.read().expect("a state");
    assert_eq!((machine.generation, machine.driver_hung), (0, false));
}

#[test]
fn capability_files_follow_the_state() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    assert_eq!(capability_files(dir.path()), BTreeSet::new());
    let ci = cut(&store, 2);
    let expected = ["gpu0/mig/gi4/access", "gpu0/mig/gi4/ci0/access"];
    assert_eq!(
        capability_files(dir.path()),
        expected.map(str::to_owned).into()
    );
    let access = "root/proc/driver/nvidia/capabilities/gpu0/mig/gi4/ci0/access";
    let text = fs::read_to_string(dir.path().join(access)).expect("a capability file");
    assert_eq!(
        text,
        "DeviceFileMinor: 40\nDeviceFileMode: 292\nDeviceFileModify: 1\n"
    );
    let done = store.change(|machine, now| machine.destroy_ci(ci, now));
    done.expect("a writable state").expect("idle");
    assert_eq!(
        capability_files(dir.path()),
        [expected[0].to_owned()].into()
    );
}

#[test]
fn capability_files_are_repaired_after_a_kill() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    cut(&store, 0);
    let base = dir
        .path()
        .join("root/proc/driver/nvidia/capabilities/gpu0/mig");
    fs::remove_dir_all(base.join("gi3")).expect("the instance's folder");
    fs::create_dir_all(base.join("gi9/ci0")).expect("a writable folder");
    Store::new(dir.path()).repair();
    let expected = ["gpu0/mig/gi3/access", "gpu0/mig/gi3/ci0/access"];
    assert_eq!(
        capability_files(dir.path()),
        expected.map(str::to_owned).into()
    );
    assert!(!base.join("gi9").exists());
}

#[test]
fn capability_minors_are_numbered_as_the_driver_numbers_them() {
    assert_eq!(capability_minor(0, 0, None), 3);
    assert_eq!(capability_minor(0, 0, Some(0)), 4);
    assert_eq!(capability_minor(0, 1, None), 12);
    assert_eq!(capability_minor(1, 0, None), 138);
    // The last line of a real mig-minors: gpu31/gi14/ci7/access 4322.
    assert_eq!(capability_minor(31, 14, Some(7)), 4_322);
}

#[test]
fn a_load_ends_with_its_process() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
    let put = |pid, started| {
        let process = Process {
            pid,
            started,
            gi: None,
            ci: None,
            sm_percent: 10,
            memory_bytes: 1 << 20,
        };
        let done = store.change(|machine, now| machine.set_load(0, process, now));
        done.expect("a writable state").expect("it fits");
    };
    put(child.id(), start_time(child.id()));
    put(u32::MAX, None);
    assert_eq!(store.read().expect("a state").gpus[0].processes.len(), 2);
    child.kill().expect("our own child");
    // Not waited for: a zombie counts as gone.
    let until = Instant::now() + Duration::from_secs(10);
    while store.read().expect("a state").gpus[0].processes.len() == 2 {
        assert!(Instant::now() < until, "the load outlives its process");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait().expect("our own child");
    let left = &store.read().expect("a state").gpus[0].processes;
    assert_eq!(
        left.iter().map(|process| process.pid).collect::<Vec<_>>(),
        [u32::MAX]
    );
}

#[test]
fn a_process_id_that_came_again_is_another_process() {
    let me = std::process::id();
    let process = Process {
        pid: me,
        started: start_time(me).map(|started| started + 1),
        gi: None,
        ci: None,
        sm_percent: 0,
        memory_bytes: 0,
    };
    assert!(!alive::lives(&process));
    assert!(alive::lives(&Process {
        started: start_time(me),
        ..process
    }));
}
