//! A machine with AMD GPUs that is mounted where nobody else sees it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kerf_sim_mount::{Mounted, mount};
use kerf_tests::capability::{Capability, require};
use kerf_tests::{Scratch, mounts, process};
use nix::mount::{MntFlags, MsFlags, mount as mount_at, umount2};
use nvidia_ml::kernel::Kernel;
use nvidia_ml::machine::{self, CreateOptions, MachineInfo};

/// The file of the first GPU's compute mode, below the root.
pub const MODE: &str = "sys/class/drm/card0/device/current_compute_partition";

/// Where KFD lists what it computes on, below the root.
pub const NODES: &str = "sys/class/kfd/kfd/topology/nodes";

/// Where the machine lies.
const MEMORY: &str = "memory";

/// A machine's folder and one to mount it at.
pub struct World {
    pub scratch: Scratch,
    pub machine: MachineInfo,
    pub mountpoint: PathBuf,
}

impl World {
    /// In memory, since nobody sees it here and a machine is some thousand files.
    fn new() -> Self {
        let scratch = Scratch::new("km").expect("/tmp takes folders");
        let memory = scratch.folder(MEMORY).expect("a folder");
        let (kind, flags) = (Some("tmpfs"), MsFlags::empty());
        mount_at(kind, &memory, kind, flags, Some("mode=755")).expect("root may");
        let options = CreateOptions { seed: Some(11) };
        let machine = machine::create("mi300x8", &memory.join("m"), Path::new(""), &options);
        Self {
            machine: machine.expect("a machine"),
            mountpoint: scratch.folder("at").expect("a folder"),
            scratch,
        }
    }

    /// Mounts it.
    pub fn mount(&self) -> Mounted {
        mount(&self.machine.dir, &self.mountpoint).expect("a mount")
    }

    /// A path of the mounted machine.
    pub fn path(&self, path: &str) -> PathBuf {
        self.mountpoint.join(path)
    }

    /// A file of the mounted machine.
    pub fn read(&self, path: &str) -> String {
        let path = self.path(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }

    /// Names in a folder of the mounted machine.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("a name").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    /// The machine's kernel, as another process has it.
    pub fn kernel(&self) -> Kernel {
        Kernel::open(&self.machine.dir).expect("a kernel")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Else the folder cannot be removed.
        umount2(&self.scratch.join(MEMORY), MntFlags::MNT_DETACH).ok();
    }
}

/// Does something with a machine and its mount, where mounts can be had.
pub fn with_mount(work: impl FnOnce(&World, Mounted) + Send) {
    with_world(|world| work(world, world.mount()));
}

/// The same before it is mounted.
pub fn with_world(work: impl FnOnce(&World) + Send) {
    if require(Capability::Fuse) {
        mounts::apart(|| work(&World::new())).expect("a namespace");
    }
}

/// Runs a line in a shell, in the folder of the mounted machine's root.
pub fn shell(world: &World, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("LC_ALL", "C");
    process::output(command.current_dir(&world.mountpoint)).expect("sh starts")
}

/// What a line in a shell says that must succeed.
pub fn says(world: &World, line: &str) -> String {
    let output = shell(world, line);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// What a line in a shell complains of that must fail.
pub fn complains(world: &World, line: &str) -> String {
    let output = shell(world, line);
    assert!(!output.status.success(), "{line}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
