//! Output of jobs that change their hosts, with a folder for each host.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_types::job::JobState;
use kerf_types::peer::{Attempt, Tag};
use kerf_types::{HostId, JobId, Timestamp};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};

use super::source::Source;
use super::{Asked, JobError, Piece, read};
use crate::launcher::logs::{self, LogChunk, Position};
use crate::launcher::{Submitter, UserIds};
use crate::peers::PeersError;
use crate::store::{JobRow, Placed};

const ME: HostId = HostId::from_bits(1);
const OTHER: HostId = HostId::from_bits(2);

/// How long anything may take. The clock stands still while files are read.
const LIMIT: Duration = Duration::from_secs(60);

struct Folder {
    path: PathBuf,
    whole: watch::Sender<bool>,
}

/// What stands for the hosts.
struct World {
    _root: tempfile::TempDir,
    folders: BTreeMap<HostId, Folder>,
    /// Whether other hosts are gone.
    gone: AtomicBool,
    /// Whether as many logs are read on other hosts as may be.
    full: AtomicBool,
    /// After so many pieces the next connections break.
    breaks: AtomicUsize,
    asked: Mutex<Vec<Position>>,
}

impl World {
    fn new() -> Arc<Self> {
        let root = tempfile::tempdir().expect("a folder");
        let folder = |host: HostId| {
            let path = root.path().join(host.to_string());
            fs::create_dir(&path).expect("a folder");
            let whole = watch::Sender::new(false);
            (host, Folder { path, whole })
        };
        let folders = [ME, OTHER].map(folder).into_iter().collect();
        Arc::new(Self {
            _root: root,
            folders,
            gone: AtomicBool::new(false),
            full: AtomicBool::new(false),
            breaks: AtomicUsize::new(usize::MAX),
            asked: Mutex::default(),
        })
    }

    fn path(&self, host: HostId) -> &Path {
        &self.folders[&host].path
    }

    fn print(&self, host: HostId, bytes: &[u8]) {
        let path = self.path(host).join("stdout.log");
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("a log");
        file.write_all(bytes).expect("it is written");
    }

    fn end(&self, host: HostId) {
        self.folders[&host].whole.send_replace(true);
    }

    fn open(&self, host: HostId) -> (PathBuf, watch::Receiver<bool>) {
        (
            self.path(host).to_owned(),
            self.folders[&host].whole.subscribe(),
        )
    }
}

impl Source for Arc<World> {
    fn me(&self) -> HostId {
        ME
    }

    fn here(&self, _: (JobId, u32)) -> Option<(PathBuf, watch::Receiver<bool>)> {
        Some(self.open(ME))
    }

    async fn there(
        &self,
        host: HostId,
        _: Tag,
        follow: bool,
        from: Position,
    ) -> Result<impl Stream<Item = Result<LogChunk, PeersError>> + Send + use<>, PeersError> {
        let address = "127.0.0.1:1".parse().expect("an address");
        if self.full.load(Ordering::SeqCst) {
            return Err(PeersError::TooManyLogs { address, most: 1 });
        }
        if self.gone.load(Ordering::SeqCst) {
            return Err(PeersError::Silent { address });
        }
        self.asked.lock().expect("no panic").push(from);
        let (folder, whole) = self.open(host);
        let pieces = logs::follow(folder, from, follow.then_some(whole));
        let breaks = self.breaks.load(Ordering::SeqCst);
        let end = (breaks != usize::MAX).then_some(Err(PeersError::Silent { address }));
        let pieces = pieces
            .map(|piece| Ok(piece.expect("it is read")))
            .take(breaks);
        Ok(pieces.chain(tokio_stream::iter(end)))
    }
}

fn row(state: JobState, attempt: u32, host: HostId) -> JobRow {
    JobRow {
        id: JobId::new(1_000, [1; 10]),
        submitter: Submitter {
            ids: UserIds { uid: 1, gid: 2 },
            admin: false,
        },
        spec: "{}".to_owned(),
        spec_hash: "h".to_owned(),
        state,
        reason: "told".to_owned(),
        exit_code: None,
        container: None,
        lease: None,
        submitted: Timestamp(1),
        started: None,
        ended: None,
        restarts: 0,
        cancel_requested: false,
        is_shared: false,
        placed: Some(Placed {
            attempt: Attempt(attempt),
            hosts: vec![(host, "node".to_owned())],
        }),
        explanation: None,
    }
}

/// Follows the job of a row.
fn follow(world: &Arc<World>, row: &watch::Sender<JobRow>) -> ReceiverStream<Piece> {
    let asked = Asked {
        follow: true,
        ..Asked::default()
    };
    let id = row.borrow().id;
    read(Arc::clone(world), id, asked, row.subscribe())
}

/// What comes until the text ends so.
async fn until(pieces: &mut ReceiverStream<Piece>, wanted: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(wanted) {
        let next = tokio::time::timeout(LIMIT, pieces.next())
            .await
            .expect("in time");
        let (_, piece) = next.expect("more").expect("it is read");
        text.push_str(std::str::from_utf8(&piece.bytes).expect("text"));
    }
    text
}

/// The end, which must be next.
async fn end(pieces: &mut ReceiverStream<Piece>) -> Option<JobError> {
    let next = tokio::time::timeout(LIMIT, pieces.next())
        .await
        .expect("in time");
    next.map(|piece| piece.expect_err("nothing more to read"))
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ran_elsewhere_while_the_first_was_read_is_read_too() {
    for (first, second) in [(ME, OTHER), (OTHER, ME)] {
        let world = World::new();
        let state = watch::Sender::new(row(JobState::Running, 1, first));
        let mut pieces = follow(&world, &state);
        world.print(first, b"one\n");
        assert_eq!(until(&mut pieces, "one\n").await, "one\n");
        world.print(second, b"two\n");
        // It has ended there before anybody looks.
        state.send_replace(row(JobState::Succeeded, 2, second));
        world.end(first);
        world.end(second);
        assert_eq!(until(&mut pieces, "two\n").await, "two\n");
        assert!(end(&mut pieces).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_comes_back_to_a_host_is_read_from_where_the_last_one_ended() {
    let world = World::new();
    let state = watch::Sender::new(row(JobState::Running, 1, ME));
    let mut pieces = follow(&world, &state);
    let places = [
        (ME, "one\n"),
        (OTHER, "two\n"),
        (ME, "three\n"),
        (OTHER, "four\n"),
    ];
    for (attempt, (host, text)) in (1..).zip(places) {
        for folder in world.folders.values() {
            folder.whole.send_replace(true);
        }
        world.folders[&host].whole.send_replace(false);
        world.print(host, text.as_bytes());
        state.send_replace(row(JobState::Running, attempt, host));
        assert_eq!(until(&mut pieces, text).await, text);
    }
    state.send_replace(row(JobState::Succeeded, 4, OTHER));
    world.end(OTHER);
    assert!(end(&mut pieces).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lost_its_connection_goes_on_in_a_log_that_lost_its_beginning() {
    let world = World::new();
    let state = watch::Sender::new(row(JobState::Running, 1, OTHER));
    world.breaks.store(1, Ordering::SeqCst);
    world.print(OTHER, &vec![b'x'; 60 << 10]);
    let mut pieces = follow(&world, &state);
    until(&mut pieces, "x").await;
    world.gone.store(true, Ordering::SeqCst);
    world.breaks.store(usize::MAX, Ordering::SeqCst);
    world.print(OTHER, &vec![b'y'; 4 << 20]);
    logs::bound(world.path(OTHER), kerf_types::Bytes(1 << 20)).expect("it is cut");
    world.print(OTHER, b"the end\n");
    world.gone.store(false, Ordering::SeqCst);
    let text = until(&mut pieces, "the end\n").await;
    assert!(
        text.starts_with("[kerf: ") && text.len() < 1 << 20,
        "{} bytes",
        text.len()
    );
    world.print(OTHER, b"and more\n");
    assert_eq!(until(&mut pieces, "and more\n").await, "and more\n");
    let asked = world.asked.lock().expect("no panic").clone();
    assert_eq!(asked.first(), Some(&Position::default()));
    assert_eq!(asked.last().map(|from| from.stdout), Some(60 << 10));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_gone_is_waited_for_until_the_job_has_ended() {
    let world = World::new();
    world.gone.store(true, Ordering::SeqCst);
    let state = watch::Sender::new(row(JobState::Running, 1, OTHER));
    let mut pieces = follow(&world, &state);
    let waited = tokio::time::timeout(LIMIT, pieces.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    state.send_replace(row(JobState::Lost, 1, OTHER));
    let error = end(&mut pieces).await.expect("an error");
    assert!(matches!(error, JobError::Away { .. }), "{error:?}");
    // kerfd is there: who asked need not come back.
    let status = tonic::Status::from(error);
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
}

#[tokio::test(start_paused = true)]
async fn a_reader_too_many_is_told_so_at_once() {
    let world = World::new();
    world.full.store(true, Ordering::SeqCst);
    let state = watch::Sender::new(row(JobState::Running, 1, OTHER));
    let error = end(&mut follow(&world, &state)).await.expect("an error");
    let status = tonic::Status::from(error);
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_before_kerf_knew_of_a_fleet_is_read_here() {
    let world = World::new();
    world.print(ME, b"old words\n");
    world.end(ME);
    let mut old = row(JobState::Succeeded, 1, ME);
    old.placed = None;
    let mut pieces = follow(&world, &watch::Sender::new(old));
    until(&mut pieces, "old words\n").await;
    assert!(end(&mut pieces).await.is_none());
}
