//! A terminal goes on without a reader, hands over what was missed, and lets go of one who does not read.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::{BACKLOG, Console, IN_FLIGHT, Shared};
use crate::launcher::{TerminalInput, TerminalOutput};

fn console() -> Arc<Console> {
    with_input(None)
}

fn with_input(input: Option<TerminalInput>) -> Arc<Console> {
    Arc::new(Console {
        container: "c".to_owned(),
        shared: Mutex::new(Shared {
            backlog: Vec::new(),
            client: None,
            attached: false,
            input,
        }),
        done: watch::Sender::new(false),
    })
}

#[tokio::test]
async fn what_nobody_saw_waits_for_the_next_one() {
    let console = console();
    console.pass_on(b"early ".to_vec()).await;
    let mut first = console.attach().expect("it is free");
    assert!(console.attach().is_none(), "one at a time");
    console.pass_on(b"seen".to_vec()).await;
    assert_eq!(first.output.recv().await.as_deref(), Some(&b"early "[..]));
    assert_eq!(first.output.recv().await.as_deref(), Some(&b"seen"[..]));
    drop(first);
    console.pass_on(b"late".to_vec()).await;
    let mut second = console.attach().expect("it is free again");
    assert_eq!(second.output.recv().await.as_deref(), Some(&b"late"[..]));
}

#[tokio::test]
async fn the_backlog_is_bounded_and_keeps_the_newest() {
    let console = console();
    console.pass_on(vec![b'a'; BACKLOG]).await;
    console.pass_on(b"bc".to_vec()).await;
    let mut late = console.attach().expect("it is free");
    let seen = late.output.recv().await.expect("the backlog");
    assert_eq!(seen.len(), BACKLOG);
    assert!(seen.starts_with(b"aa") && seen.ends_with(b"abc"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_let_go_and_the_job_goes_on() {
    let console = console();
    let mut stuck = console.attach().expect("it is free");
    for _ in 0..=IN_FLIGHT {
        console.pass_on(b"x".to_vec()).await;
    }
    console.pass_on(b"after".to_vec()).await;
    for _ in 0..IN_FLIGHT {
        assert_eq!(stuck.output.recv().await.as_deref(), Some(&b"x"[..]));
    }
    assert_eq!(
        stuck.output.recv().await,
        None,
        "it is told that it was let go"
    );
    drop(stuck);
    let mut next = console.attach().expect("it is free");
    assert_eq!(next.output.recv().await.as_deref(), Some(&b"xafter"[..]));
}

/// Whether everything that leads into the pipe is closed.
async fn is_closed(pipe: &mut pipe::Receiver) -> bool {
    let read = tokio::time::timeout(Duration::from_millis(100), pipe.read_u8()).await;
    let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    read.is_ok_and(|read| read.as_ref().is_err_and(ended))
}

#[tokio::test]
async fn the_input_of_a_terminal_that_is_over_is_closed() {
    for (attached, ends) in [(false, true), (true, true), (false, false), (true, false)] {
        let (typed, mut keys) = pipe::pipe().expect("a pipe");
        let (prints, shown) = pipe::pipe().expect("a pipe");
        let console = with_input(Some(TerminalInput::of_pipe(typed)));
        let pump = {
            let console = Arc::clone(&console);
            tokio::spawn(async move { console.pump(TerminalOutput::of_pipe(shown)).await })
        };
        let attachment = console.attach();
        let attachment = attachment.filter(|_| attached);
        assert!(!is_closed(&mut keys).await, "the job may still read");
        if ends {
            drop(prints);
        } else {
            // As for a container that is gone, and whose terminal somebody holds open all the same.
            console.finish();
        }
        pump.await.expect("it ends with the terminal");
        drop(attachment);
        assert!(is_closed(&mut keys).await, "{attached} {ends}");
        assert!(console.attach().expect("it is free").input.is_none());
    }
}

#[tokio::test]
async fn only_output_that_nobody_has_seen_awaits_a_reader() {
    let console = console();
    assert!(!console.awaits_reader());
    console.pass_on(b"last words".to_vec()).await;
    assert!(console.awaits_reader());
    console.finish();
    let mut late = console.attach().expect("it is free");
    assert!(!console.awaits_reader());
    assert_eq!(
        late.output.recv().await.as_deref(),
        Some(&b"last words"[..])
    );
    assert_eq!(late.output.recv().await, None);
}
