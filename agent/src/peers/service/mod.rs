//! `kerf.peer.v1.Peer`: what this host answers its peers.
//!
//! In a cluster with identity a peer is who its certificate says, and what a call says of its caller must be the same.
//! Whoever has no certificate may ask for one and nothing else.
//!
//! Without identity (`--insecure-dev`) a peer is believed to be who it says when it is a living member and its connection
//! comes from the IP address that this member tells the fleet. That keeps mistakes out and a forger on the same network in.
//! A call for members and records is then answered for anybody: who joins is no member yet.

mod enrolment;
mod keys;
pub(super) mod logs;
mod records;

use std::sync::Arc;
use std::time::Duration;

use kerf_api::convert::host_id;
use kerf_api::peer::v1;
use kerf_api::peer::v1::enrolment_server::EnrolmentServer;
use kerf_api::peer::v1::peer_server::{Peer as Rpc, PeerServer};
use kerf_types::HostId;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::connection;
use super::driver::Command;
use super::net::TcpListener;
use super::quota::Quota;
use super::roster::Event;
use super::secure::{self, Caller, Who};
use super::shared::{KEEPALIVE, KEEPALIVE_ANSWER, Shared};

/// Longest call in either direction: the description of a job may have 4 MiB, and stands in its canonical form.
pub(super) const MESSAGE_LIMIT: usize = 8 << 20;

/// Most messages of one call.
pub(super) const MESSAGES_LIMIT: usize = 256;

/// Longest part of a stream: of records, of a log.
pub(super) const PART_LIMIT: usize = 512 << 10;

/// Calls of one connection at a time: more than there are readers of logs on one.
pub(super) const CALLS: u32 = 64;

/// How long a call may take until its answer begins, with what is read of it.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long a connection takes new calls. After that a caller makes another one, and shows the certificate that it has by
/// then; a log that is followed is read on.
const CONNECTION_AGE: Duration = Duration::from_secs(60 * 60);

/// Serves peers until this host ends.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
) {
    let stop = shared.stop.clone();
    let arriving = connection::accept(listener, stop.clone());
    let incoming = secure::incoming(arriving, Arc::clone(&shared));
    let service = Arc::new(Service {
        shared,
        commands,
        answers: Arc::new(Semaphore::new(records::ANSWERS)),
        logs: Quota::new(logs::OF_ONE, logs::OF_ALL),
    });
    let enrolment = EnrolmentServer::from_arc(Arc::clone(&service))
        .max_decoding_message_size(enrolment::REQUEST_LIMIT)
        .max_encoding_message_size(PART_LIMIT);
    let server = PeerServer::from_arc(service)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let served = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .max_concurrent_streams(CALLS)
        .timeout(DEADLINE)
        .max_connection_age(CONNECTION_AGE)
        .add_service(InterceptedService::new(server, refuse_nobody))
        .add_service(enrolment)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(
            error = crate::errors::chain(&error),
            "peers are not served any more"
        );
    }
}

/// Refuses whoever has no certificate before a byte of what he says is read: it would be taken apart in memory first, and
/// be as much of it as a call may hold.
fn refuse_nobody(call: Request<()>) -> Result<Request<()>, Status> {
    match who(&call) {
        Who::Nobody => Err(Status::unauthenticated("only a member may ask this")),
        Who::Anybody | Who::Member(_) => Ok(call),
    }
}

fn who<T>(request: &Request<T>) -> Who {
    let caller = request.extensions().get::<Caller>();
    caller.map_or(Who::Nobody, |caller| caller.who)
}

/// What the service works with.
#[derive(Debug)]
struct Service {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    answers: Arc<Semaphore>,
    logs: Quota<HostId>,
}

impl Service {
    /// Checks that a call is for this host and in words that it understands.
    fn is_for_me(&self, version: i32, reads: u32, to: &[u8]) -> Result<(), Status> {
        self.shared.versions.check(version, reads)?;
        let to = host_id("to", to).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let me = self.shared.me.host;
        if to != me {
            return Err(Status::failed_precondition(format!(
                "this is {me}, not {to}"
            )));
        }
        Ok(())
    }

    /// The member whose certificate the caller has shown; `None` where connections prove nothing.
    fn member<T>(&self, request: &Request<T>) -> Result<Option<HostId>, Status> {
        match who(request) {
            Who::Anybody => Ok(None),
            Who::Nobody => Err(Status::unauthenticated("only a member may ask this")),
            Who::Member(host) if self.shared.is_revoked(host) => {
                Err(Status::permission_denied(format!("{host} was revoked")))
            }
            Who::Member(host) => Ok(Some(host)),
        }
    }

    /// The member that calls, as far as that can be told.
    fn caller<T>(&self, request: &Request<T>, from: &[u8]) -> Result<HostId, Status> {
        let from =
            host_id("from", from).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if let Some(proven) = self.member(request)? {
            return match proven == from {
                true => Ok(from),
                false => Err(Status::permission_denied(format!(
                    "this is the connection of {proven}, and the call says {from}"
                ))),
            };
        }
        let peer = self.shared.peer(from).filter(super::Peer::is_living);
        let Some(peer) = peer else {
            return Err(Status::unauthenticated(format!(
                "{from} is no living member here"
            )));
        };
        let ip = request.extensions().get::<Caller>().and_then(|c| c.ip);
        if ip != Some(peer.identity.api.ip().to_canonical()) {
            let text = format!("{from} does not call from there");
            return Err(Status::permission_denied(text));
        }
        Ok(from)
    }

    /// Hands messages on until the queue of events is full; returns how many.
    fn take(&self, from: HostId, messages: Vec<v1::PeerMessage>) -> Result<usize, Status> {
        let counts = &self.shared.metrics.peer_messages;
        let mut taken = 0;
        for message in messages {
            let event = match Event::said(from, message) {
                Ok(event) => event,
                Err(error) => {
                    // It would be no better if it came again, and must not hold up those behind it.
                    tracing::warn!(peer.id = %from, %error, "message of a peer not understood");
                    counts.inc(["in", "bad"]);
                    taken += 1;
                    continue;
                }
            };
            match self.shared.sink.try_send(event) {
                Ok(()) => counts.inc(["in", "taken"]),
                Err(TrySendError::Full(_)) => {
                    counts.inc(["in", "busy"]);
                    break;
                }
                Err(TrySendError::Closed(_)) => {
                    return Err(Status::unavailable("this host is about to end"));
                }
            }
            taken += 1;
        }
        Ok(taken)
    }
}

#[tonic::async_trait]
impl Rpc for Service {
    async fn exchange(
        &self,
        request: Request<v1::ExchangeRequest>,
    ) -> Result<Response<v1::ExchangeResponse>, Status> {
        let body = request.get_ref();
        self.is_for_me(body.version, body.reads, &body.to)?;
        let from = self.caller(&request, &body.from)?;
        let messages = request.into_inner().messages;
        if messages.len() > MESSAGES_LIMIT {
            let text = format!(
                "{} messages, at most {MESSAGES_LIMIT} are read",
                messages.len()
            );
            return Err(Status::invalid_argument(text));
        }
        let taken = self.take(from, messages)?;
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let reads = self.shared.versions.newest;
        Ok(Response::new(v1::ExchangeResponse { taken, reads }))
    }

    type GetRecordsStream = records::Parts;

    async fn get_records(
        &self,
        request: Request<v1::GetRecordsRequest>,
    ) -> Result<Response<Self::GetRecordsStream>, Status> {
        self.member(&request)?;
        let body = request.into_inner();
        self.is_for_me(body.version, body.reads, &body.to)?;
        let parts = self.records(&body.wanted).await?;
        Ok(Response::new(parts))
    }

    type ReadLogsStream = logs::Chunks;

    async fn read_logs(
        &self,
        request: Request<v1::ReadMemberLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let body = request.get_ref();
        self.is_for_me(body.version, body.reads, &body.to)?;
        let from = self.caller(&request, &body.from)?;
        let chunks = self.logs(from, request.into_inner())?;
        Ok(Response::new(chunks))
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::Keys>, Status> {
        let keys = self.keys_for(&request, request.get_ref().head.as_ref())?;
        Ok(Response::new(keys::shown(&keys)))
    }

    async fn install_key(
        &self,
        request: Request<v1::InstallKeyRequest>,
    ) -> Result<Response<v1::Keys>, Status> {
        let keys = self.keys_for(&request, request.get_ref().head.as_ref())?;
        let key = Zeroizing::new(request.into_inner().key);
        self.take_key(&keys, &key).await.map(Response::new)
    }

    async fn use_key(
        &self,
        request: Request<v1::KeyRequest>,
    ) -> Result<Response<v1::Keys>, Status> {
        let keys = self.keys_for(&request, request.get_ref().head.as_ref())?;
        let id = request.get_ref().id;
        self.turn_to_key(&keys, id).await.map(Response::new)
    }

    async fn remove_key(
        &self,
        request: Request<v1::KeyRequest>,
    ) -> Result<Response<v1::Keys>, Status> {
        let keys = self.keys_for(&request, request.get_ref().head.as_ref())?;
        let id = request.get_ref().id;
        self.drop_key(&keys, id).await.map(Response::new)
    }
}
