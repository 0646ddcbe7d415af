//! Pulls: a question of the core goes to a peer, and what it answers comes back, all within a deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_membership::{Answer, Wanted};
use kerf_types::HostId;

use super::PeersError;
use super::link::bytes_of;
use super::service::PART_LIMIT;
use super::shared::Shared;

/// How long a pull may take, the same as the core's own deadline.
const DEADLINE: Duration = Duration::from_secs(10);

/// Longest answer that is taken: ten thousand hosts with the longest records need 80 MiB.
const ANSWER_LIMIT: usize = 96 << 20;

/// Asks the host `from`, whose API is at `address`.
pub(super) async fn pull(
    shared: Arc<Shared>,
    from: HostId,
    address: SocketAddr,
    wanted: Wanted,
) -> Result<Answer, PeersError> {
    let pulled = tokio::time::timeout(DEADLINE, ask(&shared, from, address, &wanted)).await;
    let bytes = pulled.map_err(|_| PeersError::Silent { address })??;
    Answer::from_bytes(&bytes).map_err(|source| PeersError::Answer { address, source })
}

async fn ask(
    shared: &Shared,
    from: HostId,
    address: SocketAddr,
    wanted: &Wanted,
) -> Result<Vec<u8>, PeersError> {
    let refused = |status| PeersError::Refused {
        address,
        status: Box::new(status),
    };
    let channel = shared.connect(from, address)?;
    let mut client = PeerClient::new(channel).max_decoding_message_size(PART_LIMIT * 2);
    let request = v1::GetRecordsRequest {
        version: shared.versions.for_reader(0),
        reads: shared.versions.newest,
        to: bytes_of(from),
        wanted: wanted.to_bytes(),
    };
    let answer = client.get_records(request).await.map_err(refused)?;
    let mut parts = answer.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await.map_err(refused)? {
        bytes.extend(part.part);
        if bytes.len() > ANSWER_LIMIT {
            let limit = ANSWER_LIMIT;
            return Err(PeersError::AnswerTooLong { address, limit });
        }
    }
    Ok(bytes)
}
