//! What a process that has gone left is removed, and nothing of anybody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{MARK, left_in, mark, sweep};
use crate::{ChildGuard, Scratch, bins, executable, poll};

/// The id of a process that has ended.
fn gone() -> u32 {
    let mut child = Command::new("true").spawn().expect("it starts");
    let pid = child.id();
    child.wait().expect("it ends");
    pid
}

fn folder(place: &Path, name: &str, mark: &str, mode: u32) -> std::path::PathBuf {
    let folder = place.join(name);
    fs::create_dir(&folder).expect("a folder of our own takes folders");
    fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("it is ours");
    fs::write(folder.join(MARK), mark).expect("a folder of our own takes files");
    folder
}

#[test]
fn only_our_own_folders_of_processes_that_have_gone_are_left() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let place = scratch.folder("place").expect("a folder");
    let (pid, own) = (gone(), std::process::id());
    let left = folder(&place, "left", &mark(pid), 0o755);
    folder(&place, "open", &mark(pid), 0o775);
    folder(&place, "own", &mark(own), 0o700);
    folder(&place, "half", mark(pid).trim_end(), 0o700);
    folder(&place, "elsewhere", &format!("{pid} pid:[1]\n"), 0o700);
    folder(&place, "strange", "mine\n", 0o700);
    std::os::unix::fs::symlink(&left, place.join("link")).expect("a link");
    assert_eq!(left_in(&place), [(left, pid)]);
}

#[test]
fn a_scratch_folder_is_known_as_its_owners() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    assert_eq!(super::owner(scratch.path()), Some(std::process::id()));
}

#[test]
fn a_daemon_of_ours_is_ended_and_a_program_of_somebody_else_is_not() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let place = scratch.folder("place").expect("a folder");
    let left = folder(&place, "left", &mark(gone()), 0o700);
    let (file, daemon) = (left.join("file"), scratch.join("kerfd"));
    fs::write(&file, "").expect("a file");
    // What counts is the name of the program that runs, and that it names the folder.
    let tail = bins::system("tail").expect("it is installed");
    executable::copy(&tail, &daemon).expect("a copy");
    let start = |program: &Path, log: &str| {
        let mut command = Command::new(program);
        command.arg("-f").arg(&file);
        ChildGuard::spawn(log, &mut command, &scratch.join(log)).expect("it starts")
    };
    let (mut ours, mut theirs) = (start(&daemon, "ours"), start(&tail, "theirs"));
    let word = left.display().to_string();
    poll::until_true("both", Duration::from_secs(30), || {
        super::leftovers::processes_naming(&word).len() == 2
    })
    .expect("they run");
    sweep(&place);
    ours.wait(Duration::from_secs(30)).expect("it is killed");
    assert!(theirs.exited().expect("a state").is_none());
    assert!(!left.exists());
}
