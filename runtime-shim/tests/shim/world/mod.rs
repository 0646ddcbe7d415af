//! A world to launch containers in: a bundle around a static busybox, device nodes of majors that nothing
//! drives, and a kerfd that answers what it is told.
//!
//! Opening such a node gives ENXIO where the device cgroup allows it and EPERM where it does not, so what a
//! container may open can be seen without a device. Used by the tests and by the benchmark.

pub mod kerfd;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use kerf_runtime::frame::DeviceNode;
use kerf_tests::world::static_busybox;
use kerf_tests::{Capability, executable, require};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Majors that are free on this machine, from the range that the kernel hands out last.
pub fn free_majors() -> impl Iterator<Item = u32> {
    let devices = fs::read_to_string("/proc/devices").expect("/proc/devices");
    let first = |line: &str| line.split_whitespace().next()?.parse::<u32>().ok();
    let taken: Vec<u32> = devices.lines().filter_map(first).collect();
    (384..=511).filter(move |major| !taken.contains(major))
}

/// Whether containers can be started here; if not, one line says why, and `KERF_REQUIRE` turns it into a
/// failure.
pub fn can_run() -> bool {
    [Capability::Root, Capability::Containerd, Capability::Cgroup]
        .into_iter()
        .all(require)
}

/// A folder with everything that one test needs; it goes with its nodes when it is dropped.
pub struct World {
    pub dir: TempDir,
}

impl World {
    /// An empty world on tmpfs where there is one: bundles live there in production.
    pub fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() {
            shm.to_owned()
        } else {
            std::env::temp_dir()
        };
        let dir = tempfile::Builder::new()
            .prefix("kerf-shim-")
            .tempdir_in(base);
        Self {
            dir: dir.expect("temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A copy of `shim` with settings that name this world's socket.
    pub fn install(&self, shim: &Path, runtime: &str, timeout_ms: u64) -> PathBuf {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).expect("bin");
        fs::create_dir_all(self.path("run")).expect("run");
        let socket = self.socket();
        let toml =
            format!("socket = {socket:?}\nruntime = {runtime:?}\ntimeout_ms = {timeout_ms}\n");
        fs::write(bin.join("kerf-runtime.toml"), toml).expect("settings");
        let copy = bin.join("kerf-runtime");
        executable::copy(shim, &copy).expect("a copy");
        copy
    }

    pub fn socket(&self) -> PathBuf {
        self.path("run/runtime.sock")
    }

    /// A bundle that runs `args` in a busybox root, with `annotations`.
    pub fn bundle(&self, name: &str, args: &[&str], annotations: Value) -> PathBuf {
        let bundle = self.path(name);
        let bin = bundle.join("rootfs/bin");
        fs::create_dir_all(&bin).expect("rootfs");
        for empty in ["proc", "dev", "tmp"] {
            fs::create_dir_all(bundle.join("rootfs").join(empty)).expect("mount point");
        }
        let (busybox, _) = static_busybox().expect("a static busybox");
        executable::copy(&busybox, &bin.join("busybox")).expect("a copy");
        for applet in ["sh", "true", "mknod", "cat", "sleep", "ls", "env"] {
            symlink("busybox", bin.join(applet)).expect("applet");
        }
        write_config(&bundle, &spec(args, annotations));
        bundle
    }

    /// Makes a node for `major:minor` in this world, as a device that a grant may name.
    pub fn node(&self, name: &str, major: u32, minor: u32) -> DeviceNode {
        let folder = self.path("dev");
        fs::create_dir_all(&folder).expect("dev");
        let host_path = folder.join(name);
        let made = Command::new("mknod")
            .arg(&host_path)
            .args(["c", &major.to_string(), &minor.to_string()])
            .status();
        assert!(made.expect("mknod").success());
        DeviceNode {
            path: Path::new("/dev").join(name),
            host_path,
            major,
            minor,
            file_mode: 0o666,
            uid: 0,
            gid: 0,
        }
    }

    /// Runs `shim` with containerd's global flags. No pipe: the container's init would hold its end.
    pub fn runtime(&self, shim: &Path, verb: &[&str]) -> ExitStatus {
        let to = |name: &str| File::create(self.path(name)).expect("output file");
        Command::new(shim)
            .arg("--root")
            .arg(self.path("runc/moby"))
            .arg("--log")
            .arg(self.path("log.json"))
            .args(["--log-format", "json"])
            .args(verb)
            .stdin(std::process::Stdio::null())
            .stdout(to("stdout"))
            .stderr(to("stderr"))
            .status()
            .expect("the shim starts")
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

pub fn write_config(bundle: &Path, spec: &Value) {
    let text = serde_json::to_string(spec).expect("json");
    fs::write(bundle.join("config.json"), text).expect("config.json");
}

/// A small spec in the manner of containerd's default one, CAP_MKNOD included.
pub fn spec(args: &[&str], annotations: Value) -> Value {
    let capabilities = json!(["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_KILL"]);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin", "NVIDIA_VISIBLE_DEVICES=all"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "rlimits": [{"type": "RLIMIT_FSIZE", "hard": u64::MAX, "soft": u64::MAX}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "kerf",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        ],
        "annotations": annotations,
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
            ],
        },
    })
}
