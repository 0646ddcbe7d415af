//! The vendor's tool in place of the write: what it is told, what its failure tells, and what does not go to it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kerf_types::Step;
use nvidia_ml::kernel::vgpu::Framework;
use tempfile::TempDir;

use super::{HALF, World, words};
use crate::systree::SysTree;
use crate::vgpu::WithTool;

/// A root with a tool of this body, and the file into which it writes its arguments.
fn tool(body: &str) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("usr/lib/nvidia");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (path, told) = (folder.join("sriov-manage"), root.path().join("told"));
    let text = format!("#!/bin/sh\necho \"$@\" >> {}\n{body}\n", told.display());
    install(&path, &text);
    (root, told)
}

/// By another process: a descriptor of ours that a test beside this one inherits for the moment of its own start
/// would make the tool busy.
fn install(path: &Path, text: &str) {
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("install runs");
    let mut input = install.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("written");
    drop(input);
    assert!(install.wait().expect("it ends").success());
}

fn told(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn functions_are_turned_by_the_tool_with_the_gpus_slot() {
    let world = World::without_functions(Framework::Vfio);
    let gpu = world.gpu;
    let (root, file) = tool("exit 0");
    let tree = WithTool::new(&world.tree, Some(root.path()));
    let path = format!("/sys/bus/pci/devices/{gpu}/sriov_numvfs");
    tree.write(&path, b"16").expect("the tool is content");
    tree.write(&path, b"0").expect("the tool is content");
    assert_eq!(told(&file), format!("-e {gpu}\n-d {gpu}\n"));
    // It was the tool's, and nothing was written besides.
    assert_eq!(tree.read(&path), world.tree.read(&path));
    assert_eq!(tree.read(&path).as_deref(), Ok(b"0\n".as_slice()));
    // What it said was done counts only when it is seen.
    let enabled = true;
    let refused = words(world.apply(&tree, &Step::SetSriov { gpu, enabled }));
    assert!(
        refused.contains("took 16, and still there is no"),
        "{refused}"
    );
}

#[test]
fn a_tool_that_fails_says_why() {
    let world = World::without_functions(Framework::Vfio);
    let gpu = world.gpu;
    let enabled = true;
    let (root, _) = tool("echo 'GPU is in use' >&2; exit 3");
    let tree = WithTool::new(&world.tree, Some(root.path()));
    let refused = words(world.apply(&tree, &Step::SetSriov { gpu, enabled }));
    let said = format!("usr/lib/nvidia/sriov-manage -e {gpu}: GPU is in use");
    assert!(refused.ends_with(&said), "{refused}");
    assert_eq!(world.look().sriov.expect("some").functions, 0);
    let (root, _) = tool("exit 3");
    let tree = WithTool::new(&world.tree, Some(root.path()));
    let refused = words(world.apply(&tree, &Step::SetSriov { gpu, enabled }));
    assert!(refused.ends_with(": exit status: 3"), "{refused}");
    let (root, _) = tool("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 3");
    let tree = WithTool::new(&world.tree, Some(root.path()));
    let refused = words(world.apply(&tree, &Step::SetSriov { gpu, enabled }));
    assert!(refused.len() < 1_000, "{}", refused.len());
}

#[test]
fn other_files_and_trees_without_the_tool_are_written() {
    let world = World::vfio();
    let (root, file) = tool("exit 1");
    let tree = WithTool::new(&world.tree, Some(root.path()));
    let made = world.apply(&tree, &world.creation(0, HALF));
    made.expect("no work of the tool's");
    assert_eq!(world.types_on(0), [HALF]);
    assert_eq!(told(&file), "");
    let empty = tempfile::tempdir().expect("a folder");
    for root in [None, Some(empty.path())] {
        let world = World::without_functions(Framework::Vfio);
        let tree = WithTool::new(&world.tree, root);
        let (gpu, enabled) = (world.gpu, true);
        let seen = world.apply(&tree, &Step::SetSriov { gpu, enabled });
        assert_eq!(seen.expect("written").functions.len(), 16);
    }
}
