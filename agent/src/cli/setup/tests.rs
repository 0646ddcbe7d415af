//! Files of engines in a folder: what is written, and what is refused with nothing changed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use kerf_api::json::{Setup, SetupChange, SetupKind};
use tempfile::TempDir;

use super::engine::version_in;
use super::files::{FilesError, Root};
use super::render;
use crate::cli::style::Style;
use crate::setup::link::Found;
use crate::setup::{Edit, LinkEdit};

const FILE: &str = "/etc/engine/config";

/// A folder with one file of an engine's.
fn world(text: &str) -> (TempDir, Root) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("etc/engine");
    fs::create_dir_all(&path).expect("made");
    for folder in [folder.path(), &folder.path().join("etc"), &path] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("set");
    }
    fs::write(path.join("config"), text).expect("written");
    fs::set_permissions(path.join("config"), fs::Permissions::from_mode(0o640)).expect("set");
    let root = Root::new(folder.path());
    (folder, root)
}

fn edit(path: &str, before: Option<&str>, after: Option<&str>) -> Edit {
    Edit {
        path: path.into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    }
}

#[test]
fn a_file_is_replaced_with_its_mode_and_owner_and_leaves_no_other() {
    let (folder, root) = world("old");
    let path = folder.path().join("etc/engine/config");
    let known = fs::metadata(&path).expect("it is there");
    root.write(&edit(FILE, Some("old"), Some("new")))
        .expect("written");
    let now = fs::metadata(&path).expect("it is there");
    assert_eq!(fs::read_to_string(&path).expect("text"), "new");
    assert_eq!(
        (now.mode(), now.uid(), now.gid()),
        (known.mode(), known.uid(), known.gid())
    );
    assert_ne!(now.ino(), known.ino(), "it is another file under the name");
    let names = fs::read_dir(path.parent().expect("a folder"))
        .expect("listed")
        .count();
    assert_eq!(names, 1);
    root.write(&edit("/etc/engine/conf.d/kerf", None, Some("x")))
        .expect("the folder is made");
    root.write(&edit(FILE, Some("new"), None)).expect("removed");
    assert!(!path.exists());
}

fn check_refused(root: &Root, path: &str, expected: &str) {
    let error = root
        .write(&edit(path, Some("old"), Some("new")))
        .expect_err(path);
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn links_and_places_that_others_may_write_are_refused() {
    let (folder, root) = world("old");
    let engine = folder.path().join("etc/engine");
    symlink(engine.join("config"), engine.join("link")).expect("linked");
    symlink(&engine, folder.path().join("etc/other")).expect("linked");
    check_refused(&root, "/etc/engine/link", "is a symbolic link");
    check_refused(&root, "/etc/other/config", "is a symbolic link");
    assert!(matches!(
        root.read(Path::new("/etc/engine/link")),
        Err(FilesError::Link { .. })
    ));
    fs::set_permissions(engine.join("config"), fs::Permissions::from_mode(0o666)).expect("set");
    check_refused(&root, FILE, "with mode 666");
    fs::set_permissions(engine.join("config"), fs::Permissions::from_mode(0o644)).expect("set");
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o1777)).expect("set");
    check_refused(&root, FILE, "with mode 1777");
    assert_eq!(
        fs::read_to_string(engine.join("config")).expect("text"),
        "old"
    );
}

#[test]
fn what_somebody_else_wrote_meanwhile_stays() {
    let (folder, root) = world("theirs");
    check_refused(&root, FILE, "was changed by somebody else");
    let new = root.write(&edit(FILE, None, Some("new")));
    assert!(matches!(new, Err(FilesError::Moved { .. })));
    let path = folder.path().join("etc/engine/config");
    assert_eq!(fs::read_to_string(path).expect("text"), "theirs");
}

#[test]
fn what_is_no_text_file_is_refused_at_once() {
    let (folder, root) = world("old");
    let path = folder.path().join("etc/engine/config");
    fs::write(&path, [0xff, 0xfe]).expect("written");
    let read = |path: &str| root.read(Path::new(path)).expect_err(path).to_string();
    assert!(read(FILE).ends_with("is not text in UTF-8"));
    fs::File::create(&path)
        .expect("made")
        .set_len(5 << 20)
        .expect("grown");
    assert!(read(FILE).ends_with("is not a file of at most 4194304 bytes"));
    let pipe = folder.path().join("etc/engine/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("made");
    assert!(read("/etc/engine/pipe").ends_with("is not a file of at most 4194304 bytes"));
    assert!(read("/etc/engine").ends_with("is not a file of at most 4194304 bytes"));
    for wrong in ["etc/engine/config", "/etc/../etc/engine/config"] {
        assert!(read(wrong).ends_with("is not an absolute path without .."));
    }
    assert_eq!(
        root.read(Path::new("/etc/none/config")).expect("none"),
        None
    );
}

#[test]
fn the_files_of_a_pattern_come_in_order() {
    let (folder, root) = world("old");
    for name in ["b.toml", "a.toml", "a.conf"] {
        fs::write(folder.path().join("etc/engine").join(name), "").expect("written");
    }
    let found = root.matching(Path::new("/etc/engine/*.toml"));
    let expected = ["/etc/engine/a.toml", "/etc/engine/b.toml"];
    assert_eq!(found, expected.map(Path::new));
    assert_eq!(
        root.matching(Path::new("/none/*")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn a_link_is_made_replaced_and_taken_away_if_it_is_as_it_was_read() {
    let (folder, root) = world("old");
    let path = Path::new("/etc/engine/kerf-runtime.oci");
    let real = folder.path().join("etc/engine/kerf-runtime.oci");
    let step = |before: Option<&str>, after: Option<&str>| {
        root.write_link(&LinkEdit {
            path: path.to_owned(),
            before: before.map(Into::into),
            after: after.map(Into::into),
        })
    };
    assert_eq!(root.link(path).expect("none"), Found::Nothing);
    step(None, Some("/usr/sbin/runc")).expect("made");
    assert!(matches!(
        step(None, Some("/x")),
        Err(FilesError::Moved { .. })
    ));
    step(Some("/usr/sbin/runc"), Some("/usr/bin/crun")).expect("replaced");
    let leads = fs::read_link(&real).expect("a link");
    assert_eq!(leads, Path::new("/usr/bin/crun"));
    assert!(matches!(
        step(Some("/usr/sbin/runc"), None),
        Err(FilesError::Moved { .. })
    ));
    step(Some("/usr/bin/crun"), None).expect("removed");
    let names = fs::read_dir(folder.path().join("etc/engine")).expect("listed");
    assert_eq!(names.count(), 1, "nothing beside the engine's file is left");

    // What kerf-runtime refuses is told apart, and never written over.
    symlink("runc", &real).expect("linked");
    assert_eq!(root.link(path).expect("read"), Found::Other);
    assert!(matches!(
        step(None, Some("/x")),
        Err(FilesError::Moved { .. })
    ));
    assert_eq!(root.link(Path::new(FILE)).expect("read"), Found::Other);
    let open = folder.path().join("etc/engine");
    fs::set_permissions(open, fs::Permissions::from_mode(0o777)).expect("set");
    fs::remove_file(&real).expect("removed");
    assert!(matches!(
        step(None, Some("/x")),
        Err(FilesError::Exposed { .. })
    ));
}

#[test]
fn the_version_is_the_first_word_of_numbers() {
    for (line, expected) in [
        (
            "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3",
            Some((1, 6)),
        ),
        ("containerd containerd.io v1.7.25 bcc810d6", Some((1, 7))),
        (
            "containerd github.com/containerd/containerd/v2 2.1.9~ds1-5 x",
            Some((2, 1)),
        ),
        ("containerd", None),
    ] {
        assert_eq!(version_in(line), expected, "{line}");
    }
}

#[test]
fn a_change_is_shown_with_what_comes_next() {
    let mut setup = Setup {
        schema: Default::default(),
        engine: "docker".to_owned(),
        handler: "kerf".to_owned(),
        undo: false,
        written: false,
        changes: vec![SetupChange {
            path: FILE.to_owned(),
            kind: SetupKind::Create,
            diff: "--- /dev/null\n+++ x\n@@ -0,0 +1 @@\n+a\n".to_owned(),
        }],
        notes: vec!["this stays".to_owned()],
        restart: Some("systemctl reload docker".to_owned()),
    };
    let plain = Style { color: false };
    let shown = render(&setup, plain);
    assert_eq!(
        shown,
        "--- /dev/null\n+++ x\n@@ -0,0 +1 @@\n+a\nnote: this stays\n\
         docker: nothing is written yet; --write does it; docker knows of it after `systemctl reload docker`\n"
    );
    assert!(render(&setup, Style { color: true }).contains("\u{1b}[32m+a\u{1b}[0m"));
    let json = serde_json::to_string_pretty(&setup).expect("a document");
    insta::assert_snapshot!(json, @r#"
{
  "schema": "kerf.v1.Setup",
  "engine": "docker",
  "handler": "kerf",
  "undo": false,
  "written": false,
  "changes": [
    {
      "path": "/etc/engine/config",
      "kind": "create",
      "diff": "--- /dev/null\n+++ x\n@@ -0,0 +1 @@\n+a\n"
    }
  ],
  "notes": [
    "this stays"
  ],
  "restart": "systemctl reload docker"
}
"#);
    setup.written = true;
    assert!(
        render(&setup, plain)
            .ends_with("docker: written; docker knows of it after `systemctl reload docker`\n")
    );
    (setup.undo, setup.written, setup.restart) = (true, false, None);
    assert!(
        render(&setup, plain)
            .ends_with("docker: nothing is changed yet; without --dry-run it is\n")
    );
    setup.changes.clear();
    assert!(render(&setup, plain).ends_with("docker: nothing to do\n"));
}
