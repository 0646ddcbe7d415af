//! The kernel in a machine's folder: one for all processes, and a plain tree that follows from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::disk::begin;
use super::state::{Access, Fault, FaultKind, State};
use super::{Entry, Errno, Kernel, Stat};
use crate::machine::{self, CreateOptions};
use crate::store::StoreError;

struct World {
    folder: TempDir,
}

const MODE: &str = "sys/class/drm/card0/device/current_compute_partition";
const NODES: &str = "sys/class/kfd/kfd/topology/nodes";

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = CreateOptions { seed: Some(3) };
        let nowhere = Path::new("/nowhere");
        let info = machine::create("mi300x8", folder.path(), nowhere, &options);
        assert!(!info.expect("a machine needs no library").has_library);
        Self { folder }
    }

    fn kernel(&self) -> Kernel {
        Kernel::open(self.folder.path()).expect("a kernel")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    fn plain(&self, path: &str) -> String {
        let text = fs::read_to_string(self.file(path));
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
            .trim()
            .to_owned()
    }

    /// Every path that the kernel shows has the same in the plain tree, and nothing of KFD is there besides.
    fn assert_in_line(&self) {
        let kernel = self.kernel();
        let view = kernel.state().expect("a state").view();
        for (path, entry) in view.entries() {
            let path = self.file(path);
            match entry {
                Entry::File(bytes, _) => assert_eq!(&fs::read(&path).expect("a file"), bytes),
                Entry::Link(target) => {
                    assert_eq!(fs::read_link(&path).expect("a link"), Path::new(target));
                    assert!(path.exists(), "{} leads nowhere", path.display());
                }
                Entry::Folder => assert!(path.is_dir()),
            }
        }
        let listed = fs::read_dir(self.file(NODES)).expect("nodes").count();
        let shown = kernel.list(&format!("/{NODES}")).expect("nodes").len();
        assert_eq!(listed, shown);
    }
}

#[test]
fn the_plain_tree_follows_every_write() {
    let world = World::new();
    world.assert_in_line();
    assert_eq!(world.plain(MODE), "SPX");
    let kernel = world.kernel();
    let amd = kernel.state().expect("a state").amd.expect("AMD");
    let device = format!("/sys/bus/pci/devices/{}", amd.gpus[0].bdf);
    let file = format!("{device}/current_compute_partition");
    kernel.write(&file, b"cpx").expect("nobody uses it");
    assert_eq!(world.plain(MODE), "CPX");
    world.assert_in_line();
    kernel.write(&file, b"spx").expect("nobody uses it");
    world.assert_in_line();
    assert_eq!(
        kernel.read(&format!("{device}/vendor")),
        Ok(b"0x1002\n".to_vec()),
        "what does not change is read from the tree"
    );
    let driver = kernel.link(&format!("{device}/driver"));
    assert!(driver.expect("a link").ends_with("/bus/pci/drivers/amdgpu"));
}

#[test]
fn two_kernels_on_one_folder_are_one() {
    let world = World::new();
    let (one, other) = (world.kernel(), world.kernel());
    let path = format!("/{MODE}");
    one.write(&path, b"QPX").expect("nobody uses it");
    assert_eq!(other.read(&path), Ok(b"QPX\n".to_vec()));
    other.open_kfd(4_000_001, 0, 1).expect("a client");
    assert_eq!(one.write(&path, b"SPX"), Err(Errno::EBUSY));
}

#[test]
fn a_client_goes_with_its_process() {
    let world = World::new();
    let kernel = world.kernel();
    let mut process = Command::new("sleep").arg("60").spawn().expect("a process");
    kernel.open_kfd(process.id(), 2, 1 << 30).expect("a client");
    let path = format!("/{MODE}");
    assert_eq!(kernel.write(&path, b"CPX"), Err(Errno::EBUSY));
    process.kill().expect("killed");
    process.wait().expect("ended");
    assert_eq!(kernel.list("/sys/class/kfd/kfd/proc"), Ok(Vec::new()));
    kernel.write(&path, b"CPX").expect("nobody uses it");
}

#[test]
fn a_tree_that_a_killed_writer_left_behind_is_put_right() {
    let world = World::new();
    let kernel = world.kernel();
    kernel.write(&format!("/{MODE}"), b"CPX").expect("written");
    // As if the writer had been killed after its commit: the note is of an older state, files are missing,
    // and others should be gone.
    fs::write(world.folder.path().join("kernel.shown"), "0\n").expect("a note");
    fs::remove_dir_all(world.file("sys/devices/virtual/kfd/kfd/topology/nodes/12"))
        .expect("it was there");
    let stale = world.file("sys/devices/virtual/kfd/kfd/topology/nodes/99");
    fs::create_dir(&stale).expect("a folder");
    fs::write(stale.join("gpu_id"), "1\n").expect("a file");
    world.assert_in_line();
}

#[test]
fn an_access_that_hangs_returns_when_the_fault_is_lifted() {
    let world = World::new();
    let kernel = world.kernel();
    let path = format!("/{MODE}");
    let fault = Fault {
        path: path.clone(),
        on: Access::Write,
        kind: FaultKind::Hang,
        times: None,
    };
    kernel.set_fault(fault).expect("set");
    let writer = {
        let (kernel, path) = (world.kernel(), path.clone());
        std::thread::spawn(move || kernel.write(&path, b"CPX"))
    };
    assert_eq!(kernel.read(&path), Ok(b"SPX\n".to_vec()), "reading goes on");
    assert!(!writer.is_finished());
    kernel.clear_faults().expect("lifted");
    assert_eq!(writer.join().expect("no panic"), Ok(()));
    assert_eq!(kernel.read(&path), Ok(b"CPX\n".to_vec()));
}

#[test]
fn a_folder_without_a_machine_and_a_state_of_another_format_are_refused() {
    let nothing = tempfile::tempdir().expect("a folder");
    assert!(matches!(
        Kernel::open(nothing.path()),
        Err(StoreError::Absent(_))
    ));
    let world = World::new();
    let other = State {
        format: 99,
        ..State::default()
    };
    begin(world.folder.path(), other).expect("written");
    assert_eq!(world.kernel().read(&format!("/{MODE}")), Err(Errno::EIO));
}

#[test]
fn stat_tells_modes_and_links_and_neither_waits_nor_counts() {
    let kernel = Kernel::in_memory("mi300x8", 3).expect("a machine with AMD GPUs");
    let state = kernel.state().expect("a state").amd.expect("AMD GPUs");
    let mode = format!("{}/current_compute_partition", state.gpus[0].folder);
    for kind in [FaultKind::Hang, FaultKind::Fail(Errno::EIO)] {
        let fault = Fault {
            path: mode.clone(),
            on: Access::Read,
            kind,
            times: Some(1),
        };
        kernel.set_fault(fault).expect("set");
    }
    let stat = |path: &str| kernel.stat(path).expect("a state");
    assert_eq!(stat(&mode), Some(Stat::File { mode: 0o644 }));
    assert_eq!(stat("/sys/class/kfd"), Some(Stat::Folder));
    let Some(Stat::Link(target)) = stat("sys/class/drm/card0") else {
        panic!("card0 is a link");
    };
    assert!(target.starts_with("../../devices/"), "{target}");
    // What does not change is no matter of the state's.
    assert_eq!(stat(&format!("{}/vendor", state.gpus[0].folder)), None);
    assert_eq!(kernel.state().expect("a state").faults.len(), 2);
}
