//! podman with kerf-runtime as its `--runtime`, and with CDI names where it can be told where they are.

use std::path::PathBuf;
use std::process::Command;

use kerf_tests::engines::Suite;
use kerf_tests::world::{Image, leftovers};
use kerf_tests::{Capability, process, require};

use super::client::layout;
use super::containers::{Ended, run};
use super::isolation::{expected, own, probe_by};
use super::world::World;

const IMAGE: &str = "localhost/busybox:kerf";

/// A podman of one version with its files in a folder; dropping it ends its containers.
struct Podman {
    suite: Suite,
    folder: PathBuf,
}

impl Podman {
    fn new(world: &World, suite: Suite) -> Self {
        let folder = world.scratch.folder("p").expect("a folder");
        let at = folder.display();
        let home = folder.join("home/.config/containers");
        std::fs::create_dir_all(&home).expect("a folder");
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        std::fs::write(home.join("policy.json"), policy).expect("a file");
        let storage =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{at}/g\"\nrunroot = \"{at}/r\"\n");
        std::fs::write(folder.join("storage.conf"), storage).expect("a file");
        let conmon = suite.program("conmon").expect("conmon");
        // Looked for although no network is made.
        let helpers = suite
            .folder()
            .expect("a folder")
            .join("root/usr/lib/podman");
        let engine = format!(
            "[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = \"cgroupfs\"\n\
             events_logger = \"file\"\nconmon_path = [{conmon:?}]\nhelper_binaries_dir = [{helpers:?}]\nstatic_dir = \"{at}/l\"\n\
             tmp_dir = \"{at}/t\"\nvolume_path = \"{at}/v\"\ncdi_spec_dirs = [{:?}]\n",
            world.kerfd.cdi()
        );
        std::fs::write(folder.join("containers.conf"), engine).expect("a file");
        let podman = Self { suite, folder };
        let root = podman.folder.join("root.tar");
        Image::named(IMAGE).write_root(&root).expect("a root");
        let mut import = podman.command("runc");
        process::run(import.arg("import").arg(root).arg(IMAGE)).expect("it is taken");
        podman
    }

    /// `podman --runtime RUNTIME`, to be given a verb.
    fn command(&self, runtime: impl Into<PathBuf>) -> Command {
        let mut command = Command::new(self.suite.program("podman").expect("podman"));
        command.env("HOME", self.folder.join("home"));
        command.env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.folder.join("storage.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", "/dev/null");
        command.env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1");
        command.env("PATH", self.suite.path().expect("a path"));
        command.arg("--runtime").arg(runtime.into());
        command
    }

    /// `podman run --detach` of a container that sleeps.
    fn start(&self, runtime: impl Into<PathBuf>, name: &str, flags: &[&str]) -> Ended {
        let mut command = self.command(runtime);
        command.args(["run", "--detach", "--network", "none", "--name", name]);
        // The probe makes nodes, which podman's containers usually may not.
        command.args(["--cap-add", "MKNOD"]).args(flags);
        command.args([IMAGE, "sleep", "600"]);
        run(&mut command, &self.folder.join(format!("{name}.log")))
    }

    fn exec(&self, name: &str, script: &str) -> String {
        let mut command = self.command("runc");
        command.args(["exec", name, "sh", "-c", script]);
        run(&mut command, &self.folder.join("exec.log"))
            .ok()
            .to_owned()
    }

    fn end(&self, name: &str) {
        let mut command = self.command("runc");
        command.args(["rm", "--force", "--time", "0", name]);
        process::run(&mut command).expect("it goes");
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let mut command = self.command("runc");
        drop(process::output(
            command.args(["rm", "--force", "--all", "--time", "0"]),
        ));
        drop(leftovers::unmount_below(&self.folder));
    }
}

fn serves(suite: Suite, cdi: bool) {
    if !require(Capability::Engines) || !require(Capability::Cgroup) {
        return;
    }
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let podman = Podman::new(&world, suite);
    let runtime = world.kerfd.runtime();
    let ask = |ask: &str| format!("kerf.dev/accelerator={ask}");
    let asks = ask("1g.10gb");
    podman.start(&runtime, "one", &["--annotation", &asks]).ok();
    let seen = |name| {
        own(&probe_by(name, &world.nodes(), |script| {
            podman.exec(name, script)
        }))
    };
    let lease = world.lease();
    assert_eq!(lease.state, "active");
    assert_eq!(seen("one"), expected(&world, &lease));
    let wrong = podman.start(&runtime, "wrong", &["--annotation", &ask("9g.90gb")]);
    assert!(
        wrong.error().contains("no GPU of this host has"),
        "{}",
        wrong.text
    );
    podman.start(&runtime, "plain", &[]).ok();
    assert!(seen("plain").is_empty());
    assert_eq!(world.lease(), lease);
    podman.end("one");
    world.until_no_leases();
    world.assert_untouched();
    if !cdi {
        return;
    }
    let slices = layout(&[(&["0"], &[("1g.10gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    let slice = world.client.slices().swap_remove(0);
    podman
        .start("runc", "named", &["--device", &slice.cdi_name])
        .ok();
    assert_eq!(seen("named"), expected(&world, &world.lease()));
    let late = podman.start("runc", "late", &["--device", &slice.cdi_name]);
    assert!(late.error().contains("is leased"), "{}", late.text);
    let unknown = podman.start("runc", "unknown", &["--device", "kerf.dev/slice=0:9:9"]);
    assert!(
        unknown.error().contains("unresolvable CDI devices"),
        "{}",
        unknown.text
    );
    podman.end("named");
    world.until_no_leases();
}

#[test]
fn podman_4_serves() {
    // It looks for CDI files in the host's own folders alone.
    serves(Suite::Bookworm, false);
}

#[test]
fn podman_5_serves() {
    serves(Suite::Sid, true);
}
