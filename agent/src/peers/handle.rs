//! The handle of peers: what other parts of kerfd call. Nothing that sends or publishes waits.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_membership::Payload;
use kerf_scheduler::core::KeeperMessage;
use kerf_types::peer::{PeerMessage, Tag};
use kerf_types::{HostId, HostRecord};
use prost::Message;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::DropGuard;

use super::driver::Command;
use super::roster::Peer;
use super::service::PART_LIMIT;
use super::shared::Shared;
use super::{PeersError, Shows, link, problems};
use crate::host::Degraded;
use crate::launcher::logs::{LogChunk, LogStream, Position};
use crate::store::keeper_text;

/// How long a peer may take until it begins to show a log.
const LOGS_PATIENCE: Duration = Duration::from_secs(5);

/// How long a goodbye may take: it is a few datagrams.
const GOODBYE: Duration = Duration::from_secs(1);

/// The other hosts of the fleet. Clones share them; dropping the last ends everything without a goodbye.
#[derive(Clone)]
pub struct Peers {
    pub(super) shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    pub(super) payload: Arc<watch::Sender<Option<Payload>>>,
    _end: Arc<DropGuard>,
}

impl Peers {
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Sender<Command>,
        payload: watch::Sender<Option<Payload>>,
    ) -> Self {
        let end = shared.stop.clone().drop_guard();
        let payload = Arc::new(payload);
        if shared.payload.set(Arc::clone(&payload)).is_err() {
            tracing::error!("a handle of peers is there already");
        }
        Self {
            shared,
            commands,
            payload,
            _end: Arc::new(end),
        }
    }

    /// Where peers reach this host, as they are told, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Says where members of this host are found. Until then nobody reads their logs; only the first word counts.
    pub fn show(&self, shows: Arc<dyn Shows>) {
        if self.shared.shows.set(shows).is_err() {
            tracing::error!("members are shown already");
        }
    }

    /// Tells the fleet this host's newest record. It never waits; of several in one moment the last is told.
    pub fn publish(&self, record: &HostRecord) -> Result<(), PeersError> {
        let (id, me) = (record.id, self.shared.me.host);
        if id != me {
            return Err(PeersError::ForeignRecord { id, me });
        }
        let payload = Payload::try_new(&v1::HostRecord::from(record).encode_to_vec())?;
        self.payload
            .send(Some(payload))
            .map_err(|_| PeersError::Ended)
    }

    /// Sends a message to a host. It never waits, and may be lost: whoever sends it sends it again if no answer
    /// comes. A message to this host itself arrives as any other.
    pub fn send(&self, to: HostId, message: PeerMessage) {
        link::send(&self.shared, to, (&message).into());
    }

    /// The same for a host that keeps the same job.
    pub fn send_keeper(&self, to: HostId, message: &KeeperMessage) {
        let text = keeper_text(message);
        let message = v1::PeerMessage {
            body: Some(v1::peer_message::Body::Keeper(text)),
            ..v1::PeerMessage::default()
        };
        link::send(&self.shared, to, message);
    }

    /// Every other host, in order of ids; a new list comes with each change and each second.
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<Peer>>> {
        self.shared.roster.subscribe()
    }

    /// Reads what a member on another host has printed behind `position`; with `follow` also what it will print.
    /// The stream ends with an error when the host vanishes.
    pub async fn read_logs(
        &self,
        host: HostId,
        tag: Tag,
        follow: bool,
        position: Position,
    ) -> Result<impl Stream<Item = Result<LogChunk, PeersError>> + Send + use<>, PeersError> {
        let address = self.shared.address_of(host);
        let address = address.ok_or(PeersError::Unknown { host })?;
        let (channel, reading) = self.shared.lines.take(&self.shared, host, address)?;
        let mut client = PeerClient::new(channel).max_decoding_message_size(PART_LIMIT * 2);
        let request = v1::ReadMemberLogsRequest {
            tag: Some((&tag).into()),
            follow,
            version: self.shared.versions.for_reader(0),
            reads: self.shared.versions.newest,
            from: link::bytes_of(self.shared.me.host),
            to: link::bytes_of(host),
            stdout_from: position.stdout,
            stderr_from: position.stderr,
        };
        let refused = move |status| PeersError::Refused {
            address,
            status: Box::new(status),
        };
        let answer = tokio::time::timeout(LOGS_PATIENCE, client.read_logs(request)).await;
        let chunks = answer.map_err(|_| PeersError::Silent { address })?;
        let chunks = chunks.map_err(refused)?.into_inner();
        Ok(chunks.map(move |chunk| {
            let _held = &reading;
            let chunk = chunk.map_err(refused)?;
            Ok(LogChunk {
                stream: LogStream::of(chunk.stream),
                bytes: chunk.data,
                next: chunk.next,
            })
        }))
    }

    /// Removes a host that is gone from the lists of the whole fleet; a living one is refused.
    pub async fn forget(&self, host: HostId) -> Result<(), PeersError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Forget(host, reply)).await;
        sent.map_err(|_| PeersError::Ended)?;
        let outcome = answer.await.map_err(|_| PeersError::Ended)?;
        outcome.map_err(|source| PeersError::NotForgotten { host, source })
    }

    /// What is not well, for `kerf status`.
    pub fn problems(&self) -> Vec<(String, Degraded)> {
        problems::list(&self.shared)
    }

    /// Says goodbye and is silent from then on: the fleet places nothing here, and waits for no answer.
    pub async fn leave(&self) {
        let (said, heard) = oneshot::channel();
        if self.commands.send(Command::Leave(said)).await.is_ok() {
            drop(tokio::time::timeout(GOODBYE, heard).await);
        }
        self.shared.stop.cancel();
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
