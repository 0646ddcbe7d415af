//! Members and records for a host that asks, in parts.

use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_membership::Wanted;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{PART_LIMIT, Service};
use crate::peers::driver::Command;

/// Answers at one time. Each may be the whole fleet, which is megabytes.
pub(super) const ANSWERS: usize = 4;

/// How long a question waits for its turn: a fleet that starts at once asks its seeds at once.
const TURN: Duration = Duration::from_secs(5);

/// How long an answer is kept for whoever asked. They have given up by then, and others wait.
const KEPT: Duration = Duration::from_secs(10);

/// Longest question: what is known of each of ten thousand hosts takes less.
const WANTED_LIMIT: usize = 1 << 20;

/// Parts on their way.
const IN_FLIGHT: usize = 2;

/// An answer, part by part.
pub(super) type Parts = ReceiverStream<Result<v1::GetRecordsResponse, Status>>;

impl Service {
    /// Answers a question of a pull.
    pub(super) async fn records(&self, wanted: &[u8]) -> Result<Parts, Status> {
        if wanted.len() > WANTED_LIMIT {
            let text = format!("{} bytes, at most {WANTED_LIMIT} are read", wanted.len());
            return Err(Status::invalid_argument(text));
        }
        let wanted = Wanted::from_bytes(wanted)
            .map_err(|error| Status::invalid_argument(format!("the question: {error}")))?;
        let ended = || Status::unavailable("this host is about to end");
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.answers).acquire_owned()).await;
        let turn = turn.map_err(|_| Status::resource_exhausted("others are answered first"))?;
        let held = turn.map_err(|_| ended())?;
        let (reply, answer) = oneshot::channel();
        let command = Command::Answer(wanted, reply);
        self.commands.send(command).await.map_err(|_| ended())?;
        let bytes = answer.await.map_err(|_| ended())?.to_bytes();
        let (sender, parts) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(async move {
            let sent = tokio::time::timeout(KEPT, send(&bytes, &sender)).await;
            if sent.is_err() {
                tracing::debug!("answer to a pull not taken in time");
            }
            drop(held);
        });
        Ok(ReceiverStream::new(parts))
    }
}

async fn send(bytes: &[u8], sender: &mpsc::Sender<Result<v1::GetRecordsResponse, Status>>) {
    for part in bytes.chunks(PART_LIMIT) {
        let part = part.to_vec();
        if sender
            .send(Ok(v1::GetRecordsResponse { part }))
            .await
            .is_err()
        {
            return;
        }
    }
}
