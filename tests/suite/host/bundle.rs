//! OCI bundles without a container engine: for plain runc, and for what no engine would write.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use kerf_tests::world::{leftovers, static_busybox};
use kerf_tests::{bins, executable, process};
use serde_json::{Value, json};

use super::containers::{Ended, run};
use super::world::World;

/// Where runc keeps the state of these containers, in the bundles' folder. kerf-runtime reads the
/// namespace from its last part, and in `default` everything may be asked for.
const RUNC_ROOT: &str = "runc/default";

/// A folder of bundles with one root file system and one runc state; dropping it ends its containers.
pub struct Bundles {
    folder: PathBuf,
    group: String,
    /// What removes the containers: state of one runtime is nothing to another.
    oci: PathBuf,
    /// The mount namespace that runtimes see, for other cgroups than the host shows; none for the host's own.
    view: Option<PathBuf>,
}

impl Bundles {
    pub fn new(world: &World) -> Self {
        Self::by(world, bins::system("runc").expect("runc"), None)
    }

    /// [`Bundles::new`] for a runtime and a view of their own.
    pub fn by(world: &World, oci: PathBuf, view: Option<PathBuf>) -> Self {
        let folder = world.scratch.folder("bundles").expect("a folder");
        let bin = folder.join("rootfs/bin");
        std::fs::create_dir_all(&bin).expect("a root file system");
        for name in ["dev", "proc", "tmp"] {
            std::fs::create_dir_all(folder.join("rootfs").join(name)).expect("a folder");
        }
        let (busybox, _) = static_busybox().expect("a static busybox");
        executable::copy(&busybox, &bin.join("busybox")).expect("a copy");
        for applet in ["sh", "sleep", "echo", "mknod", "rm", "ln"] {
            let link = bin.join(applet);
            // A world may have bundles for two runtimes.
            if !link.exists() {
                symlink("busybox", link).expect("a link");
            }
        }
        let unique = world.scratch.path().file_name().expect("a name");
        Self {
            folder,
            group: unique.to_string_lossy().into_owned(),
            oci,
            view,
        }
    }

    /// The spec of a container that runs a shell script with no devices but what edits add.
    pub fn spec(&self, id: &str, script: &str) -> Value {
        let mount =
            |at: &str, kind: &str| json!({ "destination": at, "type": kind, "source": kind });
        let capabilities = ["CAP_MKNOD"];
        let namespaces = ["pid", "mount", "ipc", "uts", "network"];
        let namespaces = namespaces.map(|kind| json!({ "type": kind }));
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": ["sh", "-c", script],
                "env": ["PATH=/bin"],
                "cwd": "/",
                "capabilities": {
                    "bounding": capabilities,
                    "effective": capabilities,
                    "permitted": capabilities,
                },
                "noNewPrivileges": true,
            },
            "root": { "path": self.folder.join("rootfs") },
            "mounts": [mount("/proc", "proc"), mount("/dev", "tmpfs"), mount("/tmp", "tmpfs")],
            "linux": {
                "cgroupsPath": format!("/{}/{id}", self.group),
                "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
                "namespaces": namespaces,
            },
        })
    }

    /// The folder with a bundle of each container's name.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their root file system.
    pub fn root(&self) -> PathBuf {
        self.folder.join("rootfs")
    }

    /// Writes a bundle with this text as its `config.json`.
    pub fn write(&self, id: &str, config: &[u8]) -> PathBuf {
        let bundle = self.folder.join(id);
        std::fs::create_dir_all(&bundle).expect("a folder");
        std::fs::write(bundle.join("config.json"), config).expect("a file");
        bundle
    }

    /// Runs a detached container of a spec with plain runc.
    pub fn runc(&self, id: &str, spec: &Value) -> Ended {
        let bundle = self.write(id, spec.to_string().as_bytes());
        self.run(&self.oci, id, &bundle, &["run", "--detach"])
    }

    /// `<runtime> <verb> --bundle <bundle> --pid-file <file> <id>`, with the state of these bundles.
    pub fn run(&self, runtime: &Path, id: &str, bundle: &Path, verb: &[&str]) -> Ended {
        let mut command = self.command(runtime);
        command.args(verb).arg("--bundle").arg(bundle);
        command.arg("--pid-file").arg(bundle.join("pid")).arg(id);
        run(&mut command, &bundle.join("output"))
    }

    /// A runtime with the state of these bundles, to be given a verb.
    pub fn command(&self, runtime: &Path) -> Command {
        let mut command = match &self.view {
            None => Command::new(runtime),
            Some(view) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--mount={}", view.display()))
                    .arg(runtime);
                command
            }
        };
        command.arg("--root").arg(self.folder.join(RUNC_ROOT));
        command
    }

    /// The processes of all containers.
    pub fn processes(&self) -> Vec<u32> {
        leftovers::processes_in_cgroup(&self.group)
    }

    /// Kills a container and removes it.
    pub fn end(&self, id: &str) {
        let mut delete = self.command(&self.oci);
        process::run(delete.args(["delete", "--force", id])).expect("it goes");
    }

    /// Ids of the containers that runc knows.
    pub fn known(&self) -> Vec<String> {
        super::world::names(&self.folder.join(RUNC_ROOT))
    }
}

impl Drop for Bundles {
    fn drop(&mut self) {
        // Nothing here may panic: a test that has failed already would abort all others with it.
        for id in self.known() {
            let mut delete = self.command(&self.oci);
            drop(process::output(delete.args(["delete", "--force", &id])));
        }
        leftovers::remove_cgroups(&self.group);
    }
}
