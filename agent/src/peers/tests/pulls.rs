//! What does not fit in a datagram comes in a stream, and a stream of lies or without end does no harm.

use std::sync::Arc;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_server::{Peer as Rpc, PeerServer};
use kerf_membership::Wanted;
use kerf_membership::wire::MAX_DATAGRAM;
use kerf_types::HostId;
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::{Peer, fleet, host};
use crate::peers::PeersError;
use crate::peers::pull::pull;
use crate::peers::service::PART_LIMIT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_longer_than_a_datagram_comes_in_a_stream() {
    let hosts = fleet(3).await;
    let mut long = hosts[0].record(1);
    let label = |number: u32| (format!("label-{number}"), "x".repeat(100));
    long.labels = (0..50).map(label).collect();
    assert!(v1::HostRecord::from(&long).encoded_len() > 2 * MAX_DATAGRAM);
    hosts[0].peers.publish(&long).expect("it is short enough");
    for other in &hosts[1..] {
        let whole = |peer: &Peer| peer.record.as_deref() == Some(&long);
        other.sees("the long record", &hosts[0].me, whole).await;
    }
}

type Answers<T> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

/// Answers a pull with this part, so many times.
struct Liar {
    part: Vec<u8>,
    times: usize,
}

#[tonic::async_trait]
impl Rpc for Liar {
    async fn exchange(
        &self,
        _: Request<v1::ExchangeRequest>,
    ) -> Result<Response<v1::ExchangeResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    type GetRecordsStream = Answers<v1::GetRecordsResponse>;

    async fn get_records(
        &self,
        _: Request<v1::GetRecordsRequest>,
    ) -> Result<Response<Self::GetRecordsStream>, Status> {
        let part = v1::GetRecordsResponse {
            part: self.part.clone(),
        };
        let parts = std::iter::repeat_n(part, self.times);
        Ok(Response::new(Box::pin(tokio_stream::iter(parts).map(Ok))))
    }

    type ReadLogsStream = Answers<v1::MemberLogChunk>;

    async fn read_logs(
        &self,
        _: Request<v1::ReadMemberLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_keys(
        &self,
        _: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::Keys>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn install_key(
        &self,
        _: Request<v1::InstallKeyRequest>,
    ) -> Result<Response<v1::Keys>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn use_key(&self, _: Request<v1::KeyRequest>) -> Result<Response<v1::Keys>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn remove_key(&self, _: Request<v1::KeyRequest>) -> Result<Response<v1::Keys>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

/// What a host makes of such an answer.
async fn pulled_from(liar: Liar) -> PeersError {
    let one = host(1, &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let serve = tonic::transport::Server::builder()
        .add_service(PeerServer::new(liar))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(serve);
    let shared = Arc::clone(&one.peers.shared);
    let outcome = pull(shared, HostId::from_bits(2), address, Wanted::Everything).await;
    server.abort();
    outcome.expect_err("a lie")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_cannot_be_are_refused() {
    let garbage = Liar {
        part: vec![0xff; 100],
        times: 3,
    };
    let error = pulled_from(garbage).await;
    assert!(matches!(error, PeersError::Answer { .. }), "{error}");
    let thick = Liar {
        part: vec![0; PART_LIMIT * 3],
        times: 1,
    };
    let error = pulled_from(thick).await;
    assert!(matches!(error, PeersError::Refused { .. }), "{error}");
    let endless = Liar {
        part: vec![0; PART_LIMIT],
        times: usize::MAX,
    };
    let error = pulled_from(endless).await;
    let is_ended = matches!(
        error,
        PeersError::AnswerTooLong { .. } | PeersError::Silent { .. }
    );
    assert!(is_ended, "{error}");
}
