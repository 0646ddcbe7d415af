//! A rewrite that is cut off or raced against: `config.json` is the old file or the new one, and nothing else is touched.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use kerf_runtime::frame::{Grant, LaunchReply};
use kerf_tests::{Capability, note, require};
use serde_json::{Value, json};

use crate::world::kerfd::Kerfd;
use crate::world::{self, World};
use crate::wrap::Wrapped;

const SHIM: &str = env!("CARGO_BIN_EXE_kerf-runtime");

/// Creates that race against links; `KERF_RACE_ROUNDS` sets another number.
const ROUNDS: usize = 2_000;

fn asking() -> Value {
    world::spec(&["/bin/true"], json!({"kerf.dev/accelerator": "gpu"}))
}

fn create(wrapped: &Wrapped, bundle: &str) -> Output {
    wrapped.run(&["create", "--bundle", bundle, "c1"])
}

/// Names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn killed_at_any_system_call_it_leaves_the_old_file_or_the_new() {
    if Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        return note("strace is not there");
    }
    let wrapped = Wrapped::new();
    let old = asking().to_string();
    let bundle = wrapped.bundle(&old);
    let folder = wrapped.world.path("bundle");
    assert!(create(&wrapped, &bundle).status.success());
    let new = wrapped.world.text("bundle/config.json");
    let mut seen = [0, 0];
    for step in 1.. {
        wrapped.bundle(&old);
        let inject = format!("inject=all:signal=KILL:when={step}");
        let status = Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "-e", "trace=all", "-e", &inject])
            .arg(&wrapped.shim)
            .args(["create", "--bundle", &bundle, "c1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let ended_well = status.expect("strace starts").success();
        let text = wrapped.world.text("bundle/config.json");
        assert!(text == old || text == new, "step {step}: {text}");
        seen[usize::from(text == new)] += 1;
        for name in names(&folder) {
            let is_ours = name == "config.json" || name.starts_with(".config.json.kerf-");
            assert!(is_ours, "step {step}: {name}");
        }
        if ended_well {
            break;
        }
        assert!(step < 5_000, "it never comes to its end");
    }
    assert!(seen[0] > 20 && seen[1] > 1, "{seen:?}");
    // What the killed ones left is in nobody's way.
    wrapped.bundle(&old);
    assert!(create(&wrapped, &bundle).status.success());
    assert_eq!(wrapped.world.text("bundle/config.json"), new);
}

/// A tmpfs of its own; unmounted when it is dropped.
struct Small(PathBuf);

impl Small {
    fn new(at: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&at).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .status();
        assert!(mounted.expect("mount").success());
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn without_room_or_on_a_read_only_file_system_nothing_changes_and_nothing_starts() {
    if !require(Capability::Root) {
        return;
    }
    let wrapped = Wrapped::new();
    let small = Small::new(wrapped.world.path("bundle"), "size=192k,mode=755");
    let mut spec = asking();
    spec["unknown"] = json!("x".repeat(128 * 1024));
    let text = spec.to_string();
    let bundle = wrapped.bundle(&text);
    let refused = |why: &str| {
        let output = create(&wrapped, &bundle);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains("cannot be replaced") && told.contains(why),
            "{told}"
        );
        assert_eq!(names(&small.0), ["config.json"]);
        assert_eq!(wrapped.world.text("bundle/config.json"), text);
        assert!(!wrapped.runtime_was_started());
    };
    refused("No space left on device");
    let remount = ["-o", "remount,ro"];
    let status = Command::new("mount").args(remount).arg(&small.0).status();
    assert!(status.expect("mount").success());
    // With a pid file of the engine's, so that the first write is the spec's.
    let output = wrapped.run(&[
        "create",
        "--bundle",
        &bundle,
        "--pid-file",
        "/run/kerf-none",
        "c1",
    ]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Read-only file system"), "{told}");
    assert!(!wrapped.runtime_was_started());
    drop(small);
}

#[test]
fn a_bundle_behind_a_link_is_edited_where_it_lies() {
    let wrapped = Wrapped::new();
    wrapped.bundle(&asking().to_string());
    let link = wrapped.world.path("link");
    symlink(wrapped.world.path("bundle"), &link).expect("link");
    assert!(
        create(&wrapped, link.to_str().expect("text"))
            .status
            .success()
    );
    let real = fs::canonicalize(wrapped.world.path("bundle")).expect("bundle");
    assert_eq!(wrapped.kerfd.requests()[0].bundle, real);
    assert!(
        wrapped
            .world
            .text("bundle/config.json")
            .contains("GRANTED=1")
    );
    assert!(fs::symlink_metadata(&link).expect("link").is_symlink());
}

#[test]
fn what_an_image_preloads_is_the_containers_own_affair() {
    let wrapped = Wrapped::new();
    let mut spec = asking();
    let preload = [
        "LD_PRELOAD=/evil.so",
        "GLIBC_TUNABLES=x",
        "NVIDIA_VISIBLE_DEVICES=all",
    ];
    spec["process"]["env"] = json!(preload);
    let bundle = wrapped.bundle(&spec.to_string());
    assert!(create(&wrapped, &bundle).status.success());
    wrapped.check_environment();
    let edited: Value =
        serde_json::from_str(&wrapped.world.text("bundle/config.json")).expect("json");
    let env = edited["process"]["env"].as_array().expect("env");
    assert!(preload.iter().all(|entry| env.contains(&json!(entry))));
    assert!(!wrapped.world.text("env").contains("LD_"));
}

#[test]
fn a_refusal_reaches_a_log_of_text_too() {
    let wrapped = Wrapped::new();
    let bundle = wrapped.bundle("{");
    let log = wrapped.world.path("log");
    let log = log.to_str().expect("text");
    let output = wrapped.run(&[
        "--log",
        log,
        "--systemd-cgroup",
        "create",
        "-b",
        &bundle,
        "c1",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let line = wrapped.world.text("log");
    assert!(line.contains(" level=error msg=\"kerf-runtime: "), "{line}");
    assert!(line.contains("not well-formed JSON"), "{line}");
}

/// Exchanges files of the bundle for links out of it, for as long as `runs`.
fn race(bundle: &Path, outside: &Path, old: &str, runs: &AtomicBool) {
    let config = bundle.join("config.json");
    let (spare, link) = (bundle.join("spare"), bundle.join("link"));
    let mut pid = std::process::id();
    while runs.load(Ordering::Relaxed) {
        // Each by a rename, as an attacker would: there is always something of the name.
        if symlink(outside.join("victim"), &link).is_ok() {
            drop(fs::rename(&link, &config));
        }
        drop(symlink(outside.join("pid"), bundle.join("kerf.pid")));
        for ahead in 0..4 {
            let name = format!(".config.json.kerf-{}", pid.wrapping_add(ahead));
            drop(symlink(outside.join("new"), bundle.join(name)));
        }
        pid = newest_pid().unwrap_or(pid);
        if fs::write(&spare, old).is_ok() {
            drop(fs::rename(&spare, &config));
        }
    }
}

/// The last pid that was given out.
fn newest_pid() -> Option<u32> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split_whitespace().last()?.parse().ok()
}

#[test]
fn a_racer_with_links_moves_no_write_out_of_the_bundle() {
    let rounds = std::env::var("KERF_RACE_ROUNDS").ok();
    let rounds = rounds.map_or(ROUNDS, |n| n.parse().expect("a number of rounds"));
    let world = World::new();
    let shim = world.install(Path::new(SHIM), "/bin/true", 10_000);
    let grant = Grant {
        lease_id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
        fence: 1,
        ..Grant::default()
    };
    let _kerfd = Kerfd::listen(&world.socket(), move |_| {
        Some(LaunchReply::granted(grant.clone()))
    });
    let (bundle, outside) = (world.path("bundle"), world.path("outside"));
    fs::create_dir_all(&bundle).expect("bundle");
    fs::create_dir_all(&outside).expect("outside");
    let old = asking().to_string();
    let victim = outside.join("victim");
    fs::write(&victim, &old).expect("victim");
    let before = fs::metadata(&victim).expect("victim");
    let runs = AtomicBool::new(true);
    let (mut started, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| race(&bundle, &outside, &old, &runs));
        for _ in 0..rounds {
            let output = Command::new(&shim)
                .args(["create", "--bundle"])
                .arg(&bundle)
                .arg("c1")
                .stderr(Stdio::null())
                .status();
            match output.expect("the shim starts").success() {
                true => started += 1,
                false => refused += 1,
            }
        }
        runs.store(false, Ordering::Relaxed);
    });
    assert_eq!(names(&outside), ["victim"], "something was made outside");
    let after = fs::metadata(&victim).expect("victim");
    assert_eq!(fs::read_to_string(&victim).expect("victim"), old);
    assert_eq!(
        (after.ino(), after.mtime_nsec()),
        (before.ino(), before.mtime_nsec())
    );
    assert!(
        started > 0 && refused > 0,
        "{started} started, {refused} refused: no race"
    );
}
