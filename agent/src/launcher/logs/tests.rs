//! Files that grow, are cut, or are not there.

use std::io::Write;

use tokio::sync::watch;
use tokio_stream::StreamExt;

use super::{LogChunk, LogStream, follow, make_folder, open, stderr, stdout};

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
