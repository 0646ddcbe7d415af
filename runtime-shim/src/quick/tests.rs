//! What goes the quick way is what the whole way passes on; what a runtime gets to see of the environment.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;

use super::*;
use crate::argv::{self, Action, ArgvError};

#[test]
fn verbs_that_make_a_container_never_go_the_quick_way() {
    let quick = |line: &[&str]| passes_on(line.iter().map(|arg| arg.as_bytes()));
    assert!(quick(&[]));
    assert!(quick(&["--root", "/r", "start", "c1"]));
    assert!(quick(&["state", "claim"]));
    assert!(!quick(&["claim", "gpu=0"]));
    assert!(!quick(&["fence", "/f"]));
    assert!(!quick(&["--root", "/r", "create", "c1"]));
    assert!(!quick(&["run"]));
    assert!(!quick(&["restore", "c1"]));
    // Also where it is a value: the whole way will tell.
    assert!(!quick(&["exec", "c1", "run"]));
}

proptest! {
    #[test]
    fn what_goes_the_quick_way_is_passed_on_by_the_whole_one(line in arguments()) {
        let args: Vec<OsString> = line.iter().map(|arg| OsStr::from_bytes(arg).to_owned()).collect();
        if passes_on(line.iter().map(Vec::as_slice)) {
            match argv::parse(&args).1 {
                Ok(invocation) => prop_assert_eq!(invocation.action, Action::PassOn),
                // The runtime refuses it in its own words.
                Err(error) => prop_assert!(matches!(error, ArgvError::NoValue { .. }), "{}", error),
            }
        }
    }
}

fn arguments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let words = [
        "--root",
        "--root=/r",
        "--log",
        "--",
        "-",
        "--x",
        "-b",
        "start",
        "create",
        "run",
        "restore",
        "c1",
        "--debug",
        "exec",
        "",
    ];
    let word = proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec());
    let any = proptest::collection::vec(1..=255u8, 0..6);
    proptest::collection::vec(prop_oneof![4 => word, 1 => any], 0..8)
}

#[test]
fn a_runtime_sees_what_it_needs_and_nothing_that_moves_a_loader() {
    let entries = [
        "PATH=/bin",
        "HOME=/root",
        "NOTIFY_SOCKET=/n",
        "LISTEN_FDS=1",
        "_CONTAINERS_ROOTLESS_UID=1000",
        "XDG_RUNTIME_DIR=",
        "GOMAXPROCS=2",
        "LD_PRELOAD=/x.so",
        "LD_AUDIT=/x.so",
        "GLIBC_TUNABLES=x",
        "GODEBUG=x",
        "PATHS=/x",
        "path=/x",
        "=PATH",
        "PATH",
        "",
        "MALLOC_TRACE=/x",
        "GCONV_PATH=/x",
        "_LIBCONTAINER_INITPIPE=3",
    ];
    let kept: Vec<&str> = entries
        .into_iter()
        .filter(|entry| is_kept(entry.as_bytes()))
        .collect();
    insta::assert_snapshot!(kept.join(" "), @"PATH=/bin HOME=/root NOTIFY_SOCKET=/n LISTEN_FDS=1 _CONTAINERS_ROOTLESS_UID=1000 XDG_RUNTIME_DIR= GOMAXPROCS=2 PATH");
}

#[test]
fn a_path_that_does_not_fit_is_left_to_the_whole_way() {
    let mut room = [0; ROOM];
    let joined = |folder: &str, room: &mut [u8; ROOM]| {
        join(folder.as_bytes(), "x", room).map(|path| path.to_bytes().len())
    };
    assert_eq!(joined("/a", &mut room), Some(4));
    assert_eq!(joined(&"f".repeat(ROOM - 3), &mut room), Some(ROOM - 1));
    assert_eq!(joined(&"f".repeat(ROOM - 2), &mut room), None);
}
