//! What is said of folders with all kinds of files.

use std::path::{Path, PathBuf};

use super::{check, names, registry, render_check, render_names};
use crate::cli::style::Style;

const GOOD: &str = r#"{"cdiVersion": "0.3.0", "kind": "v.com/c", "devices": [
    {"name": "a", "containerEdits": {"deviceNodes": [{"path": "/dev/a"}]}},
    {"name": "b", "containerEdits": {"hooks": [
        {"hookName": "createRuntime", "path": "/k", "args": ["k", "claim", "b"]}]}}],
    "containerEdits": {"mounts": [{"hostPath": "/l", "containerPath": "/l"}]}}"#;

fn folders() -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().expect("a folder");
    let folders = ["etc", "run", "none"]
        .map(|name| root.path().join(name))
        .to_vec();
    let write = |at: &str, text: &str| {
        let path = root.path().join(at);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("etc/one.json", GOOD);
    write(
        "etc/conflict.yaml",
        "cdiVersion: 0.3.0\nkind: v.com/d\ndevices:\n- name: x\n  containerEdits:\n    env: [A=b]\n",
    );
    write(
        "etc/conflict2.yaml",
        "cdiVersion: 0.3.0\nkind: v.com/d\ndevices:\n- name: x\n  containerEdits:\n    env: [A=c]\n",
    );
    write("run/newer.json", &GOOD.replace("/dev/a", "/dev/other"));
    write("run/broken.json", "{\"cdiVersion\": \"0.3.0\",");
    write(
        "run/unknown.json",
        &GOOD.replace("\"kind\"", "\"more\": 1, \"kind\""),
    );
    write(
        "run/young.yaml",
        "cdiVersion: 0.5.0\nkind: 1v/c\ndevices:\n- name: x\n  containerEdits:\n    additionalGids: [44]\n- name: x\n  containerEdits: {}\n",
    );
    write("run/.half.json.1.tmp", "not read");
    write("run/notes.txt", "not read");
    (root, folders)
}

fn without(root: &Path, text: &str) -> String {
    text.replace(&format!("{}/", root.display()), "")
}

#[test]
fn names_resolve_as_an_engine_resolves_them() {
    let (root, folders) = folders();
    let registry = registry(&folders).expect("it reads");
    let names = names(&registry, &folders);
    let text = render_names(&names, Style { color: false });
    insta::assert_snapshot!(without(root.path(), &text));
}

#[test]
fn every_fault_of_every_file_is_told() {
    let (root, folders) = folders();
    let all = check(&folders[..2]).expect("it reads");
    assert!(!all.ok);
    let text = render_check(&all, Style { color: false });
    insta::assert_snapshot!(without(root.path(), &text));
    let one = check(&[root.path().join("etc/one.json")]).expect("it reads");
    assert_eq!(
        render_check(&one, Style { color: false }),
        "1 file, 2 devices  all valid\n"
    );
    let none = check(&[root.path().join("etc/nowhere.json")]).expect("it reads");
    assert!(!none.ok, "{none:?}");
}
