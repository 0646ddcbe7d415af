//! The hook's arguments and its stdin.

use super::*;

fn arguments(line: &str) -> Result<Arguments, ClaimError> {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(&args)
}

#[test]
fn what_can_be_claimed() {
    let parsed = arguments("--socket /s slice=gpu0-1g.10gb_3").expect("a slice");
    assert_eq!(parsed.socket, Some("/s".into()));
    assert_eq!(parsed.device, "slice=gpu0-1g.10gb_3");
    arguments("gpu=GPU-1:0").expect("a GPU");
    arguments("device=0000:c1:00.0-renderD129").expect("a device");
    arguments("lease=0198c0de-0000-7000-8000-000000000001").expect("a lease");
    for wrong in ["", "--socket /s", "--socket /s a b", "--other /s gpu=0"] {
        let error = arguments(wrong).expect_err(wrong);
        assert!(matches!(
            error,
            ClaimError::Usage | ClaimError::Device { .. }
        ));
    }
    for wrong in [
        "gpu",
        "gpu=",
        "disk=0",
        "gpu=../x",
        "gpu=a\u{e4}",
        "slice=a,b",
    ] {
        let error = arguments(wrong).expect_err(wrong);
        assert!(matches!(error, ClaimError::Device { .. }));
    }
}

#[test]
fn the_state_becomes_a_request() {
    let bundle = "/run/containerd/io.containerd.runtime.v2.task/team-a/c1";
    let text = format!(
        r#"{{"ociVersion":"1.0.2","id":"c1","status":"creating","pid":42,"bundle":"{bundle}","x":[]}}"#
    );
    let request = request("gpu=0", &read(text.as_bytes()).expect("state")).expect("request");
    assert_eq!(request.kind, LaunchKind::Claim);
    assert_eq!(request.container_id, "c1");
    assert_eq!(request.namespace, "team-a");
    assert_eq!(request.bundle, Path::new(bundle));
    assert_eq!(request.claim.as_deref(), Some("gpu=0"));
    assert_eq!(request.init_pid, Some(42));
    assert_eq!((request.ask, request.lease), (None, None));
    assert_eq!(namespace(Path::new("/tmp/bundle")), "");
}

#[test]
fn a_wrong_state_is_an_error() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "stdin does not hold an OCI container state"),
        (
            b"{\"id\":\"a\"",
            "stdin does not hold an OCI container state",
        ),
        (
            br#"{"id":"a","id":"b","pid":1,"bundle":"/b"}"#,
            "stdin does not hold an OCI container state",
        ),
        (b"\xff", "the container's state cannot be read from stdin"),
        (
            br#"{"id":"a","bundle":"/b"}"#,
            "the container's state has no pid of an init process",
        ),
        (
            br#"{"id":"a","pid":0,"bundle":"/b"}"#,
            "the container's state has no pid of an init process",
        ),
    ];
    for (stdin, expected) in cases {
        let error = read(stdin).and_then(|state| request("gpu=0", &state));
        assert_eq!(error.expect_err("wrong").to_string(), expected);
    }
    let endless = io::repeat(b' ');
    assert!(matches!(read(endless), Err(ClaimError::TooLong)));
}
