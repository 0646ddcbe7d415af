//! What a member on this host printed, for the host that submitted its job and nobody else.

use std::pin::Pin;

use kerf_api::peer::v1;
use kerf_types::HostId;
use kerf_types::peer::Tag;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::Service;
use crate::launcher::logs;

/// Logs that one host reads at a time, and all together: each is a task that looks at two files.
pub(in crate::peers) const OF_ONE: usize = 64;
/// See [`OF_ONE`].
pub(super) const OF_ALL: usize = 256;

/// A log, piece by piece.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<v1::MemberLogChunk, Status>> + Send>>;

impl Service {
    /// The log of a member, if `from` may read it.
    pub(super) fn logs(
        &self,
        from: HostId,
        request: v1::ReadMemberLogsRequest,
    ) -> Result<Chunks, Status> {
        let tag = request
            .tag
            .ok_or_else(|| Status::invalid_argument("tag: missing"))?;
        let tag =
            Tag::try_from(tag).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let shows = self.shared.shows.get();
        let shows = shows.ok_or_else(|| Status::unavailable("this host has just been started"))?;
        let unknown = || Status::not_found(format!("{tag} is not known here"));
        let coordinator = shows.coordinator(tag).ok_or_else(unknown)?;
        if coordinator != from {
            let text = format!("{tag} was not submitted at {from}");
            return Err(Status::permission_denied(text));
        }
        let (folder, whole) = shows.logs(tag).ok_or_else(unknown)?;
        let held = self.logs.take(from);
        let held = held.ok_or_else(|| Status::resource_exhausted("too many logs are read"))?;
        let from = logs::Position {
            stdout: request.stdout_from,
            stderr: request.stderr_from,
        };
        let chunks = logs::follow(folder, from, request.follow.then_some(whole));
        Ok(Box::pin(chunks.map(move |chunk| {
            let _reading = &held;
            let chunk = chunk
                .map_err(|error| Status::internal(format!("the log cannot be read: {error}")))?;
            Ok(v1::MemberLogChunk {
                stream: chunk.stream.number(),
                data: chunk.bytes,
                next: chunk.next,
            })
        })))
    }
}
