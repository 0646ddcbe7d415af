//! Which file counts, what it may say, and who may have written it.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn told(text: &str) -> String {
    match Settings::parse(Path::new("/x/kerf-runtime.toml"), text) {
        Ok(settings) => format!("{settings:?}"),
        Err(error) => match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {}", cause.to_string().trim_end()),
            None => error.to_string(),
        },
    }
}

#[test]
fn what_the_file_may_say() {
    let texts = [
        "",
        "socket = \"/s\"\nruntime = \"crun\"\ntimeout_ms = 500",
        "runtime = \"/opt/bin/crun\"",
        "require_lease = true\nallow_privileged = true",
        "runtime = \"bin/crun\"",
        "socket = \"relative\"",
        "timeout_ms = 0",
        "timeout_ms = 600001",
        "wait_ms = 0",
        "wait_ms = 600001",
        "timeout_ms = \"1s\"",
        "sockett = \"/s\"",
        "socket = 7",
        "socket = \"/a\"\nsocket = \"/b\"",
    ];
    let table: Vec<String> = texts.iter().map(|text| told(text)).collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    Settings { socket: "/run/kerf/runtime.sock", runtime: None, timeout: 10s, require_lease: false, allow_privileged: false, wait: 2s }
    Settings { socket: "/s", runtime: Some("crun"), timeout: 500ms, require_lease: false, allow_privileged: false, wait: 2s }
    Settings { socket: "/run/kerf/runtime.sock", runtime: Some("/opt/bin/crun"), timeout: 10s, require_lease: false, allow_privileged: false, wait: 2s }
    Settings { socket: "/run/kerf/runtime.sock", runtime: None, timeout: 10s, require_lease: true, allow_privileged: true, wait: 2s }
    /x/kerf-runtime.toml: runtime must be an absolute path or a program's name
    /x/kerf-runtime.toml: socket must be an absolute path
    /x/kerf-runtime.toml: timeout_ms must be 1 to 600000
    /x/kerf-runtime.toml: timeout_ms must be 1 to 600000
    Settings { socket: "/run/kerf/runtime.sock", runtime: None, timeout: 10s, require_lease: false, allow_privileged: false, wait: 0ns }
    /x/kerf-runtime.toml: wait_ms must be 0 to 600000
    /x/kerf-runtime.toml is wrong: TOML parse error at line 1, column 14
      |
    1 | timeout_ms = "1s"
      |              ^^^^
    invalid type: string "1s", expected u64
    /x/kerf-runtime.toml is wrong: TOML parse error at line 1, column 1
      |
    1 | sockett = "/s"
      | ^^^^^^^
    unknown field `sockett`, expected one of `socket`, `runtime`, `timeout_ms`, `require_lease`, `allow_privileged`, `wait_ms`
    /x/kerf-runtime.toml is wrong: TOML parse error at line 1, column 10
      |
    1 | socket = 7
      |          ^
    invalid type: integer `7`, expected path string
    /x/kerf-runtime.toml is wrong: TOML parse error at line 2, column 1
      |
    2 | socket = "/b"
      | ^^^^^^
    duplicate key
    "#);
}

#[test]
fn the_file_beside_the_program_counts_and_must_be_safe() {
    let dir = tempfile::tempdir().expect("folder");
    let exe = dir.path().join("kerf-runtime");
    let file = dir.path().join(FILE_NAME);
    let mode = |mode: u32| {
        let set = fs::set_permissions(&file, fs::Permissions::from_mode(mode));
        set.expect("mode");
    };
    fs::write(&file, "socket = \"/mine\"").expect("file");
    mode(0o644);
    let settings = Settings::load(&exe).expect("safe");
    assert_eq!(settings.socket, Path::new("/mine"));
    for open in [0o664, 0o646] {
        mode(open);
        let error = Settings::load(&exe).expect_err("unsafe");
        assert!(matches!(error, SettingsError::Exposed { .. }), "{error}");
    }
    mode(0o644);
    fs::write(&file, vec![b'#'; 70_000]).expect("file");
    let error = Settings::load(&exe).expect_err("long");
    assert!(matches!(error, SettingsError::NotPlain { .. }));
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("folder");
    let error = Settings::load(&exe).expect_err("a folder");
    assert!(matches!(error, SettingsError::NotPlain { .. }));
}

#[test]
fn a_file_of_another_user_is_not_read() {
    if !kerf_tests::require(kerf_tests::Capability::Root) {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join(FILE_NAME);
    fs::write(&file, "").expect("file");
    std::os::unix::fs::chown(&file, Some(65534), None).expect("chown");
    let error = Settings::load(&dir.path().join("kerf-runtime")).expect_err("foreign");
    assert!(matches!(error, SettingsError::Exposed { uid: 65534, .. }));
}

#[test]
fn the_runtime_is_found_in_fixed_folders_and_is_never_this_program() {
    let dir = tempfile::tempdir().expect("folder");
    let exe = dir.path().join("kerf-runtime");
    fs::write(&exe, "").expect("file");
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o755)).expect("mode");
    let with = |runtime: &Path| Settings {
        runtime: Some(runtime.to_owned()),
        ..Settings::default()
    };
    let found = with(Path::new("sh")).find_runtime(&exe).expect("a shell");
    assert!(
        PROGRAM_FOLDERS
            .iter()
            .any(|folder| found.starts_with(folder))
    );
    let link = dir.path().join("runc");
    std::os::unix::fs::symlink(&exe, &link).expect("link");
    for own in [&exe, &link] {
        let error = with(own).find_runtime(&exe).expect_err("itself");
        assert!(matches!(error, SettingsError::Circular { .. }));
    }
    let plain = dir.path().join("plain");
    fs::write(&plain, "").expect("file");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("mode");
    for absent in [Path::new("no-such-runtime"), Path::new("/no/such"), &plain] {
        let error = with(absent).find_runtime(&exe).expect_err("absent");
        assert!(matches!(error, SettingsError::NoRuntime { .. }));
    }
}

#[test]
fn a_link_names_the_runtime_and_the_file_must_not_contradict() {
    let dir = tempfile::tempdir().expect("folder");
    let exe = dir.path().join("kerf-runtime");
    let link = dir.path().join(LINK_NAME);
    let to = |target: &str| {
        drop(fs::remove_file(&link));
        std::os::unix::fs::symlink(target, &link).expect("link");
        Settings::load(&exe)
    };
    let runtime = |settings: Settings| settings.find_runtime(&exe);
    // Alone, it is all the settings there are.
    let found = to("/bin/sh").expect("settings");
    assert_eq!(found.socket, Path::new(DEFAULT_SOCKET));
    assert_eq!(runtime(found).expect("a shell"), Path::new("/bin/sh"));
    let write = |text: &str| fs::write(dir.path().join(FILE_NAME), text).expect("settings");
    write("timeout_ms = 5");
    assert_eq!(to("/bin/sh").expect("settings").timeout.as_millis(), 5);
    write("runtime = \"sh\"");
    to("/bin/sh").expect("the same program");
    let error = to("/bin/cat").expect_err("two programs");
    assert!(
        matches!(error, SettingsError::TwoRuntimes { .. }),
        "{error}"
    );
    write("");
    let error = to("sh").expect_err("a relative link");
    assert!(matches!(error, SettingsError::Link { .. }), "{error}");
    fs::remove_file(&link).expect("no link");
    fs::write(&link, "/bin/sh").expect("a file");
    let error = Settings::load(&exe).expect_err("not a link");
    assert!(matches!(error, SettingsError::Link { .. }), "{error}");
}

#[test]
fn a_link_of_somebody_else_is_refused() {
    if sys::effective_uid() != 0 {
        return;
    }
    let dir = tempfile::tempdir().expect("folder");
    let link = dir.path().join(LINK_NAME);
    std::os::unix::fs::symlink("/bin/sh", &link).expect("link");
    std::os::unix::fs::lchown(&link, Some(4242), None).expect("lchown");
    let error = Settings::load(&dir.path().join("kerf-runtime")).expect_err("foreign");
    assert!(matches!(error, SettingsError::Link { .. }), "{error}");
}
