//! Files that grow, are cut, or are not there.

use std::io::Write;

use tokio::sync::watch;
use tokio_stream::StreamExt;

use kerf_types::Bytes;

use super::{
    LogChunk, LogStream, Position, bound, follow, make_folder, open, stderr, stdout, usage,
};

/// A piece that ends at `next`.
fn chunk(stream: LogStream, text: &str, next: u64) -> LogChunk {
    LogChunk {
        stream,
        bytes: text.as_bytes().to_vec(),
        next,
    }
}

#[tokio::test]
async fn what_is_there_comes_and_the_stream_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path().join("job");
    let mut none = std::pin::pin!(follow(log_dir.clone(), Position::default(), None));
    assert!(none.next().await.is_none());
    make_folder(&log_dir).expect("it is made");
    for (path, text) in [(stdout(&log_dir), "out"), (stderr(&log_dir), "err")] {
        let mut file = open(&path).expect("a log");
        file.write_all(text.as_bytes()).expect("it is written");
    }
    let chunks: Vec<LogChunk> = follow(log_dir, Position::default(), None)
        .map(|chunk| chunk.expect("it can be read"))
        .collect()
        .await;
    let expected = [
        chunk(LogStream::Stdout, "out", 3),
        chunk(LogStream::Stderr, "err", 3),
    ];
    assert_eq!(chunks, expected);
}

#[tokio::test]
async fn growth_is_seen_and_a_cut_file_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path().to_path_buf();
    let (over, ended) = watch::channel(false);
    let mut stream = std::pin::pin!(follow(log_dir.clone(), Position::default(), Some(ended)));
    let mut file = open(&stdout(&log_dir)).expect("a log");
    for (text, end) in [("first, and long", 15), ("cut", 3)] {
        file.set_len(0).expect("it is cut");
        file.write_all(text.as_bytes()).expect("it is written");
        let next = stream
            .next()
            .await
            .expect("a chunk")
            .expect("it can be read");
        assert_eq!(next, chunk(LogStream::Stdout, text, end));
    }
    file.write_all(b" end").expect("it is written");
    over.send(true).expect("somebody listens");
    let last = stream
        .next()
        .await
        .expect("a chunk")
        .expect("it can be read");
    assert_eq!(last, chunk(LogStream::Stdout, " end", 7));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_gone_owner_is_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (over, ended) = watch::channel(false);
    drop(over);
    let mut stream = std::pin::pin!(follow(
        folder.path().to_path_buf(),
        Position::default(),
        Some(ended)
    ));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_log_over_its_bound_loses_its_beginning_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path().join("job");
    make_folder(&log_dir).expect("it is made");
    let limit = Bytes(4 << 20);
    let mut log = open(&stdout(&log_dir)).expect("a log");
    let line = [b'x'; 1024];
    let write = |log: &mut std::fs::File, count: usize| {
        for _ in 0..count {
            log.write_all(&line).expect("it is written");
        }
    };
    write(&mut log, 2 << 10);
    bound(&log_dir, limit).expect("within its share");
    assert_eq!(usage(&log_dir), 2 << 20);
    let (over, ended) = watch::channel(false);
    let mut stream = std::pin::pin!(follow(log_dir.clone(), Position::default(), Some(ended)));
    let first = stream.next().await.expect("a piece").expect("it is read");
    assert!(first.bytes.starts_with(b"xxx"));
    write(&mut log, 8 << 10);
    bound(&log_dir, limit).expect("it is cut");
    let left = usage(&log_dir);
    assert!((1 << 20..2 << 20).contains(&left), "{left} bytes are left");
    log.write_all(b"the end\n").expect("the writer goes on");
    over.send(true).expect("somebody listens");
    let mut text = Vec::new();
    while let Some(chunk) = stream.next().await {
        text.extend(chunk.expect("it is read").bytes);
    }
    let text = String::from_utf8(text).expect("no byte of the hole is shown");
    assert!(text.contains("[kerf: ") && text.contains(" bytes of output were cut here"));
    assert!(text.ends_with("xthe end\n") && !text.contains('\0'));
}

/// What comes from a position on, and where that ends.
async fn rest(log_dir: &std::path::Path, mut from: Position) -> (String, Position) {
    let mut text = Vec::new();
    let mut stream = std::pin::pin!(follow(log_dir.to_path_buf(), from, None));
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.expect("it is read");
        from.pass(&chunk);
        text.extend(chunk.bytes);
    }
    (String::from_utf8(text).expect("text"), from)
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was_also_behind_a_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path();
    let mut log = open(&stdout(log_dir)).expect("a log");
    let write = |log: &mut std::fs::File, bytes: &[u8]| log.write_all(bytes).expect("written");
    write(&mut log, b"one\n");
    let mut err = open(&stderr(log_dir)).expect("a log");
    write(&mut err, b"oops\n");
    let (text, heard) = rest(log_dir, Position::default()).await;
    assert_eq!(
        (text.as_str(), heard.stdout, heard.stderr),
        ("one\noops\n", 4, 5)
    );
    write(&mut log, b"two\n");
    let (text, heard) = rest(log_dir, heard).await;
    assert_eq!((text.as_str(), heard.stdout), ("two\n", 8));
    assert_eq!(rest(log_dir, heard).await, (String::new(), heard));
    // Its beginning is cut, and it is far longer on the disk than what there is to read.
    write(&mut log, &vec![b'x'; 4 << 20]);
    bound(log_dir, Bytes(2 << 20)).expect("it is cut");
    let (text, heard) = rest(log_dir, heard).await;
    assert!(text.starts_with("[kerf: ") && text.ends_with('x'));
    assert!(text.len() < 1 << 20);
    assert_eq!(heard.stdout, 8 + (4 << 20));
    write(&mut log, b"the end\n");
    assert_eq!(rest(log_dir, heard).await.0, "the end\n");
    // One that began anew is read from there.
    log.set_len(0).expect("it is cut");
    write(&mut log, b"anew\n");
    let (text, heard) = rest(log_dir, heard).await;
    assert_eq!((text.as_str(), heard.stdout), ("anew\n", 5));
}
