//! What a member of a job prints, wherever it runs.
//!
//! A job that is started again may be on another host each time. Its output is what it printed there, in the order of
//! its attempts. All attempts on one host append to the same log, so a host and an offset say what was heard, and a
//! host is never asked for it a second time.

mod source;

use std::collections::BTreeMap;
use std::time::Duration;

use kerf_types::peer::{Attempt, Tag};
use kerf_types::{HostId, JobId};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};

use super::{JobError, Jobs};
use crate::launcher::logs::{self, LogChunk, Position};
use crate::peers::{Peers, PeersError};
use crate::store::JobRow;
use source::{Hosts, Source};

/// Time for the container of an ended job to go, which takes well under a second where containerd is well.
const CLEARING: Duration = Duration::from_secs(10);

/// Time between two questions to a host that does not show the output of a job that goes on.
const RETRY: Duration = Duration::from_secs(1);

/// Pieces on their way to a slow reader.
const IN_FLIGHT: usize = 4;

/// A piece and the host that it comes from, or why there is no more.
pub type Piece = Result<(HostId, LogChunk), JobError>;

/// What somebody wants to read.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Whose output.
    pub member: u32,
    /// Whether to go on until the job has ended.
    pub follow: bool,
    /// How far the log of each host was read before.
    pub from: BTreeMap<HostId, Position>,
}

impl Jobs {
    /// The output of one member: what there is, or with `follow` all of it until the job has ended.
    pub fn output(
        &self,
        id: JobId,
        asked: Asked,
        peers: Option<Peers>,
    ) -> Result<ReceiverStream<Piece>, JobError> {
        let row = self.watch(id)?;
        let members = self.members().clone();
        Ok(read(Hosts { members, peers }, id, asked, row))
    }
}

fn read<S: Source>(
    source: S,
    id: JobId,
    asked: Asked,
    row: watch::Receiver<JobRow>,
) -> ReceiverStream<Piece> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let reader = Reader {
        source,
        id,
        member: asked.member,
        follow: asked.follow,
        row,
        sender: sender.clone(),
        heard: asked.from,
    };
    tokio::spawn(async move {
        let read = tokio::select! {
            read = reader.run() => read,
            () = sender.closed() => return,
        };
        if let Err(error) = read {
            drop(sender.send(Err(error)).await);
        }
    });
    ReceiverStream::new(receiver)
}

struct Reader<S> {
    source: S,
    id: JobId,
    member: u32,
    follow: bool,
    row: watch::Receiver<JobRow>,
    sender: mpsc::Sender<Piece>,
    /// How far the log of each host was read.
    heard: BTreeMap<HostId, Position>,
}

impl<S: Source> Reader<S> {
    async fn run(mut self) -> Result<(), JobError> {
        loop {
            let row = self.row.borrow_and_update().clone();
            let read = match self.place(&row) {
                Some((tag, host, _)) if host == self.source.me() => self.here(tag).await?,
                Some((tag, host, name)) => self.there(&row, tag, host, &name).await?,
                None => false,
            };
            if !self.follow {
                return Ok(());
            }
            let over = {
                let new = self.row.borrow();
                // While one attempt was read another may have begun and ended elsewhere.
                new.state.is_final() && new.placed == row.placed
            };
            if over && (read || row.state.is_final()) {
                return Ok(());
            }
            // The next attempt, or the end; where there was nothing to read yet, anything that is new. A job that was
            // forgotten has ended too.
            let moved = |new: &JobRow| new.placed != row.placed || new.state.is_final();
            let waited = if read {
                self.row.wait_for(moved).await.map(drop)
            } else {
                self.row.changed().await
            };
            if waited.is_err() {
                return Ok(());
            }
        }
    }

    /// Where the member is.
    fn place(&self, row: &JobRow) -> Option<(Tag, HostId, String)> {
        let Some(placed) = row.placed.as_ref() else {
            // A job that ended before kerf knew of a fleet ran here, if it ran.
            let tag = Tag {
                job: self.id,
                attempt: Attempt::FIRST,
                member: self.member,
            };
            let here = (tag, self.source.me(), "this host".to_owned());
            return row.state.is_final().then_some(here);
        };
        let at = usize::try_from(self.member).ok()?;
        let (host, name) = placed.hosts.get(at)?;
        let tag = Tag {
            job: self.id,
            attempt: placed.attempt,
            member: self.member,
        };
        Some((tag, *host, name.clone()))
    }

    /// Reads what is on this host; whether there is anything to read yet.
    async fn here(&mut self, tag: Tag) -> Result<bool, JobError> {
        let me = self.source.me();
        let Some((folder, cleared)) = self.source.here((self.id, self.member)) else {
            return Ok(false);
        };
        let ended = self.follow.then(|| self.ended(me, cleared));
        let pieces = logs::follow(folder, self.position(me), ended);
        let read = self.take(me, pieces).await;
        read.map_err(|source| JobError::Output { tag, source })?;
        Ok(true)
    }

    fn position(&self, host: HostId) -> Position {
        self.heard.get(&host).copied().unwrap_or_default()
    }

    /// A flag that turns true when the member has left this host for good and its output is whole; a container that
    /// cannot be taken away is not waited for.
    fn ended(&self, me: HostId, mut cleared: watch::Receiver<bool>) -> watch::Receiver<bool> {
        let mut row = self.row.clone();
        let member = usize::try_from(self.member).unwrap_or(usize::MAX);
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            let away = |row: &JobRow| {
                let placed = row.placed.as_ref();
                let host = placed.and_then(|placed| placed.hosts.get(member));
                row.state.is_final() || host.is_none_or(|(host, _)| *host != me)
            };
            let over = async {
                // An error means that it was forgotten, and then it is over too.
                drop(row.wait_for(away).await);
                let cleared = cleared.wait_for(|cleared| *cleared);
                drop(tokio::time::timeout(CLEARING, cleared).await);
            };
            tokio::select! {
                () = over => { sender.send_replace(true); }
                // The reader has left.
                () = sender.closed() => {}
            }
        });
        receiver
    }

    /// Reads what is on another host. One that does not answer is asked again while the job goes on.
    async fn there(
        &mut self,
        row: &JobRow,
        tag: Tag,
        host: HostId,
        name: &str,
    ) -> Result<bool, JobError> {
        loop {
            let position = self.position(host);
            let read = match self.source.there(host, tag, self.follow, position).await {
                Ok(pieces) => self.take(host, pieces).await,
                Err(error) => Err(error),
            };
            let Err(error) = read else { return Ok(true) };
            let (over, moved) = {
                let new = self.row.borrow();
                (new.state.is_final(), new.placed != row.placed)
            };
            if moved {
                return Ok(true);
            }
            let (id, host) = (self.id, name.to_owned());
            match error {
                source @ PeersError::TooManyLogs { .. } => {
                    return Err(JobError::TooManyReaders { id, host, source });
                }
                error if over || !self.follow || matches!(error, PeersError::Alone) => {
                    let why = crate::errors::chain(&error);
                    return Err(JobError::Away { id, host, why });
                }
                _ => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Passes on what comes from a host.
    async fn take<E>(
        &mut self,
        host: HostId,
        pieces: impl Stream<Item = Result<LogChunk, E>>,
    ) -> Result<(), E> {
        let mut pieces = std::pin::pin!(pieces);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            self.heard.entry(host).or_default().pass(&piece);
            // Who does not read any more is seen by whoever waits for that.
            drop(self.sender.send(Ok((host, piece))).await);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
