//! What people and engines read.

use std::time::Duration;

use super::*;
use crate::client::ClientError;
use crate::launch::LaunchError;

fn error() -> LaunchError {
    LaunchError::Client(ClientError::Connect {
        socket: "/run/kerf/runtime.sock".into(),
        source: io::Error::from_raw_os_error(2),
    })
}

#[test]
fn on_stderr_one_cause_per_line() {
    let error = error();
    let text = on_stderr(&error, error.hint().as_deref());
    insta::assert_snapshot!(text, @r#"
    kerf-runtime: kerfd does not answer at /run/kerf/runtime.sock
      because: No such file or directory (os error 2)
      hint: start kerfd, or see `socket` in kerf-runtime.toml
    "#);
}

#[test]
fn in_the_log_one_line_that_containerd_reads() {
    let error = error();
    let message = in_one_line(&error, Some("say \"please\""));
    let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let lines = log_line("error", &message, true, now) + &log_line("error", &message, false, now);
    insta::assert_snapshot!(lines, @r#"
    {"level":"error","msg":"kerf-runtime: kerfd does not answer at /run/kerf/runtime.sock: No such file or directory (os error 2) (hint: say \"please\")","time":"2026-09-21T14:13:20Z"}
    time="2026-09-21T14:13:20Z" level=error msg="kerf-runtime: kerfd does not answer at /run/kerf/runtime.sock: No such file or directory (os error 2) (hint: say \"please\")"
    "#);
}

#[test]
fn dates() {
    let cases = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_704_067_199, "2023-12-31T23:59:59Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }
}

#[test]
fn a_line_is_added_to_the_log() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("log.json");
    std::fs::write(&path, "{\"level\":\"warning\"}\n").expect("log");
    let log = LogTarget {
        path: Some(path.clone()),
        is_json: true,
    };
    failure(&error(), None, &log);
    let text = std::fs::read_to_string(path).expect("log");
    let last = text.lines().last().expect("a line");
    let line: serde_json::Value = serde_json::from_str(last).expect("json");
    assert_eq!(line["level"], "error");
    assert_eq!(text.lines().count(), 2);
}
