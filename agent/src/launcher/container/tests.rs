//! The words of runtimes, and containerd's times.

use prost_types::Timestamp as WireTimestamp;

use super::task::clear;
use super::timestamp;

#[test]
fn the_words_of_the_runtime_stand_alone() {
    let check = |message, expected| assert_eq!(clear(message), expected);
    check(
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
         container process: exec: \"/x\": stat /x: no such file or directory",
        "exec: \"/x\": stat /x: no such file or directory",
    );
    check(
        "failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error \
         (open /run/b/log.json: no such file or directory): /usr/bin/kerf-runtime did not terminate \
         successfully: exit status 1: kerf-runtime: no answer of kerfd\n",
        "/usr/bin/kerf-runtime did not terminate successfully: exit status 1: kerf-runtime: no \
         answer of kerfd",
    );
    check("first\n\n  second\r\n", "first / second");
    check("", "");
}

#[test]
fn absurd_times_are_no_panic() {
    let check = |seconds, nanos, expected| {
        let time = WireTimestamp { seconds, nanos };
        assert_eq!(timestamp(Some(time)).0, expected);
    };
    check(1, 5_000_000, 1_005);
    check(-1, -1, 0);
    check(i64::MAX, i32::MAX, u64::MAX);
    assert_eq!(timestamp(None).0, 0);
}
