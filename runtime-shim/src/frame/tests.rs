//! Frames survive the way there and back; a hostile length or body gives an error and no allocation.

use std::io::Cursor;

use super::*;

fn request() -> LaunchRequest {
    LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: "c1".to_owned(),
        namespace: "default".to_owned(),
        bundle: "/run/b/c1".into(),
        pid_file: Some("/run/b/c1/init.pid".into()),
        ask: Some("1g.10gb".to_owned()),
        lease: None,
        claim: None,
        init_pid: None,
        sandbox: None,
        isolated: true,
    }
}

#[test]
fn the_documents_look_like_this() {
    let json = serde_json::to_string_pretty(&request()).expect("json");
    insta::assert_snapshot!(json, @r#"
    {
      "schema": "kerf.v1.LaunchRequest",
      "kind": "create",
      "container_id": "c1",
      "namespace": "default",
      "bundle": "/run/b/c1",
      "pid_file": "/run/b/c1/init.pid",
      "ask": "1g.10gb",
      "lease": null,
      "claim": null,
      "init_pid": null,
      "sandbox": null,
      "isolated": true
    }
    "#);
    let refused =
        serde_json::to_string(&LaunchReply::refused("no slice fits", "see `kerf slices`"));
    insta::assert_snapshot!(refused.expect("json"), @r#"{"schema":"kerf.v1.LaunchReply","outcome":{"refused":{"reason":"no slice fits","hint":"see `kerf slices`"}}}"#);
    let granted = serde_json::to_string(&LaunchReply::granted(Grant {
        lease_id: "l".to_owned(),
        fence: u64::MAX,
        ..Grant::default()
    }));
    insta::assert_snapshot!(granted.expect("json"), @r#"{"schema":"kerf.v1.LaunchReply","outcome":{"granted":{"lease_id":"l","fence":18446744073709551615,"devices":[],"cpuset_cpus":null,"cpuset_mems":null,"env":[],"mounts":[],"additional_gids":[]}}}"#);
}

#[test]
fn a_frame_comes_back_as_it_went() {
    let mut wire = Vec::new();
    write_to(&mut wire, &request()).expect("write");
    let read: LaunchRequest = decode_from(&mut Cursor::new(wire)).expect("read");
    assert_eq!(read, request());
}

#[test]
fn fields_of_a_newer_peer_are_skipped_and_missing_ones_are_defaults() {
    let body = br#"{"schema":"kerf.v1.LaunchReply","new":1,"outcome":{"granted":
        {"lease_id":"l","fence":3,"also_new":[1]}}}"#;
    let reply: LaunchReply = decode(body).expect("reply");
    let expected = Grant {
        lease_id: "l".to_owned(),
        fence: 3,
        ..Grant::default()
    };
    assert_eq!(reply.outcome, Outcome::Granted(expected));
}

#[test]
fn a_hostile_frame_is_an_error() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "the connection was closed before the end of the frame"),
        (
            b"\0\0",
            "the connection was closed before the end of the frame",
        ),
        (
            b"\0\0\0\x09{}",
            "the connection was closed before the end of the frame",
        ),
        (
            b"\xff\xff\xff\xff",
            "a frame of 4294967295 bytes is longer than the limit of 1048576",
        ),
        (
            b"\0\0\0\x02{}",
            "the frame does not hold the expected document",
        ),
    ];
    for (wire, expected) in cases {
        let error = decode_from::<LaunchReply>(&mut Cursor::new(wire)).expect_err("hostile");
        assert_eq!(error.to_string(), expected);
    }
    let huge = LaunchReply::refused("x".repeat(MAX_FRAME), "");
    assert!(matches!(encode(&huge), Err(FrameError::TooLong { .. })));
}
