//! With a runtime that only writes down how it was started: what is passed on, and what never gets there.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kerf_runtime::frame::{Grant, LaunchReply};
use kerf_tests::executable;
use serde_json::{Value, json};

use crate::world::kerfd::Kerfd;
use crate::world::{self, World};

const SHIM: &str = env!("CARGO_BIN_EXE_kerf-runtime");

/// A world whose runtime writes its arguments, its environment and its ignored signals into files.
pub struct Wrapped {
    // First, since its end needs the socket in the world's folder.
    pub kerfd: Kerfd,
    pub world: World,
    pub shim: PathBuf,
}

impl Wrapped {
    pub fn new() -> Self {
        let world = World::new();
        let runtime = world.path("runtime");
        let at = world.dir.path().display();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > {at}/args\n/usr/bin/env > {at}/env\n\
             /bin/grep SigIgn /proc/self/status > {at}/signals\n"
        );
        executable::script(&runtime, &script).expect("script");
        let shim = world.install(Path::new(SHIM), runtime.to_str().expect("text"), 10_000);
        let grant = Grant {
            lease_id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
            fence: 1,
            env: vec!["GRANTED=1".to_owned()],
            ..Grant::default()
        };
        let answer = move |_: &_| Some(LaunchReply::granted(grant.clone()));
        let kerfd = Kerfd::listen(&world.socket(), answer);
        Self { kerfd, world, shim }
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        let mut command = Command::new(&self.shim);
        command
            .args(args)
            .env("PATH", "/evil")
            .env("LISTEN_FDS", "7");
        command.env("LD_AUDIT", "/no/such.so").env("OTHER", "x");
        command.output().expect("the shim starts")
    }

    /// A bundle without a root, for a runtime that does not look.
    pub fn bundle(&self, config: &str) -> String {
        let bundle = self.world.path("bundle");
        fs::create_dir_all(&bundle).expect("bundle");
        fs::write(bundle.join("config.json"), config).expect("config");
        bundle.to_str().expect("text").to_owned()
    }

    /// Names the runtime by the link that needs no reading.
    pub fn link(&self, name: &str) {
        let link = self.world.path("bin/kerf-runtime.oci");
        std::os::unix::fs::symlink(self.world.path(name), link).expect("link");
    }

    /// The runtime has seen the variables that it needs and no other.
    pub fn check_environment(&self) {
        let env = self.world.text("env");
        let seen = |entry: &str| env.lines().any(|line| line == entry);
        assert!(seen("PATH=/evil") && seen("LISTEN_FDS=7"), "{env}");
        assert!(!env.contains("LD_AUDIT") && !env.contains("OTHER"), "{env}");
    }

    pub fn runtime_was_started(&self) -> bool {
        self.world.path("args").exists()
    }
}

#[test]
fn other_verbs_are_passed_on_untouched() {
    let lines: [&[&str]; 6] = [
        &["--root", "/r/ns", "--log", "/l", "start", "c1"],
        &["delete", "--force", "no-such-container"],
        &["kill", "--all", "c1", "9"],
        &["--version"],
        &["exec", "--process", "/p", "create"],
        &["update", "--resources", "-", "c1"],
    ];
    for line in lines {
        for is_linked in [false, true] {
            let wrapped = Wrapped::new();
            if is_linked {
                wrapped.link("runtime");
            }
            let output = wrapped.run(line);
            assert!(output.status.success(), "{line:?}");
            assert_eq!(wrapped.world.text("args").lines().collect::<Vec<_>>(), line);
            wrapped.check_environment();
            assert!(wrapped.kerfd.requests().is_empty());
            // Rust ignores SIGPIPE (bit 12) at start; a container must not inherit that.
            let signals = wrapped.world.text("signals");
            let ignored = signals.split_whitespace().last().expect("a mask");
            let ignored = u64::from_str_radix(ignored, 16).expect("hexadecimal");
            assert_eq!(ignored & 0x1000, 0, "{signals}");
        }
    }
}

#[test]
fn a_link_to_the_shim_itself_ends() {
    let wrapped = Wrapped::new();
    wrapped.link("bin/kerf-runtime");
    fs::remove_file(wrapped.world.path("bin/kerf-runtime.toml")).expect("no settings");
    for verb in ["start", "create"] {
        let output = wrapped.run(&[verb, "c1"]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("is kerf-runtime itself"), "{told}");
    }
}

#[test]
fn a_link_and_settings_that_differ_make_no_container() {
    let wrapped = Wrapped::new();
    wrapped.link("other");
    executable::script(&wrapped.world.path("other"), "#!/bin/sh\n").expect("script");
    let output = wrapped.run(&["create", "c1"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("kerf-runtime.toml beside it names"), "{told}");
    assert!(!wrapped.runtime_was_started());
}

#[test]
fn arguments_that_are_not_text_are_passed_on() {
    let wrapped = Wrapped::new();
    let odd = OsString::from_vec(b"id-\xff".to_vec());
    wrapped.run(&[OsString::from("start"), odd.clone()]);
    let seen = fs::read(wrapped.world.path("args")).expect("arguments");
    assert_eq!(seen, [b"start\n", odd.as_bytes(), b"\n"].concat());
}

#[test]
fn a_container_that_asks_for_nothing_is_passed_on_untouched() {
    let wrapped = Wrapped::new();
    let text = world::spec(&["/bin/true"], json!({"other": "x"})).to_string();
    let bundle = wrapped.bundle(&text);
    let config = wrapped.world.path("bundle/config.json");
    let inode = fs::metadata(&config).expect("config").ino();
    let line = ["create", "--bundle", &bundle, "c1"];
    assert!(wrapped.run(&line).status.success());
    assert_eq!(wrapped.world.text("args").lines().collect::<Vec<_>>(), line);
    assert_eq!(fs::metadata(&config).expect("config").ino(), inode);
    assert!(wrapped.kerfd.requests().is_empty());
}

#[test]
fn a_container_with_an_ask_is_passed_on_with_its_grant() {
    for verb in ["create", "run"] {
        let wrapped = Wrapped::new();
        let ask = json!({"kerf.dev/lease": "0198c0de-0000-7000-8000-000000000001"});
        let bundle = wrapped.bundle(&world::spec(&["/bin/true"], ask).to_string());
        let output = wrapped.run(&["--root=/run/x/default", verb, "-b", &bundle, "c1"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        wrapped.check_environment();
        let text = wrapped.world.text("bundle/config.json");
        let spec: Value = serde_json::from_str(&text).expect("json");
        let env = spec["process"]["env"].as_array().expect("env");
        assert!(env.contains(&json!("GRANTED=1")));
        assert!(text.contains("18446744073709551615"));
        let requests = wrapped.kerfd.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].namespace, "default");
        assert_eq!(requests[0].container_id, "c1");
        assert_eq!(requests[0].ask, None);
        assert!(requests[0].lease.is_some());
        let real = fs::canonicalize(&bundle).expect("bundle");
        assert_eq!(requests[0].bundle, real);
        let pid_file = real.join("kerf.pid");
        let pid = pid_file.to_str().expect("text");
        let expected = [
            "--root=/run/x/default",
            verb,
            "-b",
            &bundle,
            "--pid-file",
            pid,
            "c1",
        ];
        let seen = wrapped.world.text("args");
        assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
        assert_eq!(requests[0].pid_file.as_ref(), Some(&pid_file));
    }
}

#[test]
fn a_relative_pid_file_is_told_to_kerfd_in_full() {
    let wrapped = Wrapped::new();
    let ask = json!({"kerf.dev/accelerator": "gpu"});
    let bundle = wrapped.bundle(&world::spec(&["/bin/true"], ask).to_string());
    let line = ["create", "--bundle", &bundle, "--pid-file", "x/pid", "c1"];
    let mut command = Command::new(&wrapped.shim);
    let folder = fs::canonicalize(wrapped.world.dir.path()).expect("folder");
    let status = command.args(line).current_dir(&folder).status();
    assert!(status.expect("the shim starts").success());
    assert_eq!(wrapped.world.text("args").lines().collect::<Vec<_>>(), line);
    let asked = wrapped.kerfd.requests();
    assert_eq!(asked[0].pid_file, Some(folder.join("x/pid")));
}

#[test]
fn a_pid_that_an_earlier_container_left_is_gone_before_kerfd_is_asked() {
    let wrapped = Wrapped::new();
    let ask = json!({"kerf.dev/accelerator": "gpu"});
    let bundle = wrapped.bundle(&world::spec(&["/bin/true"], ask).to_string());
    let stale = wrapped.world.path("bundle/kerf.pid");
    fs::write(&stale, "1").expect("a stale pid");
    assert!(
        wrapped
            .run(&["create", "-b", &bundle, "c1"])
            .status
            .success()
    );
    assert!(!stale.exists());
}

#[test]
fn hostile_specs_reach_neither_kerfd_nor_the_runtime() {
    let both = json!({"kerf.dev/accelerator": "gpu", "kerf.dev/lease": "x"});
    let asks = world::spec(&["/bin/true"], json!({"kerf.dev/accelerator": "gpu"})).to_string();
    let truncated = asks.get(..asks.len() / 2).expect("a half").to_owned();
    let twice = asks.replacen('{', "{\"annotations\":{},", 1);
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(17 * 1024 * 1024));
    let cases = [
        (truncated, "EOF while parsing"),
        (twice, "duplicate key \"annotations\" at line 1 column"),
        (format!("{asks} x"), "trailing characters"),
        ("[".repeat(100_000), "recursion limit exceeded"),
        (long, "the limit is 16777216"),
        (
            String::new(),
            "EOF while parsing a value at line 1 column 0",
        ),
        (
            world::spec(&["/bin/true"], both).to_string(),
            "two things at once",
        ),
        (
            asks.replacen("\"linux\"", "\"Linux\"", 1),
            "which runc would read as",
        ),
    ];
    let wrapped = Wrapped::new();
    for (text, expected) in cases {
        let bundle = wrapped.bundle(&text);
        let output = wrapped.run(&["create", "--bundle", &bundle, "c1"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(expected), "{told}");
    }
    assert!(!wrapped.runtime_was_started());
    assert!(wrapped.kerfd.requests().is_empty());
}

#[test]
fn ten_megabytes_with_an_ask_work() {
    let wrapped = Wrapped::new();
    let mut spec = world::spec(&["/bin/true"], json!({"kerf.dev/accelerator": "gpu"}));
    spec["unknown"] = json!("x".repeat(10 * 1024 * 1024));
    let bundle = wrapped.bundle(&spec.to_string());
    let output = wrapped.run(&["create", "--bundle", &bundle, "c1"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(wrapped.world.text("bundle/config.json").len() > 10 * 1024 * 1024);
}

#[test]
fn a_restore_and_a_symlinked_spec_are_refused() {
    let wrapped = Wrapped::new();
    let ask = json!({"kerf.dev/accelerator": "gpu"});
    let bundle = wrapped.bundle(&world::spec(&["/bin/true"], ask).to_string());
    let output = wrapped.run(&["restore", "--bundle", &bundle, "c1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be restored"));
    let config = wrapped.world.path("bundle/config.json");
    fs::rename(&config, wrapped.world.path("elsewhere")).expect("rename");
    std::os::unix::fs::symlink(wrapped.world.path("elsewhere"), &config).expect("link");
    let output = wrapped.run(&["create", "--bundle", &bundle, "c1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!wrapped.runtime_was_started());
    assert!(wrapped.kerfd.requests().is_empty());
}

#[test]
fn settings_that_are_wrong_stop_every_verb() {
    let wrapped = Wrapped::new();
    fs::write(wrapped.world.path("bin/kerf-runtime.toml"), "sockett = 1\n").expect("settings");
    let output = wrapped.run(&["start", "c1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown field `sockett`"));
    assert!(!wrapped.runtime_was_started());
}

#[test]
fn the_hook_reports_wrong_use_and_refusals() {
    let wrapped = Wrapped::new();
    let output = wrapped.run(&["claim"]);
    assert_eq!(output.status.code(), Some(2));
    let output = wrapped.run(&["claim", "disk=0"]);
    assert_eq!(output.status.code(), Some(1));
    // Stdin is empty here.
    let output = wrapped.run(&["claim", "gpu=0"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("stdin does not hold an OCI container state"),
        "{told}"
    );
    assert!(!wrapped.runtime_was_started());
    assert!(wrapped.kerfd.requests().is_empty());
}
