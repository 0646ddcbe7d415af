//! The seam: the real file system under a root, and that both trees answer alike.

use std::fs;
use std::os::unix::fs::symlink;

use kerf_tests::tree;
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use nvidia_ml::kernel::Kernel;
use nvidia_ml::machine::{self, CreateOptions};
use tempfile::TempDir;

use super::{Operation, READ_LIMIT, RealTree, SimTree, SysTree, TreeError};
use crate::sysfs::Root;

struct World {
    folder: TempDir,
    root: Root,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("sys")).expect("a folder");
        let root = Root::open(folder.path()).expect("a root");
        Self { folder, root }
    }

    fn put(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).expect("written");
    }

    fn tree(&self) -> RealTree<'_> {
        RealTree::new(&self.root)
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, TreeError>) -> (Operation, Errno) {
    match answer {
        Err(TreeError::Refused {
            operation, errno, ..
        }) => (operation, errno),
        other => panic!("a refusal was expected: {other:?}"),
    }
}

#[test]
fn a_value_replaces_the_one_before_it() {
    let world = World::new();
    world.put("sys/mode", "a longer value\n");
    let tree = world.tree();
    tree.write("/sys/mode", b"CPX").expect("written");
    assert_eq!(tree.read("/sys/mode"), Ok(b"CPX".to_vec()));
    assert_eq!(tree.list("/sys"), Ok(vec!["mode".to_owned()]));
}

#[test]
fn errors_say_what_was_tried_and_keep_the_errno() {
    let world = World::new();
    world.put("sys/mode", "SPX\n");
    let tree = world.tree();
    let absent = refused(tree.read("/sys/none"));
    assert_eq!(absent, (Operation::Read, Errno::ENOENT));
    let absent = refused(tree.write("/sys/none", b"1"));
    assert_eq!(absent, (Operation::OpenToWrite, Errno::ENOENT));
    assert!(!world.folder.path().join("sys/none").exists());
    let folder = refused(tree.read("/sys"));
    assert_eq!(folder, (Operation::Read, Errno::EISDIR));
    let file = refused(tree.list("/sys/mode"));
    assert_eq!(file, (Operation::List, Errno::ENOTDIR));
    let plain = refused(tree.link("/sys/mode"));
    assert_eq!(plain, (Operation::Link, Errno::EINVAL));
    let error = tree.read("/sys/none").expect_err("absent");
    assert!(error.is_absent());
    assert_eq!(error.to_string(), "read /sys/none");
}

#[test]
fn links_are_read_as_written_and_never_lead_out_of_the_root() {
    let world = World::new();
    world.put("sys/mode", "SPX\n");
    let link = |target: &str, name: &str| {
        symlink(target, world.folder.path().join(name)).expect("a link");
    };
    link("mode", "sys/same");
    link("/etc/hostname", "sys/out");
    link("../../../../../../etc/hostname", "sys/up");
    link("loop", "sys/loop");
    let tree = world.tree();
    assert_eq!(tree.link("/sys/out"), Ok("/etc/hostname".to_owned()));
    assert_eq!(tree.read("/sys/same"), Ok(b"SPX\n".to_vec()));
    for path in ["/sys/out", "/sys/up"] {
        assert_eq!(refused(tree.read(path)).1, Errno::ENOENT, "{path}");
        assert_eq!(refused(tree.write(path, b"x")).1, Errno::ENOENT, "{path}");
    }
    assert_eq!(refused(tree.read("/sys/loop")).1, Errno::ELOOP);
}

#[test]
fn a_hostile_tree_neither_holds_nor_floods_us() {
    let world = World::new();
    mkfifo(&world.folder.path().join("sys/pipe"), Mode::S_IRWXU).expect("a pipe");
    world.put("sys/large", &"x".repeat(READ_LIMIT + 1));
    world.put("sys/whole", &"x".repeat(READ_LIMIT));
    let tree = world.tree();
    assert_eq!(refused(tree.read("/sys/pipe")).1, Errno::EINVAL);
    // Nobody reads from it.
    assert_eq!(refused(tree.write("/sys/pipe", b"1")).1, Errno::ENXIO);
    assert!(matches!(
        tree.read("/sys/large"),
        Err(TreeError::TooLarge { .. })
    ));
    assert_eq!(
        tree.read("/sys/whole").map(|bytes| bytes.len()),
        Ok(READ_LIMIT)
    );
}

/// A kernel that refuses a value does so at the write itself.
#[test]
fn a_refusal_by_the_kernel_is_the_writes() {
    let root = Root::open(std::path::Path::new("/")).expect("a root");
    let tree = RealTree::new(&root);
    let wrong = refused(tree.write("/proc/self/oom_score_adj", b"no number"));
    assert_eq!(wrong, (Operation::Write, Errno::EINVAL));
}

/// What a machine's plain tree shows to everybody is what its kernel says.
#[test]
fn both_trees_answer_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = CreateOptions { seed: Some(5) };
    let info = machine::create(
        "mi300x8",
        folder.path(),
        tree::workspace_root().as_ref(),
        &options,
    );
    let info = info.expect("a machine");
    let root = Root::open(&info.sysroot).expect("a root");
    let (real, sim) = (
        RealTree::new(&root),
        SimTree::new(Kernel::open(&info.dir).expect("a kernel")),
    );
    let mut looked_at = 0;
    let mut left = vec![
        "/sys/class/kfd/kfd".to_owned(),
        "/sys/class/drm/card0/device".to_owned(),
    ];
    while let Some(path) = left.pop() {
        let names = real.list(&path).expect("a folder");
        assert_eq!(sim.list(&path).as_ref(), Ok(&names), "{path}");
        for name in names {
            let path = format!("{path}/{name}");
            if let Ok(link) = real.link(&path) {
                assert_eq!(sim.link(&path), Ok(link), "{path}");
            } else if let Ok(bytes) = real.read(&path) {
                assert_eq!(sim.read(&path), Ok(bytes), "{path}");
                looked_at += 1;
            } else {
                left.push(path);
            }
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}
