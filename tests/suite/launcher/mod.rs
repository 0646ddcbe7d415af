//! The launcher of kerfd against a real containerd and runc: images, containers, terminals, faults.

mod archives;
mod faults;
mod guards;
mod images;
mod lifecycle;
mod owners;
mod parts;
mod registry;
mod terminals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_agent::hardware::WorkerProgram;
use kerf_agent::hardware::worker::Kind;
use kerf_agent::launcher::{
    ContainerView, ImagePattern, LaunchPolicy, Launcher, LauncherConfig, LauncherError,
    StartRequest, Started, Submitter, UserIds,
};
use kerf_agent::process::workers::Processes;
use kerf_tests::world::{Containerd, IMAGE, busybox_image, leftovers};
use kerf_tests::{Capability, Scratch, bins, poll, process, require};
use kerf_types::job::JobSpec;
use kerf_types::{ContainerRef, JobId};
use tokio::runtime::Runtime;

/// Who may everything.
const ADMIN: Submitter = Submitter {
    ids: UserIds { uid: 0, gid: 0 },
    admin: true,
};

/// How long anything that works may take here; a machine under load is slow.
const LIMIT: Duration = Duration::from_secs(60);

/// A containerd of its own with a launcher on it.
struct World {
    runtime: Runtime,
    containerd: Containerd,
    launcher: Launcher,
    scratch: Scratch,
}

impl World {
    /// Starts it, with the busybox image already imported; `None` where it cannot run.
    fn new() -> Option<Self> {
        let world = Self::without_image()?;
        world.import_busybox();
        Some(world)
    }

    fn without_image() -> Option<Self> {
        if !require(Capability::Containerd) || !require(Capability::Cgroup) {
            return None;
        }
        let scratch = Scratch::new("kl").expect("/tmp takes folders");
        let containerd = Containerd::start(&scratch.join("c")).expect("containerd comes up");
        let launcher = Launcher::new(config(&containerd, &scratch)).expect("a launcher");
        Some(Self {
            runtime: Runtime::new().expect("a runtime"),
            containerd,
            launcher,
            scratch,
        })
    }

    /// Carries out something of the launcher; a test never hangs for ever.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            tokio::time::timeout(LIMIT, work)
                .await
                .expect("it ends in time")
        })
    }

    fn import_busybox(&self) {
        let archive = self.scratch.join("busybox.tar");
        busybox_image(&archive, IMAGE).expect("the host's busybox makes an image");
        let names = self.import(&archive).expect("the archive is taken");
        assert_eq!(names, [IMAGE]);
    }

    fn import(&self, archive: &Path) -> Result<Vec<String>, LauncherError> {
        self.run(async {
            let file = tokio::fs::File::open(archive).await.expect("the archive");
            self.launcher.import_image(file, None, ADMIN).await
        })
    }

    /// What containerd has of one container.
    fn view(&self, id: &str) -> Option<ContainerView> {
        let views = self.run(self.launcher.list()).expect("a list");
        views.into_iter().find(|view| view.container.id == id)
    }

    fn container(&self, id: &str) -> ContainerRef {
        self.launcher.container(id).expect("a name")
    }

    fn log_dir(&self, id: &str) -> PathBuf {
        self.scratch.join("logs").join(id)
    }

    /// A request to run a shell script in busybox.
    fn request(&self, id: &str, script: &str) -> StartRequest {
        StartRequest {
            container: self.container(id),
            job: job(),
            spec: JobSpec {
                image: IMAGE.to_owned(),
                args: ["sh", "-c", script].map(str::to_owned).to_vec(),
                ..JobSpec::default()
            },
            submitter: ADMIN,
            lease: None,
            log_dir: self.log_dir(id),
            restarts: 0,
            seat: None,
            stdin: false,
            terminal_size: None,
        }
    }

    fn start(&self, request: StartRequest) -> Result<Started, LauncherError> {
        self.run(self.launcher.start(request))
    }

    /// Runs a script to its end: exit code and standard output.
    fn shell(&self, id: &str, script: &str) -> (u32, String) {
        self.start(self.request(id, script)).expect("it starts");
        self.finish(id)
    }

    fn finish(&self, id: &str) -> (u32, String) {
        let container = self.container(id);
        let exit = self.run(self.launcher.wait(&container)).expect("it ends");
        self.run(self.launcher.remove(&container)).expect("it goes");
        (exit.code, self.log(id, "stdout.log"))
    }

    fn log(&self, id: &str, file: &str) -> String {
        std::fs::read_to_string(self.log_dir(id).join(file)).expect("a log")
    }

    fn ctr(&self, arguments: &[&str]) -> String {
        process::run(self.containerd.ctr().args(arguments)).expect("ctr answers")
    }

    /// Nothing of any container is left in containerd, runc or the cgroups.
    fn assert_empty(&self) {
        assert_eq!(self.ctr(&["containers", "list", "-q"]), "");
        assert_eq!(self.ctr(&["tasks", "list", "-q"]), "");
        assert_eq!(self.ctr(&["leases", "list", "-q"]), "");
        let snapshots = self.ctr(&["snapshots", "list"]);
        let active: Vec<&str> = snapshots
            .lines()
            .filter(|line| line.contains("Active"))
            .collect();
        assert_eq!(active, Vec::<&str>::new());
        let namespace = self.containerd.namespace();
        // A shim ends by itself a moment after its task was deleted.
        let shims = || leftovers::processes_naming(namespace);
        poll::until_true("the end of shims", LIMIT, || shims().is_empty()).expect("none is left");
        let bundles = self.scratch.join("c/state/io.containerd.runtime.v2.task");
        assert_eq!(leftovers::mounts_below(&bundles), Vec::<PathBuf>::new());
        let state = Path::new("/run/containerd/runc").join(namespace);
        let states = std::fs::read_dir(state).into_iter().flatten().count();
        assert_eq!(states, 0, "runc has containers");
        for group in self.cgroups() {
            let children = std::fs::read_dir(&group).into_iter().flatten().flatten();
            let children = children.filter(|entry| entry.path().is_dir());
            assert_eq!(children.count(), 0, "{} has containers", group.display());
        }
    }

    /// The cgroups of the namespace, one in each hierarchy.
    fn cgroups(&self) -> Vec<PathBuf> {
        let inside = Path::new("kerf").join(self.containerd.namespace());
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten();
        std::iter::once(root.to_path_buf())
            .chain(hierarchies.map(|entry| entry.path()))
            .map(|hierarchy| hierarchy.join(&inside))
            .filter(|group| group.is_dir())
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Nothing here may panic: a test that has failed already would abort all others with it.
        let launcher = &self.launcher;
        let ended = async {
            for view in launcher.list().await.unwrap_or_default() {
                drop(launcher.remove(&view.container).await);
            }
        };
        let limited = async { tokio::time::timeout(LIMIT, ended).await };
        // What is left then, the end of containerd below takes with it.
        drop(self.runtime.block_on(limited));
        for group in self.cgroups() {
            // One that is in use stays, and the end of containerd below shows why.
            drop(std::fs::remove_dir(group));
        }
    }
}

fn config(containerd: &Containerd, scratch: &Scratch) -> LauncherConfig {
    let runc = bins::system("runc").expect("runc is there with containerd");
    let state = scratch.join("state");
    LauncherConfig {
        policy: LaunchPolicy {
            images: vec![ImagePattern::any()],
            ..LaunchPolicy::default()
        },
        ..LauncherConfig::new(
            containerd.socket(),
            containerd.namespace(),
            runc,
            state,
            processes(scratch, Path::new("/bin/false")),
        )
    }
}

/// Workers for processes, offered by nobody; they start this as guard.
fn processes(scratch: &Scratch, runtime: &Path) -> Processes {
    Processes::new(WorkerProgram {
        program: bins::partitioner().expect("it is built"),
        nvml: None,
        sysroot: "/".into(),
        simulated: None,
        records: scratch.join("process-workers"),
        socket: scratch.join("process.sock"),
        kind: Kind::Processes {
            runtime: runtime.to_owned(),
        },
    })
}

fn job() -> JobId {
    JobId::new(1_700_000_000_000, [3; 10])
}

/// An error with all of its causes.
fn chain(error: &LauncherError) -> String {
    let first: &dyn std::error::Error = error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
