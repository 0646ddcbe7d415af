//! Docker with kerf-runtime as one of its runtimes, and with CDI names.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kerf_tests::engines::Suite;
use kerf_tests::world::{Image, leftovers};
use kerf_tests::{Capability, ChildGuard, poll, process, require};

use super::client::layout;
use super::containers::{Ended, run};
use super::isolation::{expected, own, probe_by};
use super::world::{LIMIT, World};

const IMAGE: &str = "busybox:kerf";

/// Docker's containers are in containerd's namespace `moby`.
const DOCKER: &str = "[launch.asks]\nmoby = [\"*\"]\n";

/// How long the daemon may take to end its containers and its containerd.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A Docker daemon with its files in a folder; dropping it ends its containers.
struct Docker<'w> {
    daemon: ChildGuard,
    folder: PathBuf,
    world: &'w World,
}

impl<'w> Docker<'w> {
    fn start(world: &'w World) -> Self {
        let folder = world.scratch.folder("d").expect("a folder");
        let settings = serde_json::json!({
            "runtimes": { "kerf": { "path": world.kerfd.runtime() } },
            "data-root": folder.join("data"),
            "exec-root": folder.join("x"),
            "pidfile": folder.join("pid"),
            "hosts": [format!("unix://{}", folder.join("s").display())],
            "bridge": "none",
            "iptables": false,
            "ip6tables": false,
            "storage-driver": "vfs",
            "cdi-spec-dirs": [world.kerfd.cdi()],
        });
        let file = folder.join("daemon.json");
        std::fs::write(&file, settings.to_string()).expect("a file");
        let mut command = Command::new(Suite::Sid.program("dockerd").expect("dockerd"));
        command.env("PATH", Suite::Sid.path().expect("a path"));
        command.arg("--config-file").arg(file);
        let log = folder.join("log");
        let daemon = ChildGuard::spawn("dockerd", &mut command, &log).expect("it starts");
        let docker = Self {
            daemon,
            folder,
            world,
        };
        poll::until_true("an answer of dockerd", LIMIT, || {
            process::run(docker.command().arg("version")).is_ok()
        })
        .unwrap_or_else(|error| panic!("{error:#}\n{}", docker.daemon.log_tail(20)));
        let root = docker.folder.join("root.tar");
        Image::named(IMAGE).write_root(&root).expect("a root");
        process::run(docker.command().arg("import").arg(root).arg(IMAGE)).expect("it is taken");
        docker
    }

    fn command(&self) -> Command {
        let mut command = Command::new(Suite::Sid.program("docker").expect("docker"));
        command.env("HOME", &self.folder);
        command
            .arg("--host")
            .arg(format!("unix://{}", self.folder.join("s").display()));
        command
    }

    /// `docker run --detach` of a container that sleeps.
    fn run(&self, name: &str, flags: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(["run", "--detach", "--network", "none", "--name", name]);
        command.args(flags).args([IMAGE, "sleep", "600"]);
        run(&mut command, &self.folder.join(format!("{name}.log")))
    }

    fn seen(&self, name: &str) -> std::collections::BTreeSet<String> {
        let exec = |script: &str| {
            let mut command = self.command();
            process::run(command.args(["exec", name, "sh", "-c", script])).expect("it runs")
        };
        own(&probe_by(name, &self.world.nodes(), exec))
    }

    fn end(&self, name: &str) {
        process::run(self.command().args(["rm", "--force", name])).expect("it goes");
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        for name in ["one", "plain", "named"] {
            drop(process::output(
                self.command().args(["rm", "--force", name]),
            ));
        }
        drop(self.daemon.terminate(STOP_LIMIT));
        drop(leftovers::unmount_below(&self.folder));
    }
}

#[test]
fn docker_serves() {
    if !require(Capability::Engines) || !require(Capability::Cgroup) {
        return;
    }
    let Some(world) = World::bare("h100x8", DOCKER) else {
        return;
    };
    let docker = Docker::start(&world);
    let asking = |ask: &str| {
        let annotation = format!("--annotation=kerf.dev/accelerator={ask}");
        ["--runtime=kerf".to_owned(), annotation]
    };
    let [runtime, ask] = asking("1g.10gb");
    docker.run("one", &[&runtime, &ask]).ok();
    let lease = world.lease();
    assert_eq!(lease.state, "active");
    assert!(
        lease
            .container
            .as_deref()
            .is_some_and(|id| id.starts_with("moby/"))
    );
    assert_eq!(docker.seen("one"), expected(&world, &lease));
    let [runtime, wrong] = asking("9g.90gb");
    let wrong = docker.run("wrong", &[&runtime, &wrong]);
    assert!(
        wrong.error().contains("no GPU of this host has"),
        "{}",
        wrong.text
    );
    docker.run("plain", &[&runtime]).ok();
    assert!(docker.seen("plain").is_empty());
    let privileged = docker.run("privileged", &[&runtime, &ask, "--privileged"]);
    assert!(
        privileged.error().contains("gets no accelerator"),
        "{}",
        privileged.text
    );
    assert_eq!(world.lease(), lease);
    docker.end("one");
    world.until_no_leases();
    world.assert_untouched();

    let slices = layout(&[(&["0"], &[("1g.10gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    let slice = world.client.slices().swap_remove(0);
    docker.run("named", &["--device", &slice.cdi_name]).ok();
    assert_eq!(docker.seen("named"), expected(&world, &world.lease()));
    let late = docker.run("late", &["--device", &slice.cdi_name]);
    assert!(late.error().contains("is leased"), "{}", late.text);
    let unknown = docker.run("unknown", &["--device", "kerf.dev/slice=0:9:9"]);
    assert!(
        unknown.error().contains("unresolvable CDI devices"),
        "{}",
        unknown.text
    );
    docker.end("named");
    world.until_no_leases();
}
