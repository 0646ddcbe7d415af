//! Files that grow, are cut, or are not there.

use std::io::Write;

use tokio::sync::watch;
use tokio_stream::StreamExt;

use kerf_types::Bytes;

use super::{LogChunk, LogStream, bound, follow, make_folder, open, stderr, stdout, usage};

fn chunk(stream: LogStream, text: &str) -> LogChunk {
    LogChunk {
        stream,
        bytes: text.as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn what_is_there_comes_and_the_stream_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path().join("job");
    let mut none = std::pin::pin!(follow(log_dir.clone(), None));
    assert!(none.next().await.is_none());
    make_folder(&log_dir).expect("it is made");
    for (path, text) in [(stdout(&log_dir), "out"), (stderr(&log_dir), "err")] {
        let mut file = open(&path).expect("a log");
        file.write_all(text.as_bytes()).expect("it is written");
    }
    let chunks: Vec<LogChunk> = follow(log_dir, None)
        .map(|chunk| chunk.expect("it can be read"))
        .collect()
        .await;
    let expected = [
        chunk(LogStream::Stdout, "out"),
        chunk(LogStream::Stderr, "err"),
    ];
    assert_eq!(chunks, expected);
}

#[tokio::test]
async fn growth_is_seen_and_a_cut_file_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path().to_path_buf();
    let (over, ended) = watch::channel(false);
    let mut stream = std::pin::pin!(follow(log_dir.clone(), Some(ended)));
    let mut file = open(&stdout(&log_dir)).expect("a log");
    for text in ["first, and long", "cut"] {
        file.set_len(0).expect("it is cut");
        file.write_all(text.as_bytes()).expect("it is written");
        let next = stream
            .next()
            .await
            .expect("a chunk")
            .expect("it can be read");
        assert_eq!(next, chunk(LogStream::Stdout, text));
    }
    file.write_all(b" end").expect("it is written");
    over.send(true).expect("somebody listens");
    let last = stream
        .next()
        .await
        .expect("a chunk")
        .expect("it can be read");
    assert_eq!(last, chunk(LogStream::Stdout, " end"));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_gone_owner_is_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (over, ended) = watch::channel(false);
    drop(over);
    let mut stream = std::pin::pin!(follow(folder.path().to_path_buf(), Some(ended)));
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
    let mut stream = std::pin::pin!(follow(log_dir.clone(), Some(ended)));
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
