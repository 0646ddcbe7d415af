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

#[test]
fn the_link_to_the_runtime_comes_and_goes_with_the_settings_and_serves_every_other_verb() {
    let Some(runc) = bins::system("runc") else {
        kerf_tests::note("skipped: the_link_to_the_runtime_…: runc is not installed");
        return;
    };
    if !require(Capability::Root) {
        return;
    }
    let scratch = Scratch::new("ks").expect("/tmp takes folders");
    let root = scratch.path();
    // The machine's own runc, so that what the link says is true out here as well.
    let inside = root.join(runc.strip_prefix("/").expect("an absolute path"));
    std::fs::create_dir_all(inside.parent().expect("a folder")).expect("made");
    std::fs::copy(&runc, &inside).expect("copied");
    let folder = root.join("etc/kerf");
    std::fs::create_dir_all(&folder).expect("made");
    let program = folder.join("kerf-runtime");
    std::fs::copy(bins::runtime().expect("it is built"), &program).expect("copied");
    let (file, link) = (
        folder.join("kerf-runtime.toml"),
        folder.join("kerf-runtime.oci"),
    );

    let shown = setup(root, &["containerd"]);
    let line = format!("+{}\n", runc.display());
    let is_shown = shown.contains("+++ b/etc/kerf/kerf-runtime.oci\n") && shown.contains(&line);
    assert!(is_shown, "{shown}");
    assert!(!link.is_symlink(), "a dry run");
    setup(root, &["containerd", "--write"]);
    assert_eq!(std::fs::read_link(&link).expect("a link"), runc);
    setup(root, &["docker", "--write"]);
    assert!(setup(root, &["docker", "--write"]).ends_with("docker: nothing to do\n"));

    let text = std::fs::read_to_string(&file).expect("written");
    let version = || process::output(Command::new(&program).arg("--version")).expect("it starts");
    let own = process::run(Command::new(&runc).arg("--version")).expect("runc starts");
    // Nobody reads the file for a verb that makes no container; without the link somebody has to.
    std::fs::write(&file, "no settings").expect("written");
    let output = version();
    assert_eq!(String::from_utf8_lossy(&output.stdout), own);
    std::fs::rename(&link, folder.join("away")).expect("moved");
    assert!(!version().status.success(), "the file was not read");
    std::fs::rename(folder.join("away"), &link).expect("moved");
    std::fs::write(&file, text).expect("written");

    setup(root, &["containerd", "--undo"]);
    assert!(link.is_symlink(), "Docker needs it");
    setup(root, &["docker", "--undo"]);
    assert!(!link.is_symlink() && !file.exists());
}
