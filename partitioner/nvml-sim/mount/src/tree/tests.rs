//! What is where, without a mount.

use std::path::Path;

use fuser::FileType;
use nvidia_ml::kernel::{Errno, Kernel};
use nvidia_ml::machine::{self, CreateOptions};
use tempfile::TempDir;

use super::{PAGE, Tree};

const GPU: &str = "sys/devices/pci0000:00/0000:00:01.1/0000:05:00.0";

/// A machine with AMD GPUs, its tree, and the folder of its first GPU.
fn world() -> (TempDir, Tree, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = CreateOptions { seed: Some(1) };
    let made = machine::create("mi300x8", folder.path(), Path::new(""), &options);
    let made = made.expect("a machine");
    let kernel = Kernel::open(&made.dir).expect("a kernel");
    let state = kernel.state().expect("a state").amd.expect("AMD GPUs");
    let gpu = state.gpus[0].folder.clone();
    let tree = Tree::new(kernel, made.sysroot).expect("a tree");
    (folder, tree, gpu)
}

#[test]
fn files_below_sys_have_the_kernels_modes_and_a_page() {
    let (_folder, tree, gpu) = world();
    let of = |name: &str| {
        let facts = tree.facts(&format!("{gpu}/{name}")).expect("a file");
        (facts.kind, facts.mode, facts.size)
    };
    let page = u64::try_from(PAGE).expect("it is small");
    let file = FileType::RegularFile;
    assert_eq!(of("current_compute_partition"), (file, 0o644, page));
    assert_eq!(of("unique_id"), (file, 0o444, page));
    // Not of the state: nobody can write it, whatever the mode of the plain file is.
    assert_eq!(of("vendor"), (file, 0o444, page));
    let (kind, mode, size) = of("config");
    assert_eq!((kind, mode), (file, 0o444));
    assert!(size == 256 || size == 4_096, "{size}");
    let folder = tree.facts("sys/class/drm").expect("a folder");
    assert_eq!(folder.kind, FileType::Directory);
    let link = tree.facts("sys/class/drm/card0").expect("a link");
    assert_eq!(link.kind, FileType::Symlink);
    assert_eq!(tree.facts("sys/none"), Err(Errno::ENOENT));
}

#[test]
fn links_are_given_as_they_are_written() {
    let (_folder, tree, _) = world();
    for path in ["sys/class/drm/card0", "sys/bus/pci/devices/0000:05:00.0"] {
        let target = tree.link(path);
        if let Ok(target) = target {
            let target = String::from_utf8(target).expect("text");
            assert!(target.starts_with("../"), "{path}: {target}");
        }
    }
    assert_eq!(tree.link("sys/class/drm"), Err(Errno::EINVAL));
    assert_eq!(tree.link("sys/none"), Err(Errno::ENOENT));
}

#[test]
fn a_value_is_taken_up_to_a_page_and_what_is_gone_says_so() {
    let (_folder, tree, gpu) = world();
    let mode = format!("{gpu}/current_compute_partition");
    assert_eq!(tree.give(&mode, b"CPX\n"), Ok(4));
    assert_eq!(tree.value(&mode), Ok(b"CPX\n".to_vec()));
    assert_eq!(tree.give(&mode, b"QPZ"), Err(Errno::EINVAL));
    assert_eq!(tree.give(&mode, &[b' '; 2 * PAGE]), Err(Errno::EINVAL));
    assert_eq!(tree.value(&format!("{GPU}/none")), Err(Errno::ENODEV));
    let outside = tree.facts("proc/devices").expect("a file");
    assert!(outside.size > 0);
}
