//! Logs are shown to the host that submitted the job, while they grow, and to nobody else.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use kerf_types::HostId;
use kerf_types::peer::Tag;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};
use tonic::Code;

use super::{Event, Host, LIMIT, fleet, message, tag};
use crate::launcher::logs::{LogChunk, LogStream, Position};
use crate::peers::connection::FROM_ONE;
use crate::peers::lines::READERS;
use crate::peers::service::CALLS;
use crate::peers::service::logs::OF_ONE;
use crate::peers::{PeersError, Shows};

/// A host that runs member 0, for one other host.
struct OneMember {
    coordinator: HostId,
    folder: PathBuf,
    whole: watch::Receiver<bool>,
}

impl Shows for OneMember {
    fn coordinator(&self, asked: Tag) -> Option<HostId> {
        (asked == tag(0)).then_some(self.coordinator)
    }

    fn logs(&self, asked: Tag) -> Option<(PathBuf, watch::Receiver<bool>)> {
        (asked == tag(0)).then(|| (self.folder.clone(), self.whole.clone()))
    }
}

type Pieces = Pin<Box<dyn Stream<Item = Result<LogChunk, PeersError>> + Send>>;

async fn read(reader: &Host, at: &Host, member: u32, follow: bool) -> Result<Pieces, PeersError> {
    let peers = &reader.peers;
    let begun = peers.read_logs(at.me.host, tag(member), follow, Position::default());
    Ok(Box::pin(begun.await?))
}

fn piece(stream: LogStream, bytes: &[u8], next: u64) -> LogChunk {
    LogChunk {
        stream,
        bytes: bytes.to_vec(),
        next,
    }
}

async fn refusal(reader: &Host, at: &Host, member: u32) -> Code {
    let read = read(reader, at, member, false).await;
    match read.map(drop) {
        Err(PeersError::Refused { status, .. }) => status.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_followed_by_its_coordinator_alone() {
    let hosts = fleet(3).await;
    let [runs, submits, other] = hosts.as_slice() else {
        panic!("three hosts");
    };
    assert_eq!(refusal(submits, runs, 0).await, Code::Unavailable);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("stdout.log"), "one\n").expect("a log");
    fs::write(folder.path().join("stderr.log"), "oops\n").expect("a log");
    let (over, whole) = watch::channel(false);
    runs.peers.show(Arc::new(OneMember {
        coordinator: submits.me.host,
        folder: folder.path().to_owned(),
        whole,
    }));
    assert_eq!(refusal(other, runs, 0).await, Code::PermissionDenied);
    assert_eq!(refusal(submits, runs, 1).await, Code::NotFound);
    let unknown = submits
        .peers
        .read_logs(HostId::from_bits(9), tag(0), false, Position::default())
        .await;
    assert!(matches!(unknown.map(drop), Err(PeersError::Unknown { .. })));

    let begun = read(submits, runs, 0, true).await;
    let mut log = Box::pin(begun.expect("its own member"));
    let mut next = async || timeout(LIMIT, log.next()).await.expect("in time");
    let first = [next().await, next().await].map(|chunk| chunk.expect("more").expect("read"));
    assert_eq!(
        first,
        [
            piece(LogStream::Stdout, b"one\n", 4),
            piece(LogStream::Stderr, b"oops\n", 5),
        ]
    );
    let mut file = fs::File::options()
        .append(true)
        .open(folder.path().join("stdout.log"))
        .expect("the log");
    file.write_all(b"two\n").expect("it grows");
    let grown = next().await.expect("more").expect("read");
    assert_eq!(grown, piece(LogStream::Stdout, b"two\n", 8));
    over.send_replace(true);
    assert!(next().await.is_none(), "it is whole");

    // What is there now, without waiting for more.
    over.send_replace(false);
    let begun = read(submits, runs, 0, false).await;
    let pieces = begun.expect("its own member").collect::<Vec<_>>();
    assert_eq!(timeout(LIMIT, pieces).await.expect("in time").len(), 2);
    // And what comes behind a position.
    let from = Position {
        stdout: 4,
        stderr: 5,
    };
    let peers = &submits.peers;
    let begun = peers.read_logs(runs.me.host, tag(0), false, from).await;
    let pieces = begun.expect("its own member").collect::<Vec<_>>();
    let pieces: Result<Vec<_>, _> = timeout(LIMIT, pieces)
        .await
        .expect("in time")
        .into_iter()
        .collect();
    assert_eq!(
        pieces.expect("read"),
        [piece(LogStream::Stdout, b"two\n", 8)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_vanishes_ends_its_logs() {
    let mut hosts = fleet(2).await;
    let runs = hosts.remove(0);
    let submits = hosts.remove(0);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("stdout.log"), "one\n").expect("a log");
    let (_over, whole) = watch::channel(false);
    runs.peers.show(Arc::new(OneMember {
        coordinator: submits.me.host,
        folder: folder.path().to_owned(),
        whole,
    }));
    let begun = read(&submits, &runs, 0, true).await;
    let mut log = Box::pin(begun.expect("its own member"));
    assert!(log.next().await.expect("a piece").is_ok());
    drop(runs);
    let last = timeout(LIMIT, log.next()).await.expect("it ends");
    assert!(last.is_none_or(|piece| piece.is_err()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logs_are_read_over_one_connection_and_hold_up_neither_each_other_nor_messages() {
    let mut hosts = fleet(2).await;
    let mut runs = hosts.remove(0);
    let submits = hosts.remove(0);
    let folder = tempfile::tempdir().expect("a folder");
    // More than may be under way of one that nobody reads on.
    fs::write(folder.path().join("stdout.log"), vec![b'x'; 1 << 20]).expect("a log");
    let (_over, whole) = watch::channel(false);
    runs.peers.show(Arc::new(OneMember {
        coordinator: submits.me.host,
        folder: folder.path().to_owned(),
        whole,
    }));
    let mut logs = Vec::new();
    for _ in 0..READERS {
        let begun = read(&submits, &runs, 0, true).await;
        logs.push(begun.expect("one more"));
    }
    let refused = read(&submits, &runs, 0, true).await.map(drop);
    assert!(
        matches!(refused, Err(PeersError::TooManyLogs { most: READERS, .. })),
        "{refused:?}"
    );
    // The last one is read to its end, whatever becomes of the others.
    let log = logs.last_mut().expect("the last one");
    let mut length = 0;
    while length < 1 << 20 {
        let next = timeout(LIMIT, log.next()).await.expect("in time");
        length += next.expect("more").expect("read").bytes.len();
    }
    submits.peers.send(runs.me.host, message(0));
    runs.hears("a message", |event| {
        matches!(event, Event::Message { .. }).then_some(())
    })
    .await;
    // Whoever leaves makes room, and with the last one the connection goes.
    drop(logs.pop());
    let begun = read(&submits, &runs, 0, true).await;
    logs.push(begun.expect("there is room"));
    drop(logs);
    assert!(submits.peers.shared.lines.is_empty());
}

#[test]
fn all_readers_fit_into_what_a_peer_allows() {
    assert!(READERS < usize::try_from(CALLS).expect("a small number"));
    const { assert!(READERS < FROM_ONE && READERS < OF_ONE) };
}
