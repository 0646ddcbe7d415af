//! Streams and their readers: quick ones, slow ones, and those that are gone.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::{COMMENT, Frame, HELLO, PACE, Pace, STREAM_LIMIT, Streams, events};

/// Nothing here waits for anything but the runtime.
const LIMIT: Duration = Duration::from_secs(10);

fn frame(number: u32) -> Frame {
    Frame {
        json: Bytes::from(format!("{number}")),
        event: Bytes::from(format!("data: {number}\n\n")),
    }
}

fn streams(pace: Pace) -> (watch::Sender<Frame>, Arc<Streams>) {
    let (frames, newest) = watch::channel(frame(0));
    let mut streams = Streams::new(newest);
    streams.pace = pace;
    (frames, Arc::new(streams))
}

async fn open(streams: &Arc<Streams>) -> Option<BodyDataStream> {
    let answer = events(State(Arc::clone(streams))).await;
    (answer.status() == StatusCode::OK).then(|| answer.into_body().into_data_stream())
}

async fn next(stream: &mut BodyDataStream) -> Option<String> {
    let chunk = timeout(LIMIT, stream.next()).await.expect("in time")?;
    Some(String::from_utf8_lossy(&chunk.expect("a chunk")).into_owned())
}

/// Waits until no stream is open.
async fn until_free(streams: &Streams) {
    let all = u32::try_from(STREAM_LIMIT).expect("few");
    let free = timeout(LIMIT, streams.free.acquire_many(all)).await;
    drop(free.expect("all streams end").expect("it is open"));
}

#[tokio::test]
async fn a_reader_gets_the_newest_and_then_what_is_newer() {
    let (frames, streams) = streams(PACE);
    frames.send_replace(frame(1));
    let mut stream = open(&streams).await.expect("there is room");
    assert_eq!(next(&mut stream).await.as_deref(), Some(HELLO));
    assert_eq!(next(&mut stream).await.as_deref(), Some("data: 1\n\n"));
    frames.send_replace(frame(2));
    assert_eq!(next(&mut stream).await.as_deref(), Some("data: 2\n\n"));
    drop(frames);
    assert_eq!(next(&mut stream).await, None);
    until_free(&streams).await;
}

#[tokio::test]
async fn one_that_is_behind_goes_on_with_the_newest() {
    let (frames, streams) = streams(PACE);
    let mut stream = open(&streams).await.expect("there is room");
    for number in 1..=100 {
        frames.send_replace(frame(number));
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("data: 100\n\n") {
        seen.push(next(&mut stream).await.expect("more"));
    }
    assert!(seen.len() <= 4, "{seen:?}");
}

#[tokio::test]
async fn one_that_reads_nothing_loses_its_place() {
    let patience = Duration::from_millis(5);
    let (frames, streams) = streams(Pace { patience, ..PACE });
    let stream = open(&streams).await.expect("there is room");
    frames.send_replace(frame(1));
    until_free(&streams).await;
    drop(stream);
}

#[tokio::test]
async fn one_that_is_gone_leaves_its_place_before_the_next_change() {
    let (_frames, streams) = streams(PACE);
    let mut stream = open(&streams).await.expect("there is room");
    next(&mut stream).await;
    drop(stream);
    until_free(&streams).await;
}

#[tokio::test]
async fn silence_has_a_heartbeat() {
    let heartbeat = Duration::from_millis(5);
    let (_frames, streams) = streams(Pace { heartbeat, ..PACE });
    let mut stream = open(&streams).await.expect("there is room");
    for expected in [HELLO, "data: 0\n\n", COMMENT, COMMENT] {
        assert_eq!(next(&mut stream).await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn no_more_than_a_few_are_open() {
    let (_frames, streams) = streams(PACE);
    let mut open_ones = Vec::new();
    while let Some(stream) = open(&streams).await {
        open_ones.push(stream);
    }
    assert_eq!(open_ones.len(), STREAM_LIMIT);
    drop(open_ones.pop());
    // The place is free once its task has seen the end.
    let one = timeout(LIMIT, streams.free.acquire())
        .await
        .expect("in time");
    drop(one.expect("it is open"));
    assert!(open(&streams).await.is_some());
}
