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
        imex: 0,
    };
    let mig = dir.join("root/proc/driver/nvidia/capabilities/gpu0/mig");
    fs::create_dir_all(mig).expect("a writable folder");
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
    begun(dir.path());
    let path = dir.path().join(STATE_FILE);
    let good = fs::read(&path).expect("the state");
    let replaced = |from: &str, to: &str| {
        let at = good
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let mut bytes = good.clone();
        bytes[at.expect("it is there")..][..to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    for bytes in [
        Vec::new(),
        b"{}".to_vec(),
        good[..4_096].to_vec(),
        good[..good.len() - 1].to_vec(),
        replaced("kerfsim1", "kerfsim2"),
        replaced("\"format\":1", "\"format\":2"),
        replaced("h100x1", "z900x1"),
    ] {
        fs::write(&path, &bytes).expect("a writable state");
        let store = Store::new(dir.path());
        assert!(matches!(store.read(), Err(StoreError::Foreign(_))));
        assert!(store.change(|_, _| Ok::<_, Infallible>(())).is_err());
        assert_eq!(fs::read(&path).expect("the state"), bytes);
    }
}

#[test]
fn a_half_written_change_is_none() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    cut(&store, 0);
    let before = Store::new(dir.path()).read().expect("a state");
    // What a writer leaves that is killed before it turns the header: noise in the free slot.
    let file = File::options()
        .write(true)
        .open(dir.path().join(STATE_FILE))
        .expect("the state");
    file.write_all_at(&[0xff; 100_000], 4_096)
        .expect("a writable state");
    let after = Store::new(dir.path()).read().expect("a state");
    assert_eq!(after.generation, before.generation);
    assert_eq!(after.gpus[0].instances.len(), 1);
    store
        .change(|_, _| Ok::<_, Infallible>(()))
        .expect("a writable state")
        .expect("no refusal");
}

#[test]
fn a_machine_that_was_made_anew_is_another_one() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let old = begun(dir.path());
    cut(&old, 0);
    fs::remove_file(dir.path().join(STATE_FILE)).expect("the state");
    assert!(matches!(old.read(), Err(StoreError::Absent(_))));
    begun(dir.path());
    assert!(
        old.read().expect("the new state").gpus[0]
            .instances
            .is_empty()
    );
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
fn a_capability_file_that_was_cut_short_is_written_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    cut(&store, 0);
    let path = "root/proc/driver/nvidia/capabilities/gpu0/mig/gi3/access";
    let path = dir.path().join(path);
    let whole = fs::read_to_string(&path).expect("a capability file");
    for half in ["", &whole[..20]] {
        fs::write(&path, half).expect("a writable folder");
        store.repair();
        assert_eq!(fs::read_to_string(&path).expect("it is there"), whole);
    }
    let names = capability_files(dir.path());
    assert!(
        names.iter().all(|name| name.ends_with("access")),
        "{names:?}"
    );
}

#[test]
fn what_is_committed_is_not_reported_as_failed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    let ci = cut(&store, 0);
    // The folder cannot be listed any more, so that what is left over cannot be removed.
    let mig = dir
        .path()
        .join("root/proc/driver/nvidia/capabilities/gpu0/mig");
    fs::rename(&mig, dir.path().join("aside")).expect("a writable folder");
    fs::write(&mig, "").expect("a writable folder");
    let done = store.change(|machine, now| machine.destroy_ci(ci, now));
    done.expect("the state is written").expect("idle");
    let machine = store.read().expect("a state");
    assert_eq!(machine.gpus[0].instances[0].compute.len(), 0);
    fs::remove_file(&mig).expect("ours");
    fs::rename(dir.path().join("aside"), &mig).expect("a writable folder");
    store.repair();
    let left = capability_files(dir.path());
    assert_eq!(left.len(), 1, "the GPU instance alone: {left:?}");
}

#[test]
fn a_process_of_another_pid_namespace_is_not_ours_to_bury() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    let elsewhere = pid_namespace().map(|own| own + 1);
    let put = |pid_namespace| {
        let process = Process {
            pid: std::process::id(),
            // No process began in the first tick: in our own namespace this one has ended.
            started: Some(0),
            pid_namespace,
            gi: None,
            ci: None,
            sm_percent: 1,
            memory_bytes: 1,
            mps: None,
        };
        let put = store.change(|machine, now| machine.set_load(0, process, now));
        put.expect("a writable state").expect("room");
        let change =
            |machine: &mut Machine, _| Ok::<_, Infallible>(machine.gpus[0].processes.len());
        store.change(change).expect("a writable state")
    };
    assert_eq!(
        put(elsewhere),
        Ok(1),
        "a container's reader ends no load of the host"
    );
    assert_eq!(put(pid_namespace()), Ok(0));
}

#[test]
fn a_state_that_stands_alone_gets_no_tree() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = begun(dir.path());
    fs::remove_dir_all(dir.path().join("root")).expect("the tree");
    cut(&store, 0);
    store.repair();
    assert!(!dir.path().join("root").exists());
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
            pid_namespace: pid_namespace(),
            gi: None,
            ci: None,
            sm_percent: 10,
            memory_bytes: 1 << 20,
            mps: None,
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
        pid_namespace: pid_namespace(),
        gi: None,
        ci: None,
        sm_percent: 0,
        memory_bytes: 0,
        mps: None,
    };
    assert!(!alive::lives(&process));
    assert!(alive::lives(&Process {
        started: start_time(me),
        ..process
    }));
}
