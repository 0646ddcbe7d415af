//! Looks into tables of the kernel.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{mount_points, mounts_below, processes_naming, programs_naming};
use crate::{ChildGuard, Scratch, poll};

#[test]
fn mount_points_are_read_with_their_escapes() {
    let table = "21 1 8:1 / / rw - ext4 /dev/a rw\n\
                 45 21 0:4 / /tmp/with\\040blank/x rw - tmpfs none rw\n";
    let points: Vec<_> = mount_points(table).collect();
    assert_eq!(points, [Path::new("/"), Path::new("/tmp/with blank/x")]);
}

#[test]
fn proc_is_mounted() {
    assert!(mounts_below(Path::new("/proc")).contains(&"/proc".into()));
}

#[test]
fn a_process_is_found_by_a_path_in_its_arguments() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let word = scratch.path().display().to_string();
    let file = scratch.join("file");
    std::fs::write(&file, "").expect("a folder of our own takes files");
    let mut command = Command::new("tail");
    command.arg("-f").arg(&file);
    let child = ChildGuard::spawn("tail", &mut command, &scratch.join("log")).expect("it starts");
    // A process that is just being executed has no arguments yet.
    let named = || processes_naming(&word) == [child.pid()];
    poll::until_true("the process", Duration::from_secs(60), named).expect("its path names it");
    assert!(processes_naming(&format!("{word}/fil")).is_empty());
    assert_eq!(programs_naming("tail", &word), [child.pid()]);
    assert!(programs_naming("kerf-partitioner", &word).is_empty());
}
