//! Messages to peers: one task, one bounded queue and one connection for each peer that is talked to.
//!
//! A message is tried once. Whoever sent it sends it again when no answer comes, and by then it may say something
//! else; so a queue that is full loses what comes, and nothing waits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_types::HostId;
use prost::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver};
use tonic::Code;
use tonic::transport::Channel;

use super::roster::Event;
use super::service::{MESSAGE_LIMIT, MESSAGES_LIMIT};
use super::shared::{Shared, lock};

/// Messages that wait for one peer: a host of 56 slices speaks of each about once a second.
const QUEUE: usize = 1_024;

/// Bytes of messages in one call, unless one alone is longer.
const BATCH_BYTES: usize = 1 << 20;

/// How long a call may take. The core sends again after about as long.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long a connection is kept that nobody uses: with a thousand hosts there would be half a million.
const IDLE: Duration = Duration::from_secs(60);

/// The queues, by peer.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<BTreeMap<HostId, mpsc::Sender<v1::PeerMessage>>>);

impl Links {
    /// Ends the link to a host that is forgotten.
    pub fn forget(&self, host: HostId) {
        lock(&self.0).remove(&host);
    }
}

/// The id of a host as it travels.
pub(super) fn bytes_of(host: HostId) -> Vec<u8> {
    host.bits().to_be_bytes().to_vec()
}

/// Puts a message into the queue of its peer, or loses it.
pub(super) fn send(shared: &Arc<Shared>, to: HostId, message: v1::PeerMessage) {
    let outcome = try_send(shared, to, message);
    if let Err(why) = outcome {
        tracing::debug!(peer.id = %to, why, "message to a peer lost");
        shared.metrics.peer_messages.inc(["out", why]);
    }
}

fn try_send(
    shared: &Arc<Shared>,
    to: HostId,
    message: v1::PeerMessage,
) -> Result<(), &'static str> {
    if to == shared.me.host {
        let event = Event::said(to, message).map_err(|_| "bad")?;
        return shared.sink.try_send(event).map_err(|_| "full");
    }
    if shared.stop.is_cancelled() {
        return Err("ended");
    }
    if shared.address_of(to).is_none() {
        return Err("unknown");
    }
    let mut queues = lock(&shared.links.0);
    let queue = queues.entry(to).or_insert_with(|| {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let link = Link {
            host: to,
            shared: Arc::clone(shared),
            open: None,
            reads: 0,
            is_said: false,
        };
        tokio::spawn(link.run(receiver));
        sender
    });
    queue.try_send(message).map_err(|error| match error {
        TrySendError::Full(_) => "full",
        TrySendError::Closed(_) => "ended",
    })
}

/// The way to one peer.
struct Link {
    host: HostId,
    shared: Arc<Shared>,
    /// The connection, and where it leads: a host that was started again may listen elsewhere.
    open: Option<(SocketAddr, PeerClient<Channel>)>,
    /// Up to which version it reads, as it has said; 0 where it has not.
    reads: u32,
    /// Whether it was told that the two do not understand each other.
    is_said: bool,
}

impl Link {
    async fn run(mut self, mut queue: Receiver<v1::PeerMessage>) {
        let stop = self.shared.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.carry(&mut queue) => {}
        }
    }

    /// Until the host is forgotten, and its queue with it.
    async fn carry(&mut self, queue: &mut Receiver<v1::PeerMessage>) {
        let mut messages = Vec::new();
        loop {
            let more = queue.recv_many(&mut messages, MESSAGES_LIMIT);
            match tokio::time::timeout(IDLE, more).await {
                Ok(0) => return,
                Ok(_) => {
                    for batch in batches(std::mem::take(&mut messages)) {
                        self.deliver(batch).await;
                    }
                }
                Err(_) => self.open = None,
            }
        }
    }

    async fn deliver(&mut self, batch: Vec<v1::PeerMessage>) {
        let sent = batch.len();
        let taken = self.exchange(batch).await.unwrap_or_else(|why| {
            tracing::debug!(peer.id = %self.host, why, "messages to a peer not delivered");
            // The next call shall not wait for a connection that hangs, and who answers it may be of another release.
            self.open = None;
            self.reads = 0;
            None
        });
        let count = |outcome, count: usize| {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            if count > 0 {
                self.shared
                    .metrics
                    .peer_messages
                    .add(["out", outcome], count);
            }
        };
        match taken {
            Some(taken) => {
                count("sent", taken);
                count("refused", sent.saturating_sub(taken));
            }
            None => count("failed", sent),
        }
    }

    /// Sends one batch, and returns how many were taken.
    async fn exchange(&mut self, messages: Vec<v1::PeerMessage>) -> Result<Option<usize>, String> {
        let address = self.shared.address_of(self.host);
        let address = address.ok_or("it is not known any more")?;
        let client = match &mut self.open {
            Some((open, client)) if *open == address => client,
            open => {
                let channel = self.shared.connect(self.host, address);
                let channel = channel.map_err(|error| crate::errors::chain(&error))?;
                let client = PeerClient::new(channel).max_encoding_message_size(MESSAGE_LIMIT);
                &mut open.insert((address, client)).1
            }
        };
        let limit = messages.len();
        let versions = self.shared.versions;
        let request = v1::ExchangeRequest {
            version: versions.for_reader(self.reads),
            reads: versions.newest,
            from: bytes_of(self.shared.me.host),
            to: bytes_of(self.host),
            messages,
        };
        let answer = tokio::time::timeout(DEADLINE, client.exchange(request)).await;
        let answer = answer.map_err(|_| "no answer in time")?;
        let answer = answer.map_err(|status| {
            let why = status.message();
            let is_new = status.code() == Code::Unimplemented && !self.is_said;
            if is_new {
                self.is_said = true;
                tracing::warn!(peer.id = %self.host, why, "a peer does not understand this host");
            }
            why.to_owned()
        })?;
        self.reads = answer.get_ref().reads;
        let taken = usize::try_from(answer.get_ref().taken).unwrap_or(limit);
        Ok(Some(taken.min(limit)))
    }
}

/// Messages for one call each, in their order.
fn batches(messages: Vec<v1::PeerMessage>) -> Vec<Vec<v1::PeerMessage>> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for message in messages {
        let length = message.encoded_len();
        if bytes + length > BATCH_BYTES && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += length;
        batch.push(message);
    }
    batches.push(batch);
    batches.retain(|batch| !batch.is_empty());
    batches
}
