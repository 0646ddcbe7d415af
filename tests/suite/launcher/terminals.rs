//! Terminals, standard input, and the output of jobs while it is written.

use kerf_agent::launcher::logs::{self, LogStream};
use kerf_agent::launcher::{Launcher, LauncherError, TerminalOutput, TerminalSize};
use kerf_tests::world::IMAGE;
use tokio::sync::watch;
use tokio_stream::StreamExt;

use super::{World, config};

/// Reads a terminal until it has shown `word`, and gives everything up to then.
async fn read_until(output: &mut TerminalOutput, word: &str) -> String {
    let mut text = String::new();
    while !text.contains(word) {
        let bytes = output.read().await.expect("it can be read");
        let bytes = bytes.unwrap_or_else(|| panic!("no {word:?} in {text:?}"));
        text.push_str(&String::from_utf8_lossy(bytes));
    }
    text
}

#[test]
fn a_terminal_echoes_resizes_and_survives_its_reader() {
    let Some(mut world) = World::new() else {
        return;
    };
    let mut request = world.request("tty", "");
    request.spec.args = vec!["sh".to_owned()];
    request.spec.terminal = true;
    request.terminal_size = Some(TerminalSize {
        rows: 40,
        columns: 100,
    });
    let mut io = world
        .start(request)
        .expect("it starts")
        .terminal
        .expect("a terminal");
    world.run(async {
        io.input
            .write(b"stty size; tty; echo $TERM a$((1+1))b\n")
            .await
            .expect("it takes input");
        let text = read_until(&mut io.output, "a2b").await;
        assert!(
            text.contains("40 100") && text.contains("/dev/pts/0"),
            "{text}"
        );
        let size = TerminalSize {
            rows: 50,
            columns: 120,
        };
        io.input.resize(size).await.expect("it takes a size");
        io.input
            .write(b"stty size\n")
            .await
            .expect("it takes input");
        read_until(&mut io.output, "50 120").await;
    });
    drop(io);
    world.launcher = Launcher::new(config(&world.containerd, &world.scratch)).expect("another");
    let container = world.container("tty");
    world.run(async {
        let mut io = world
            .launcher
            .attach(&container)
            .await
            .expect("it is there");
        io.input
            .write(b"echo c$((2+2))d; exit 6\n")
            .await
            .expect("it takes input");
        read_until(&mut io.output, "c4d").await;
        while io.output.read().await.expect("it can be read").is_some() {}
    });
    let (code, log) = world.finish("tty");
    assert_eq!(code, 6);
    for word in ["a2b", "50 120", "c4d"] {
        assert!(log.contains(word), "{word} is not in the log {log:?}");
    }
    let files = std::fs::read_dir(world.log_dir("tty")).expect("the folder stays");
    let mut names: Vec<_> = files.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["stderr.log", "stdout.log"]);
    world.assert_empty();
}

#[test]
fn standard_input_reaches_the_job_and_ends() {
    let Some(world) = World::new() else { return };
    let mut request = world.request("cat", "cat; echo end; exit 2");
    request.stdin = true;
    let started = world.start(request).expect("it starts");
    let mut stdin = started.stdin.expect("an input");
    world.run(async {
        stdin.write(b"one\ntwo\n").await.expect("it takes input");
        stdin.close().await.expect("it ends");
    });
    assert_eq!(world.finish("cat"), (2, "one\ntwo\nend\n".to_owned()));
    let without = world
        .start(world.request("plain", "sleep 600"))
        .expect("it starts");
    assert!(without.stdin.is_none() && without.terminal.is_none());
    let container = world.container("plain");
    let attached = world.run(world.launcher.attach(&container));
    assert!(matches!(attached, Err(LauncherError::NoTerminal { .. })));
    world
        .run(world.launcher.remove(&container))
        .expect("it goes");
    world.assert_empty();
}

#[test]
fn logs_are_followed_to_the_end_of_the_job() {
    let Some(world) = World::new() else { return };
    assert_eq!(
        world.container("x").to_string(),
        format!("{}/x", world.containerd.namespace())
    );
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.2; done; \
        head -c 300000 /dev/zero | tr '\\0' x";
    let (over, ended) = watch::channel(false);
    let log_dir = world.log_dir("chatty");
    let follower = world.runtime.spawn(async move {
        let mut stream = std::pin::pin!(logs::follow(
            log_dir,
            logs::Position::default(),
            Some(ended)
        ));
        let mut texts = [Vec::new(), Vec::new()];
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.expect("it can be read");
            texts[usize::from(chunk.stream == LogStream::Stderr)].extend(chunk.bytes);
        }
        texts
    });
    world.start(world.request("chatty", script)).expect(IMAGE);
    world.finish("chatty");
    over.send(true).expect("somebody listens");
    let [out, err] = world.run(follower).expect("no panic");
    assert!(out.starts_with(b"out 1\nout 2\nout 3\nxxx"));
    assert_eq!(out.len(), 18 + 300_000);
    assert_eq!(err, b"err 1\nerr 2\nerr 3\n");
    let length = world.run(async {
        let stream = logs::follow(world.log_dir("chatty"), logs::Position::default(), None);
        let lengths = stream.map(|chunk| chunk.expect("it can be read").bytes.len());
        lengths.fold(0, |sum, length| sum + length).await
    });
    assert_eq!(length, 18 + 300_000 + 18);
}
