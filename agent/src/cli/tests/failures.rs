//! Failures: one cause a line, and what to do.

use std::io;

use kerf_api::json::Error;
use tonic::{Code, Status};

use super::PLAIN;
use crate::cli::client::connect;
use crate::cli::fail::Failure;

fn refused(code: Code, message: &str, hint: Option<&'static str>) -> Failure {
    let mut status = Status::new(code, message);
    if let Some(hint) = hint {
        status
            .metadata_mut()
            .insert(crate::rpc::HINT, hint.parse().expect("an ASCII hint"));
    }
    Failure::call("apply the layout")(status)
}

#[test]
fn a_refusal_has_its_hint() {
    let failure = refused(
        Code::FailedPrecondition,
        "gpu 0: slice 0000:10:00.0-0-1 is leased\ngpu 1: no such profile",
        Some("see `kerf lease list`"),
    );
    insta::assert_snapshot!(failure.show(PLAIN), @"
    kerf: cannot apply the layout
      because: gpu 0: slice 0000:10:00.0-0-1 is leased
               gpu 1: no such profile
      hint: see `kerf lease list`
    ");
    let document = serde_json::to_string_pretty(&Error::new(&failure, failure.hint()));
    insta::assert_snapshot!(document.expect("it writes"), @r#"
    {
      "schema": "kerf.v1.Error",
      "message": "cannot apply the layout",
      "causes": [
        "gpu 0: slice 0000:10:00.0-0-1 is leased\ngpu 1: no such profile"
      ],
      "hint": "see `kerf lease list`"
    }
    "#);
}

#[test]
fn hints_of_our_own_where_kerfd_has_none() {
    let texts = [
        refused(Code::Unimplemented, "", None).show(PLAIN),
        refused(Code::DeadlineExceeded, "Timeout expired", None).show(PLAIN),
        refused(Code::Internal, "broken", None).show(PLAIN),
    ];
    insta::assert_snapshot!(texts.concat(), @"
    kerf: cannot apply the layout
      because: Operation is not implemented or not supported
      hint: kerfd is older than kerf: restart it after the upgrade
    kerf: cannot apply the layout
      because: Timeout expired
      hint: kerfd is busy with something long: see `kerf status`
    kerf: cannot apply the layout
      because: broken
    ");
}

#[test]
fn only_a_kerfd_that_is_away_is_waited_for() {
    let socket = "/run/kerf/kerf.sock".into();
    let source = io::ErrorKind::ConnectionRefused.into();
    assert!(Failure::Unreachable { socket, source }.is_away());
    assert!(refused(Code::Unavailable, "draining", None).is_away());
    assert!(!refused(Code::NotFound, "no such job", None).is_away());
    assert!(!Failure::OutputClosed.is_away());
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("kerf.sock");
    let failure = connect(&socket).await.expect_err("nobody listens");
    let text = failure
        .show(PLAIN)
        .replace(&folder.path().display().to_string(), "DIR");
    insta::assert_snapshot!(text, @"
    kerf: cannot reach kerfd on DIR/kerf.sock
      because: No such file or directory (os error 2)
      hint: start it with `systemctl start kerfd`, or name the socket of another kerfd with --socket or KERF_SOCKET
    ");
    let stale = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    drop(stale);
    let failure = connect(&socket).await.expect_err("nobody listens any more");
    assert!(
        failure
            .hint()
            .is_some_and(|hint| hint.contains("kerfd is not")),
        "{failure:?}"
    );
}
