//! Workers from a socket: who is taken, who is not, and what is written down of them.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use kerf_api::frame::{FrameDecoder, encode_frame};
use kerf_api::partitioner::v1::{
    HostFacts, Identity, ObserveHost, Request, Response, request, response,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Kind, Worker, WorkerProgram, await_earlier};

/// How long anything may take; a machine under load is slow.
const LIMIT: Duration = Duration::from_secs(10);

/// A folder with a program that answers nothing, for the machine `<folder>` with the library `<folder>/lib`.
fn program() -> (TempDir, WorkerProgram) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let script = format!(
        "#!/bin/sh\necho x >> {}\ncat >/dev/null\n",
        path("started").display()
    );
    std::fs::write(path("worker"), script).expect("a script");
    std::fs::set_permissions(path("worker"), PermissionsExt::from_mode(0o755)).expect("chmod");
    let program = WorkerProgram {
        program: path("worker"),
        nvml: Some(path("lib")),
        sysroot: folder.path().to_owned(),
        simulated: None,
        records: path("workers"),
        socket: path("partitioner.sock"),
        kind: Kind::Hardware,
    };
    (folder, program)
}

/// Serves one connection: says that it is this process and serves that machine, then answers every call with
/// a host of this name. What others hold is its problems, and it holds a device itself at every second look.
async fn serve(listener: UnixListener, library: Option<Vec<u8>>, sysroot: Vec<u8>) {
    let (mut stream, _) = listener.accept().await.expect("a client");
    let mut frames = FrameDecoder::new();
    while let Some(request) = next(&mut stream, &mut frames).await {
        let outcome = match request.call {
            Some(request::Call::Identify(_)) => response::Outcome::Identity(Identity {
                pid: std::process::id(),
                library: library.clone(),
                sysroot: sysroot.clone(),
            }),
            Some(request::Call::ObserveHost(ask)) => {
                let own = vec!["sys/own device".to_owned()];
                response::Outcome::Host(Box::new(HostFacts {
                    host: "offered".to_owned(),
                    problems: ask.held,
                    held: own.into_iter().filter(|_| request.id % 2 == 0).collect(),
                    ..HostFacts::default()
                }))
            }
            other => panic!("{other:?}"),
        };
        let response = Response {
            id: request.id,
            outcome: Some(outcome),
        };
        let frame = encode_frame(&response).expect("a frame");
        stream.write_all(&frame).await.expect("sent");
    }
}

async fn next(stream: &mut UnixStream, frames: &mut FrameDecoder) -> Option<Request> {
    let mut bytes = [0; 512];
    loop {
        if let Some(request) = frames.pop().expect("a frame") {
            return Some(request);
        }
        match stream.read(&mut bytes).await.expect("bytes") {
            0 => return None,
            count => frames.push(&bytes[..count]),
        }
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Whether the program of `program()` was started.
async fn was_started(folder: &TempDir) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !folder.path().join("started").exists() {
        assert!(tokio::time::Instant::now() < deadline, "no worker started");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_offered_worker_of_the_same_machine_is_used_and_written_down() {
    let (folder, program) = program();
    let listener = UnixListener::bind(&program.socket).expect("a socket");
    let library = program.nvml.as_deref().map(bytes);
    let server = tokio::spawn(serve(listener, library, bytes(&program.sysroot)));
    let mut worker = Worker::start(&program).await.expect("the offered one");
    let call = request::Call::ObserveHost(ObserveHost::default());
    let answer = worker.call(call).await.expect("an answer");
    let Some(response::Outcome::Host(facts)) = answer.outcome else {
        panic!("{answer:?}");
    };
    assert_eq!(facts.host, "offered");
    assert!(!folder.path().join("started").exists());
    let record = program.records.join(std::process::id().to_string());
    assert!(record.exists());
    // It is this kerfd's own, so nobody waits for it.
    let stuck = await_earlier(&program.records, Duration::ZERO).await;
    assert_eq!(stuck, Vec::<u32>::new());
    assert!(record.exists());
    drop(worker);
    tokio::time::timeout(LIMIT, server)
        .await
        .expect("it sees the closed socket")
        .expect("no panic");
}

/// A process that runs until it is ended: its pid, and when it started.
fn sleeping() -> (tokio::process::Child, u32, u64) {
    let child = tokio::process::Command::new("sleep")
        .arg("60")
        .kill_on_drop(true)
        .spawn()
        .expect("sleep");
    let pid = child.id().expect("a pid");
    let start = crate::process::identify(pid).expect("it runs").start_ticks;
    (child, pid, start)
}

#[tokio::test]
async fn devices_that_hold_a_thread_are_written_down_and_named_to_another_worker() {
    let (_folder, program) = program();
    let listener = UnixListener::bind(&program.socket).expect("a socket");
    let library = program.nvml.as_deref().map(bytes);
    tokio::spawn(serve(listener, library, bytes(&program.sysroot)));
    let mut worker = Worker::start(&program).await.expect("the offered one");
    let (mut child, pid, start) = sleeping();
    let record = |pid: u32| program.records.join(pid.to_string());
    let text = format!("{start} 1 1\nsys/a device\nsys/b\n");
    std::fs::write(record(pid), text).expect("a record");
    // One of a process that does not run any more.
    std::fs::write(record(999_999_999), "5 1 1\nsys/c\n").expect("a record");
    let own = || {
        let text = std::fs::read_to_string(record(std::process::id())).expect("its record");
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut look = async || {
        let call = request::Call::ObserveHost(ObserveHost::default());
        let answer = worker.call(call).await.expect("an answer");
        let Some(response::Outcome::Host(facts)) = answer.outcome else {
            panic!("{answer:?}");
        };
        facts.problems
    };
    assert_eq!(look().await, ["sys/a device", "sys/b"]);
    assert_eq!(own(), ["sys/own device"]);
    child.kill().await.expect("it ends");
    assert_eq!(
        look().await,
        Vec::<String>::new(),
        "its own is not another's"
    );
    assert_eq!(own(), Vec::<String>::new(), "the thread is back");
    // Its own kerfd is still known by the record.
    let stuck = await_earlier(&program.records, Duration::ZERO).await;
    assert_eq!(stuck, Vec::<u32>::new());
    assert!(record(std::process::id()).exists());
}

#[tokio::test]
async fn a_worker_of_another_machine_is_left_alone() {
    for (library, sysroot) in [(None, None), (Some("/other/lib"), None), (None, Some("/"))] {
        let (folder, program) = program();
        let listener = UnixListener::bind(&program.socket).expect("a socket");
        let library = library.map(|path| bytes(Path::new(path)));
        let sysroot = sysroot.map_or(program.sysroot.clone(), Into::into);
        let server = tokio::spawn(serve(listener, library, bytes(&sysroot)));
        let worker = Worker::start(&program).await.expect("one of its own");
        was_started(&folder).await;
        tokio::time::timeout(LIMIT, server)
            .await
            .expect("it is let go")
            .expect("no panic");
        drop(worker);
    }
}

#[tokio::test]
async fn without_an_offer_or_with_a_broken_one_a_worker_is_started() {
    // A socket file that nobody listens on any more.
    let (folder, stale) = program();
    drop(UnixListener::bind(&stale.socket).expect("a socket"));
    drop(Worker::start(&stale).await.expect("one of its own"));
    was_started(&folder).await;
    // A service manager that cannot start its unit closes the connection.
    let (folder, broken) = program();
    let listener = UnixListener::bind(&broken.socket).expect("a socket");
    let server = tokio::spawn(async move { drop(listener.accept().await) });
    drop(Worker::start(&broken).await.expect("one of its own"));
    was_started(&folder).await;
    server.await.expect("no panic");
}

/// The record of an earlier kerfd that had our pid is not ours.
#[tokio::test]
async fn a_record_of_an_earlier_kerfd_with_the_same_pid_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = std::process::id();
    let start = crate::process::identify(own).expect("it runs").start_ticks;
    let (mut child, pid, child_start) = sleeping();
    let write = |owner: u64| {
        let text = format!("{child_start} {own} {owner}\n");
        std::fs::write(folder.path().join(pid.to_string()), text).expect("a record");
    };
    write(start);
    let stuck = await_earlier(folder.path(), Duration::ZERO).await;
    assert!(stuck.is_empty(), "ours");
    write(start.wrapping_sub(1));
    assert_eq!(await_earlier(folder.path(), Duration::ZERO).await, [pid]);
    child.kill().await.expect("it ends");
}
