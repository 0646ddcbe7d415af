//! What an end is taken for.

use super::exit_of;
use crate::members::container::End;
use crate::store::StopCause::{Cancel, TimeLimit};

#[test]
fn an_end_that_was_begun_stays_what_it_was_begun_for() {
    let lost = || End::Lost("gone".to_owned());
    for end in [End::Exit(143), End::Exit(0), lost()] {
        let exit = exit_of(end, Some(TimeLimit));
        assert_eq!((exit.code, exit.timed_out), (None, true));
    }
    for end in [End::Exit(143), End::Exit(0), lost()] {
        let exit = exit_of(end, Some(Cancel));
        assert_eq!((exit.code, exit.timed_out), (None, false));
    }
    let exit = exit_of(End::Exit(3), None);
    assert_eq!((exit.code, exit.reason.as_str()), (Some(3), "exit code 3"));
    let exit = exit_of(lost(), None);
    assert_eq!((exit.code, exit.reason.as_str()), (None, "gone"));
}

#[test]
fn memory_is_named_as_the_reason() {
    let exit = exit_of(End::OutOfMemory(137), None);
    assert_eq!(exit.code, Some(137));
    let why = exit.reason;
    assert!(why.starts_with("exit code 137: out of memory"), "{why}");
}
