//! Nodes are made once, checked always, and never replaced.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use kerf_types::DeviceMinor;
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};
use tempfile::TempDir;

use super::{DeviceNode, NodeError, ensure, ensure_channels, ensure_link, link_known};
use crate::sysfs::Root;

const MINORS: &str = "config 1\nmonitor 2\ngpu0/gi7/access 66\ngpu0/gi7/ci0/access 67\n";
/// Linux registers no character driver of a major from 512 on, so that none is behind a node.
const MAJOR: u32 = 600;

fn machine() -> (TempDir, Root) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    };
    write(
        "proc/devices",
        &format!("Character devices:\n{MAJOR} nvidia-caps\n"),
    );
    write("proc/driver/nvidia-caps/mig-minors", MINORS);
    fs::create_dir(folder.path().join("dev")).expect("a folder");
    let root = Root::open(folder.path()).expect("a root");
    (folder, root)
}

/// Whether device nodes can be made here.
fn may_make_nodes() -> bool {
    kerf_tests::require(kerf_tests::Capability::Root)
}

#[test]
fn nodes_are_made_with_the_right_numbers_and_mode() {
    if !may_make_nodes() {
        return;
    }
    let (folder, root) = machine();
    let minors = [DeviceMinor(66), DeviceMinor(67)];
    let nodes = ensure(&root, &minors).expect("nodes");
    assert_eq!(nodes[1].path, "/dev/nvidia-caps/nvidia-cap67");
    assert_eq!((nodes[1].major, nodes[1].minor), (MAJOR, 67));
    let facts = fs::metadata(folder.path().join("dev/nvidia-caps/nvidia-cap67")).expect("a node");
    assert!(facts.file_type().is_char_device());
    assert_eq!(
        (major(facts.rdev()), minor(facts.rdev())),
        (MAJOR.into(), 67)
    );
    assert_eq!(facts.permissions().mode() & 0o7777, 0o444);
    assert_eq!(ensure(&root, &minors).expect("nodes"), nodes, "again");
}

#[test]
fn a_channels_node_is_made_as_far_as_the_driver_has_it() {
    if !may_make_nodes() {
        return;
    }
    let (folder, root) = machine();
    let major = MAJOR + 1;
    let devices = format!("Character devices:\n{major} nvidia-caps-imex-channels\n");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    };
    let absent = ensure_channels(&root, &[0]);
    assert!(
        matches!(absent, Err(NodeError::NoMajor { .. })),
        "{absent:?}"
    );
    write("proc/devices", &devices);
    write("proc/driver/nvidia/params", "ImexChannelCount: 2\n");
    let nodes = ensure_channels(&root, &[1]).expect("a node");
    assert_eq!(nodes[0].path, "/dev/nvidia-caps-imex-channels/channel1");
    assert_eq!((nodes[0].major, nodes[0].minor), (major, 1));
    let at = folder.path().join(&nodes[0].path[1..]);
    assert_eq!(
        fs::metadata(at).expect("a node").permissions().mode() & 0o600,
        0o600
    );
    let beyond = ensure_channels(&root, &[2]);
    assert!(
        matches!(beyond, Err(NodeError::NoChannel { channel: 2 })),
        "{beyond:?}"
    );
}

#[test]
fn minors_that_open_no_instance_are_refused() {
    let (_folder, root) = machine();
    for minor in [0, 1, 2, 68, u32::MAX] {
        let error = ensure(&root, &[DeviceMinor(minor)]).expect_err("no instance");
        assert!(matches!(error, NodeError::NoCapability { .. }), "{error}");
    }
    assert!(ensure(&root, &[]).expect("nothing to do").is_empty());
}

#[test]
fn a_tree_names_no_major_of_the_real_machine() {
    let (folder, root) = machine();
    // 1 is `mem` on every Linux: /dev/mem, /dev/null and their like.
    let devices = "Character devices:\n  1 nvidia-caps\n";
    fs::write(folder.path().join("proc/devices"), devices).expect("a file");
    let error = ensure(&root, &[DeviceMinor(66)]).expect_err("real hardware");
    assert!(
        matches!(&error, NodeError::RealMajor { major: 1, driver } if driver == "mem"),
        "{error}"
    );
    assert!(!folder.path().join("dev/nvidia-caps").exists());
}

#[test]
fn what_has_the_name_already_must_be_the_node() {
    let (folder, root) = machine();
    let caps = folder.path().join("dev/nvidia-caps");
    fs::create_dir(&caps).expect("a folder");
    fs::write(caps.join("nvidia-cap66"), "").expect("a file");
    symlink("/dev/null", caps.join("nvidia-cap67")).expect("a link");
    for minor in [66, 67] {
        let error = ensure(&root, &[DeviceMinor(minor)]).expect_err("foreign");
        assert!(matches!(error, NodeError::Foreign { .. }), "{error}");
    }
    assert!(caps.join("nvidia-cap66").is_file(), "never replaced");
}

#[test]
fn a_driver_without_tables_makes_no_nodes() {
    let (folder, root) = machine();
    fs::write(folder.path().join("proc/devices"), "Character devices:\n").expect("a file");
    assert!(matches!(
        ensure(&root, &[DeviceMinor(66)]),
        Err(NodeError::NoMajor { .. })
    ));
    fs::write(
        folder.path().join("proc/driver/nvidia-caps/mig-minors"),
        "oops\n",
    )
    .expect("a file");
    assert!(matches!(
        ensure(&root, &[DeviceMinor(66)]),
        Err(NodeError::Table { .. })
    ));
}

#[test]
fn the_kernels_name_of_a_node_leads_to_it() {
    if !may_make_nodes() {
        return;
    }
    let (folder, root) = machine();
    let nodes = ensure(&root, &[DeviceMinor(66), DeviceMinor(67)]).expect("nodes");
    ensure_link(&root, &nodes[0]).expect("no folder, and nobody who looks there");
    let char = folder.path().join("dev/char");
    fs::create_dir(&char).expect("a folder");
    for _ in 0..2 {
        ensure_link(&root, &nodes[0]).expect("a link");
    }
    let target = fs::read_link(char.join(format!("{MAJOR}:66"))).expect("a link");
    assert_eq!(target.to_str(), Some("../nvidia-caps/nvidia-cap66"));
    symlink(
        "../nvidia-caps/nvidia-cap66",
        char.join(format!("{MAJOR}:67")),
    )
    .expect("a wrong link");
    let error = ensure_link(&root, &nodes[1]).expect_err("leads elsewhere");
    assert!(matches!(error, NodeError::Foreign { .. }), "{error}");
    let other = DeviceNode {
        minor: 5,
        ..nodes[0].clone()
    };
    symlink("nowhere", char.join(format!("{MAJOR}:5"))).expect("a dangling link");
    assert!(
        ensure_link(&root, &other).is_ok(),
        "left to whoever made it: it opens nothing"
    );
}

#[test]
fn nodes_that_others_have_made_get_the_kernels_names() {
    if !may_make_nodes() {
        return;
    }
    let (folder, root) = machine();
    let dev = folder.path().join("dev");
    let devices = format!("Character devices:\n{MAJOR} nvidia-caps\n601 nvidia\n602 else\n");
    fs::write(folder.path().join("proc/devices"), devices).expect("a file");
    fs::create_dir(dev.join("char")).expect("a folder");
    ensure(&root, &[DeviceMinor(66)]).expect("a node");
    for (name, major, minor) in [
        ("nvidia0", 601, 0),
        ("nvidiactl", 601, 255),
        ("nvidia1", 602, 1),
        ("other", 601, 7),
    ] {
        let (mode, numbers) = (Mode::from_bits_truncate(0o666), makedev(major, minor));
        mknod(&dev.join(name), SFlag::S_IFCHR, mode, numbers).expect("a node");
    }
    fs::write(dev.join("nvidia2"), "").expect("no node at all");
    for _ in 0..2 {
        link_known(&root).expect("links");
        let mut links: Vec<String> = fs::read_dir(dev.join("char"))
            .expect("the folder")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let name = path
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                format!("{name} {}", fs::read_link(&path).expect("a link").display())
            })
            .collect();
        links.sort();
        let own = format!("{MAJOR}:66 ../nvidia-caps/nvidia-cap66");
        assert_eq!(
            links,
            [own.as_str(), "601:0 ../nvidia0", "601:255 ../nvidiactl"]
        );
    }
}
