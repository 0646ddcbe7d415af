//! No answer, a late one, a wrong one: each an error within the deadline.

use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use crate::frame::{LaunchKind, REQUEST_SCHEMA};

fn request() -> LaunchRequest {
    LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: "c1".to_owned(),
        namespace: String::new(),
        bundle: "/b".into(),
        pid_file: None,
        ask: Some("1g.10gb".to_owned()),
        lease: None,
        claim: None,
        init_pid: None,
        sandbox: None,
        isolated: true,
    }
}

/// Where an answer is expected; a machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where none will come.
const IMPATIENCE: Duration = Duration::from_millis(200);

/// Waits for nobody who is away.
fn at_most(limit: Duration) -> Patience {
    Patience {
        limit,
        restart: Duration::ZERO,
    }
}

/// Asks a listener that handles one connection with `serve`.
fn ask_one(
    limit: Duration,
    serve: impl FnOnce(&mut UnixStream) + Send + 'static,
) -> (Result<LaunchReply, ClientError>, Duration) {
    let dir = tempfile::tempdir().expect("folder");
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).expect("bind");
    let server = thread::spawn(move || serve(&mut listener.accept().expect("accept").0));
    let begin = Instant::now();
    let reply = ask(&socket, at_most(limit), &request());
    let took = begin.elapsed();
    server.join().expect("server");
    (reply, took)
}

#[test]
fn an_answer_arrives() {
    let (reply, _) = ask_one(PATIENCE, |stream| {
        let seen: LaunchRequest = frame::decode_from(stream).expect("request");
        assert_eq!(seen, request());
        frame::write_to(stream, &LaunchReply::refused("no", "")).expect("reply");
    });
    assert_eq!(reply.expect("a reply"), LaunchReply::refused("no", ""));
}

#[test]
fn nobody_there_fails_at_once() {
    let dir = tempfile::tempdir().expect("folder");
    // Had it waited, the error would be another one.
    let limit = PATIENCE;
    let error = ask(&dir.path().join("none"), at_most(limit), &request()).expect_err("absent");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    let stale = dir.path().join("stale");
    drop(UnixListener::bind(&stale).expect("bind"));
    let error = ask(&stale, at_most(limit), &request()).expect_err("refused");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    let long = dir.path().join("x".repeat(120));
    let error = ask(&long, at_most(limit), &request()).expect_err("too long a path");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}

#[test]
fn a_silent_kerfd_is_given_up_at_the_deadline() {
    let (reply, took) = ask_one(IMPATIENCE, |stream| {
        // Ends when the client has gone.
        drop(io::copy(stream, &mut io::sink()));
    });
    let error = reply.expect_err("silent");
    assert_eq!(error.to_string(), "kerfd gave no answer within 200 ms");
    assert!(took >= Duration::from_millis(190));
}

#[test]
fn a_kerfd_that_drips_is_given_up_at_the_same_deadline() {
    // With a deadline for each byte, all of them would arrive and be no answer: another error.
    let (reply, _) = ask_one(IMPATIENCE, |stream| {
        for byte in [0, 0, 1, 0].into_iter().chain([b' '; 256]) {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let error = reply.expect_err("slow");
    assert!(matches!(error, ClientError::Deadline { .. }), "{error}");
}

#[test]
fn a_full_backlog_is_given_up_at_the_deadline() {
    let dir = tempfile::tempdir().expect("folder");
    let socket = dir.path().join("s");
    let _listener = UnixListener::bind(&socket).expect("bind");
    let limit = Duration::from_millis(20);
    let mut waiting = Vec::new();
    // Nobody accepts: at some point connect itself has to wait.
    for _ in 0..10_000 {
        match sys::connect(&socket, limit) {
            Ok(stream) => waiting.push(stream),
            Err(error) => {
                assert!(is_timeout(&error), "{error}");
                let error = ask(&socket, at_most(limit), &request()).expect_err("full");
                assert!(matches!(error, ClientError::Deadline { .. }), "{error}");
                return;
            }
        }
    }
    panic!("the backlog has no end");
}

#[test]
fn an_answer_that_ends_early_or_is_no_answer_is_an_error() {
    let cases: [&[u8]; 4] = [b"", b"\0\0\0\x10{}", b"\xff\xff\xff\xff", b"\0\0\0\x02[]"];
    for bytes in cases {
        let (reply, _) = ask_one(PATIENCE, move |stream| {
            let _seen: LaunchRequest = frame::decode_from(stream).expect("request");
            stream.write_all(bytes).expect("write");
        });
        let error = reply.expect_err("no answer");
        assert!(matches!(error, ClientError::Frame(_)), "{error}");
    }
}

/// A kerfd that answers one request, when it comes.
fn answer_later(socket: &Path, after: Duration) -> thread::JoinHandle<()> {
    let socket = socket.to_owned();
    thread::spawn(move || {
        thread::sleep(after);
        drop(fs::remove_file(&socket));
        let listener = UnixListener::bind(&socket).expect("bind");
        let mut stream = listener.accept().expect("accept").0;
        let seen: LaunchRequest = frame::decode_from(&mut stream).expect("request");
        assert_eq!(seen, request());
        frame::write_to(&mut stream, &LaunchReply::refused("no", "")).expect("reply");
    })
}

#[test]
fn a_kerfd_that_is_restarted_is_waited_for() {
    let patience = Patience {
        limit: PATIENCE,
        restart: PATIENCE,
    };
    let dir = tempfile::tempdir().expect("folder");
    // Its socket is there and nobody listens.
    let killed = dir.path().join("killed.sock");
    drop(UnixListener::bind(&killed).expect("bind"));
    // It went a moment ago.
    let stopped = dir.path().join("stopped.sock");
    fs::write(stopped.with_extension(STOPPED), "").expect("word of it");
    for socket in [killed, stopped] {
        let server = answer_later(&socket, Duration::from_millis(50));
        let reply = ask(&socket, patience, &request()).expect("a reply");
        assert_eq!(reply, LaunchReply::refused("no", ""));
        server.join().expect("server");
    }
    // It goes while it is asked.
    let asked = dir.path().join("asked.sock");
    let first = UnixListener::bind(&asked).expect("bind");
    let path = asked.clone();
    let server = thread::spawn(move || {
        let mut stream = first.accept().expect("accept").0;
        let _seen: LaunchRequest = frame::decode_from(&mut stream).expect("request");
        drop((stream, first));
        answer_later(&path, Duration::from_millis(50))
            .join()
            .expect("server");
    });
    let reply = ask(&asked, patience, &request()).expect("a reply");
    assert_eq!(reply, LaunchReply::refused("no", ""));
    server.join().expect("server");
}

#[test]
fn a_kerfd_that_does_not_come_back_is_given_up() {
    let dir = tempfile::tempdir().expect("folder");
    let socket = dir.path().join("s.sock");
    let patience = Patience {
        limit: PATIENCE,
        restart: IMPATIENCE,
    };
    drop(UnixListener::bind(&socket).expect("bind"));
    let begin = Instant::now();
    let error = ask(&socket, patience, &request()).expect_err("nobody");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    let took = begin.elapsed();
    assert!(took >= IMPATIENCE / 2 && took < PATIENCE / 2, "{took:?}");
    // Without its socket, and without word of a moment ago, it is not waited for: had it been, the limit of all
    // would have passed.
    fs::remove_file(&socket).expect("ours");
    let patience = Patience {
        restart: PATIENCE,
        ..patience
    };
    let word = socket.with_extension(STOPPED);
    for age in [None, Some(2 * PATIENCE)] {
        if let Some(age) = age {
            let file = fs::File::create(&word).expect("word of it");
            let then = std::time::SystemTime::now() - age;
            file.set_modified(then).expect("an old file");
        }
        let begin = Instant::now();
        let error = ask(&socket, patience, &request()).expect_err("absent");
        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{age:?}");
    }
}
