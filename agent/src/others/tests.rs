//! Hosts with somebody else on them, and what follows.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kerf_api::json::Severity;

use super::facts::{in_containerd, in_docker, process, strategy_in};
use super::{Facts, Maker, Neighbour, found, who_cuts};

/// A folder that stands for `/`, with these files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    root
}

fn on(files: &[(&str, &str)]) -> Vec<Neighbour> {
    found(&Facts::of_all(root(files).path()))
}

fn cutter(files: &[(&str, &str)], maker: Maker) -> Option<String> {
    let root = root(files);
    let found = found(&Facts::of_cutting(root.path()));
    who_cuts(&found, maker).map(Neighbour::words)
}

#[test]
fn a_host_with_nobody_else_has_no_neighbours() {
    assert_eq!(on(&[]), []);
    let own = [
        ("proc/1/cmdline", "/sbin/init\0"),
        ("proc/2/cmdline", ""),
        ("proc/30/cmdline", "/usr/bin/kerfd\0"),
        ("proc/40/cmdline", "grep\0nvidia-mig-manager\0"),
        ("var/run/cdi/kerf.dev-gpu.json", "{}"),
        ("etc/containerd/config.toml", "version = 2\n"),
        ("etc/docker/daemon.json", "{}"),
        ("var/lib/kubelet/device-plugins/kubelet.sock", ""),
    ];
    assert_eq!(on(&own), []);
}

#[test]
fn whoever_cuts_gpus_is_named_with_what_it_was_seen_by() {
    let cuts = |line: &str| cutter(&[("proc/7/cmdline", line)], Maker::Nvidia);
    let manager = Some("nvidia-mig-manager (process 7)".to_owned());
    assert_eq!(cuts("/usr/bin/nvidia-mig-manager\0--config\0x\0"), manager);
    assert_eq!(cuts("nvidia-mig-manager"), manager);
    assert_eq!(
        cuts("gpu-kubelet-plugin\0").as_deref(),
        Some("NVIDIA's DRA driver (process 7)")
    );
    assert_eq!(cuts("/usr/bin/nvidia-mig-managers\0"), None);
    assert_eq!(cuts("dcgm-exporter\0"), None);
    assert_eq!(cuts("device-config-manager\0"), None, "it is AMD's");
    let amd = cutter(&[("proc/7/cmdline", "device-config-manager\0")], Maker::Amd);
    assert!(amd.is_some());
}

#[test]
fn the_device_plugin_counts_by_its_strategy() {
    let plugin = |line: &str, environment: &str| {
        let files = [("proc/7/cmdline", line), ("proc/7/environ", environment)];
        cutter(&files, Maker::Nvidia)
    };
    let single = Some("nvidia-device-plugin (process 7 with MIG strategy single)".to_owned());
    assert_eq!(
        plugin("/usr/bin/nvidia-device-plugin\0--mig-strategy=single\0", ""),
        single
    );
    assert_eq!(
        plugin("nvidia-device-plugin\0--mig-strategy\0single\0", ""),
        single
    );
    assert_eq!(
        plugin("nvidia-device-plugin\0", "A=b\0MIG_STRATEGY=single\0"),
        single
    );
    // Its own default is none, and then it neither cuts nor tells slices apart.
    assert_eq!(plugin("nvidia-device-plugin\0", ""), None);
    assert_eq!(
        plugin("nvidia-device-plugin\0", "MIG_STRATEGY=none\0"),
        None
    );
    assert_eq!(plugin("nvidia-device-plugin\0--mig-strategy\0", ""), None);
    assert!(
        on(&[("proc/7/cmdline", "nvidia-device-plugin\0")])[0]
            .finding()
            .severity
            == Severity::Warning
    );
}

#[test]
fn an_enabled_unit_cuts_at_the_next_boot_and_one_that_is_only_there_does_not() {
    let enabled = "etc/systemd/system/multi-user.target.wants/nvidia-mig-manager.service";
    let words = "nvidia-mig-manager (nvidia-mig-manager.service is enabled)";
    assert_eq!(
        cutter(&[(enabled, "")], Maker::Nvidia).as_deref(),
        Some(words)
    );
    let there = "usr/lib/systemd/system/nvidia-mig-manager.service";
    assert_eq!(cutter(&[(there, "")], Maker::Nvidia), None);
}

#[test]
fn engines_and_files_of_nvidia_s_toolkit_are_named() {
    let found = on(&[
        ("var/run/cdi/nvidia.yaml", ""),
        ("etc/cdi/nvidia-x.json", ""),
        ("etc/cdi/other.yaml", ""),
        (
            "etc/docker/daemon.json",
            r#"{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}"#,
        ),
        (
            "etc/containerd/conf.d/99-nvidia.toml",
            "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"nvidia\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia.options]\n\
             BinaryName = \"/usr/bin/nvidia-container-runtime.cdi\"\n",
        ),
        (
            "var/lib/kubelet/plugins_registry/gpu.nvidia.com-reg.sock",
            "",
        ),
        ("var/lib/kubelet/device-plugins/amd.com_gpu", ""),
        ("proc/9/cmdline", "nv-hostengine\0-n\0"),
    ]);
    let shown: Vec<String> = found
        .iter()
        .map(|one| format!("{} {}", one.finding().severity.as_str(), one.words()))
        .collect();
    assert_eq!(
        shown,
        [
            "warning NVIDIA's DRA driver (/var/lib/kubelet/plugins_registry/gpu.nvidia.com-reg.sock)",
            "warning AMD's device plugin (/var/lib/kubelet/device-plugins/amd.com_gpu)",
            "note nv-hostengine (process 9)",
            "warning nvidia-container-runtime (/etc/containerd/conf.d/99-nvidia.toml has it as nvidia)",
            "note nvidia-container-runtime (/etc/docker/daemon.json has it as nvidia)",
            "note nvidia-ctk's CDI files (/etc/cdi/nvidia-x.json, /var/run/cdi/nvidia.yaml)",
        ]
    );
    // A socket may be left of one that is gone: it is told, and nobody is held up by it.
    assert!(found.iter().all(|one| one.cuts.is_none()));
    assert!(found.iter().all(|one| !one.finding().hint.is_empty()));
}

#[test]
fn files_that_are_not_what_they_should_be_tell_nothing() {
    let root = root(&[
        ("proc/7/cmdline/x", ""),
        ("etc/containerd/config.toml", "\u{0}[["),
        ("etc/docker/daemon.json", "{\"runtimes\": [1], "),
    ]);
    fs::create_dir_all(root.path().join("var/lib")).expect("made");
    symlink(root.path(), root.path().join("var/lib/kubelet")).expect("linked");
    fs::create_dir_all(root.path().join("proc/8")).expect("made");
    nix::unistd::mkfifo(
        &root.path().join("proc/8/cmdline"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .expect("made");
    assert_eq!(found(&Facts::of_all(root.path())), []);
    assert_eq!(found(&Facts::of_all(Path::new("/none"))), []);
    for text in [
        "plugins = 1",
        "[plugins]\na = 1\nb = { containerd = 3 }",
        "[plugins.a.containerd]\nruntimes = 1",
    ] {
        assert_eq!(in_containerd("x", text), []);
    }
    for text in [
        "null",
        "[]",
        "{\"runtimes\": {\"a\": 1, \"b\": {\"path\": 2}}}",
    ] {
        assert_eq!(in_docker("x", text.as_bytes()), []);
    }
    assert_eq!(strategy_in(b"\xff\0MIG_STRATEGY"), None);
    assert_eq!(process(1, b"\0a"), None);
    assert_eq!(process(1, b" \0"), None);
    let odd = process(1, b"/a/\xff\0--mig-strategy=\xff\0").expect("a process");
    assert_eq!(odd.name, "\u{fffd}");
    let titled = process(1, b"nv-hostengine: worker\0").expect("a process");
    assert_eq!(titled.name, "nv-hostengine");
}

/// The host that runs the tests: whoever has a known name there is seen, whatever the command line says, others are not
/// even read, and how long that takes is told.
#[test]
fn the_processes_of_this_host_are_seen_in_little_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("nv-hostengine");
    let sleep = kerf_tests::bins::system("sleep").expect("coreutils");
    std::fs::copy(sleep, &program).expect("copied");
    let mut known = std::process::Command::new(&program)
        .arg("60")
        .spawn()
        .expect("it starts");
    let mut pretender = std::process::Command::new("bash")
        .args(["-c", "exec -a nvidia-mig-manager sleep 60"])
        .spawn()
        .expect("it starts");
    let is_there = |facts: &Facts, pid| facts.processes.iter().any(|one| one.pid == pid);
    let seen = (0..500).find_map(|_| {
        let begun = std::time::Instant::now();
        let facts = Facts::of_cutting(Path::new("/"));
        let took = begun.elapsed();
        std::thread::sleep(std::time::Duration::from_millis(10));
        is_there(&facts, known.id()).then_some((facts, took))
    });
    let pretends = seen
        .as_ref()
        .is_some_and(|(facts, _)| is_there(facts, pretender.id()));
    for child in [&mut known, &mut pretender] {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    let (_, took) = seen.expect("it is seen");
    kerf_tests::note(&format!(
        "the processes of this host were looked at in {took:?}"
    ));
    assert!(!pretends, "a name that anybody can write");
}
