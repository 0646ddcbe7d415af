//! The pid file, as others might have left it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use super::{MpsDaemon, PID_FILE_MAX, read_pid_file, start_ticks};

#[test]
fn only_a_short_file_of_ones_own_is_a_pid_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("own"), "4711\n").expect("a file");
    assert_eq!(read_pid_file(&at("own")).expect("a text"), "4711\n");
    let missing = read_pid_file(&at("missing")).expect_err("nothing there");
    assert_eq!(missing.kind(), ErrorKind::NotFound);

    symlink(at("own"), at("link")).expect("a link");
    assert!(read_pid_file(&at("link")).is_err());
    fs::create_dir(at("folder")).expect("a folder");
    assert!(read_pid_file(&at("folder")).is_err());
    let _listener = UnixListener::bind(at("socket")).expect("a socket");
    assert!(read_pid_file(&at("socket")).is_err());

    fs::write(at("long"), "1".repeat(4_000)).expect("a file");
    let read = read_pid_file(&at("long")).expect("a text");
    assert_eq!(u64::try_from(read.len()), Ok(PID_FILE_MAX));
}

#[test]
fn a_pipe_without_a_writer_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let error = read_pid_file(&path).expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn children_of_a_process_are_known_and_one_that_has_ended_has_none() {
    let own = MpsDaemon {
        pid: std::process::id(),
        start_ticks: start_ticks(std::process::id()).expect("it runs"),
    };
    let mut command = Command::new("cat");
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let children = own.children().expect("a list");
    assert!(children.contains(&child.id()), "{children:?}");
    let childless = MpsDaemon {
        pid: child.id(),
        start_ticks: start_ticks(child.id()).expect("it runs"),
    };
    assert!(childless.children().expect("a list").is_empty());
    drop(child.stdin.take());
    child.wait().expect("it ends");
    assert!(childless.children().expect("nothing").is_empty());
}
