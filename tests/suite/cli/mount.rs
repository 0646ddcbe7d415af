//! `kerf sim mount`: a simulated machine for programs that know nothing of simulators, kerfd among them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kerf_tests::capability::{Capability, require};
use kerf_tests::{ChildGuard, Scratch, bins, mounts, poll, process};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Far more than it takes, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file of the first GPU's compute mode.
const MODE: &str = "sys/class/drm/card0/device/current_compute_partition";

/// A machine's folder, and one to mount it at.
struct Place {
    scratch: Scratch,
    machine: PathBuf,
    mountpoint: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new("km").expect("/tmp takes folders");
        let machine = scratch.join("m");
        let mut create = kerf(["sim", "create", "mi300x8"]);
        process::run(create.arg(&machine).args(["--seed", "1"])).expect("a machine");
        Self {
            mountpoint: scratch.folder("at").expect("a folder"),
            machine,
            scratch,
        }
    }

    /// Mounts it, and waits until it says so.
    fn mount(&self) -> ChildGuard {
        let mut command = kerf(["sim", "mount"]);
        command.arg(&self.machine).arg(&self.mountpoint);
        let log = self.scratch.join("mount.log");
        std::fs::write(&log, "").expect("our folder");
        let child = ChildGuard::spawn("kerf sim mount", &mut command, &log).expect("it starts");
        let said = format!("mounted at {}\n", self.mountpoint.display());
        let says = || std::fs::read_to_string(&log).is_ok_and(|text| text == said);
        poll::until_true("the mount", PATIENCE, says).expect("mounted");
        child
    }

    fn mode(&self) -> String {
        std::fs::read_to_string(self.mountpoint.join(MODE)).expect("a mode")
    }
}

fn kerf<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(bins::kerf().expect("kerf is built"));
    command.args(arguments);
    command
}

/// What a command says that must fail with 1.
fn complaint(command: &mut Command) -> String {
    let output = process::output(command).expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn with_place(work: impl FnOnce(&Place) + Send) {
    if require(Capability::Fuse) {
        mounts::apart(|| work(&Place::new())).expect("a namespace");
    }
}

#[test]
fn a_machine_is_mounted_until_a_signal_or_umount() {
    with_place(|place| {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut child = place.mount();
            assert_eq!(place.mode(), "SPX\n");
            child.signal(signal).expect("it runs");
            let status = child.wait(PATIENCE).expect("it ends");
            assert!(status.success(), "{signal}: {status}");
            assert!(!place.mountpoint.join("sys").exists(), "{signal}");
        }
        let mut child = place.mount();
        let mut echo = Command::new("sh");
        echo.args(["-c", "echo CPX > \"$0\""]);
        process::run(echo.arg(place.mountpoint.join(MODE))).expect("nobody uses it");
        assert_eq!(place.mode(), "CPX\n");
        process::run(Command::new("umount").arg(&place.mountpoint)).expect("unmounted");
        let status = child.wait(PATIENCE).expect("it ends");
        assert!(status.success(), "{status}");
        // What was changed is the machine's.
        let _again = place.mount();
        assert_eq!(place.mode(), "CPX\n");
    });
}

#[test]
fn what_cannot_be_mounted_is_said_with_a_hint() {
    with_place(|place| {
        let mount = |dir: &Path, at: &Path| {
            let mut command = kerf(["sim", "mount"]);
            complaint(command.arg(dir).arg(at))
        };
        let nowhere = place.scratch.join("none");
        let words = mount(&nowhere, &place.mountpoint);
        assert!(words.contains("cannot open the machine"), "{words}");
        assert!(words.contains("kerf sim create"), "{words}");
        let words = mount(&place.machine, &nowhere);
        assert!(words.contains("make the folder first"), "{words}");
        let words = mount(&place.machine, &place.machine.join("root"));
        assert!(words.contains("would be hidden"), "{words}");
    });
}

/// Neither is told that the machine is a simulated one: both read real files.
#[test]
fn kerfd_and_kerf_see_the_modes_of_a_mounted_machine() {
    with_place(|place| {
        let _mounted = place.mount();
        let mut discover = kerf(["-o", "json", "discover", "--sysroot"]);
        discover.arg(&place.mountpoint);
        let modes = |text: &str| -> Vec<String> {
            let document: Value = serde_json::from_str(text).expect("JSON");
            let gpus = document["amd"].as_array().expect("AMD GPUs");
            let mode = |gpu: &Value| gpu["compute_mode"].as_str().expect("a mode").to_owned();
            gpus.iter().map(mode).collect()
        };
        let before = modes(&process::run(&mut discover).expect("an inventory"));
        assert_eq!(before, vec!["SPX"; 8]);

        let folder = |name: &str| place.scratch.join(name);
        let mut command = Command::new(bins::kerfd().expect("kerfd is built"));
        command.args([
            "--nvml",
            "none",
            "--metrics",
            "127.0.0.1:0",
            "--web",
            "none",
        ]);
        let paths = [
            ("--sysroot", place.mountpoint.clone()),
            ("--run-dir", folder("run")),
            ("--state-dir", folder("state")),
            ("--cdi-dir", folder("cdi")),
            ("--containerd", folder("none.sock")),
            ("--config", folder("kerf.toml")),
            ("--runtime", bins::runtime().expect("kerf-runtime is built")),
        ];
        std::fs::write(folder("kerf.toml"), "").expect("our folder");
        for (option, path) in paths {
            command.arg(option).arg(path);
        }
        let log = folder("kerfd.log");
        let mut kerfd = ChildGuard::spawn("kerfd", &mut command, &log).expect("it starts");
        let ask = || {
            let mut command = kerf(["-o", "json", "discover", "--socket"]);
            process::run(command.arg(folder("run/kerf.sock"))).ok()
        };
        let seen = poll::until("kerfd", PATIENCE, ask);
        let seen = seen.unwrap_or_else(|error| panic!("{error}\n{}", kerfd.log_tail(30)));
        assert_eq!(modes(&seen), vec!["SPX"; 8]);
        std::fs::write(place.mountpoint.join(MODE), "CPX").expect("nobody uses it");
        let seen = modes(&ask().expect("it answers"));
        assert_eq!(seen.iter().filter(|mode| *mode == "CPX").count(), 1);
        kerfd.terminate(PATIENCE).expect("it ends");
    });
}
