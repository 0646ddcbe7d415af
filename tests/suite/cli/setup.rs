//! `kerf setup` on the files of engines, and the engines that read them afterwards.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kerf_tests::{Capability, ChildGuard, Scratch, bins, poll, process, require};

use crate::host::said::Said;

/// How long containerd may take to start on a machine under load.
const LIMIT: Duration = Duration::from_secs(60);

/// A containerd with the CRI plugin and all its files in one folder, as somebody would write it by hand.
fn config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"version = 2 # kept
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
  address = "{folder}/c.sock"
[ttrpc]
  address = "{folder}/t.sock"

[plugins]
  [plugins."io.containerd.internal.v1.opt"]
    path = "{folder}/opt"
  [plugins."io.containerd.grpc.v1.cri"]
    restrict_oom_score_adj = true
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "{folder}/cni/bin"
      conf_dir = "{folder}/cni/net.d""#
    )
}

fn setup(root: &Path, words: &[&str]) -> String {
    let mut command = Command::new(bins::kerf().expect("kerf is built"));
    command.arg("setup").args(words).arg("--root").arg(root);
    Said::by(command).ends(0)
}

#[test]
fn containerd_starts_with_what_setup_writes_and_knows_the_handler() {
    if !require(Capability::Root) || !require(Capability::Containerd) {
        return;
    }
    let scratch = Scratch::new("ks").expect("/tmp takes folders");
    let root = scratch.path();
    let file = root.join("etc/containerd/config.toml");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    let before = config(root);
    std::fs::write(&file, &before).expect("written");

    let shown = setup(root, &["containerd"]);
    assert!(shown.contains("nothing is written yet"), "{shown}");
    assert_eq!(
        std::fs::read_to_string(&file).expect("text"),
        before,
        "a dry run"
    );
    setup(root, &["containerd", "--write"]);
    assert!(setup(root, &["containerd", "--write"]).ends_with("containerd: nothing to do\n"));

    let containerd = bins::system("containerd").expect("it is installed");
    let dump = process::run(
        Command::new(&containerd)
            .arg("-c")
            .arg(&file)
            .args(["config", "dump"]),
    );
    let dump = dump.expect("containerd reads it").replace('\'', "\"");
    assert!(
        dump.contains("BinaryName = \"/usr/bin/kerf-runtime\""),
        "{dump}"
    );
    assert!(dump.contains(".containerd.runtimes.kerf]"), "{dump}");
    assert!(dump.contains("restrict_oom_score_adj = true"), "{dump}");

    // The CRI plugin loads: it does not where the built-in handler was lost.
    let mut command = Command::new(&containerd);
    let mut child = ChildGuard::spawn(
        "containerd",
        command.arg("-c").arg(&file),
        &root.join("log"),
    );
    let child = child.as_mut().expect("started");
    let socket = root.join("c.sock");
    let ask = || {
        let mut ctr = Command::new(bins::system("ctr").expect("it is installed"));
        ctr.arg("-a").arg(&socket).args(["plugins", "ls"]);
        process::run(&mut ctr).ok()
    };
    let plugins = poll::until("containerd", LIMIT, ask);
    let plugins = plugins.unwrap_or_else(|error| panic!("{error:#}\n{}", child.log_tail(30)));
    let cri = plugins.lines().filter(|line| line.contains("cri"));
    let cri: Vec<&str> = cri.collect();
    assert!(
        !cri.is_empty() && cri.iter().all(|line| line.trim_end().ends_with("ok")),
        "{plugins}"
    );
    child.terminate(LIMIT).expect("it ends");

    setup(root, &["containerd", "--undo"]);
    assert_eq!(
        std::fs::read_to_string(&file).expect("text"),
        before,
        "to the byte"
    );
}

#[test]
fn podman_finds_the_runtime_by_its_name() {
    let Some(podman) = bins::system("podman") else {
        kerf_tests::note("skipped: podman_finds_the_runtime_by_its_name: podman is not installed");
        return;
    };
    if !require(Capability::Root) {
        return;
    }
    let scratch = Scratch::new("ks").expect("/tmp takes folders");
    let root = scratch.path();
    let runtime = bins::runtime().expect("kerf-runtime is built");
    let program = runtime.to_str().expect("UTF-8");
    setup(root, &["podman", "--write", "--runtime", program]);
    let file = root.join("etc/containers/containers.conf.d/50-kerf.conf");
    let mut command = Command::new(podman);
    command.env("CONTAINERS_CONF", &file);
    command
        .arg("--root")
        .arg(root.join("store"))
        .arg("--runroot")
        .arg(root.join("run"));
    command.args([
        "--runtime",
        "kerf",
        "info",
        "--format",
        "{{.Host.OCIRuntime.Path}}",
    ]);
    let path = process::run(&mut command).expect("podman knows the runtime");
    assert_eq!(path.trim(), program);
    setup(root, &["podman", "--undo"]);
    assert!(!file.exists());
}
