//! A terminal goes on without a reader, hands over what was missed, and lets go of one who does not read.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::{BACKLOG, Console, IN_FLIGHT, Shared};

fn console() -> Arc<Console> {
    Arc::new(Console {
        container: "c".to_owned(),
        shared: Mutex::new(Shared {
            backlog: Vec::new(),
            client: None,
            attached: false,
            input: None,
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
