//! Nobody takes more than a share of this host.

use std::io::ErrorKind;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_client::PeerClient;
use kerf_membership::{Answer, Wanted};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::{Host, LIMIT, fleet};
use crate::peers::connection::{FROM_ONE, accept};
use crate::peers::link::bytes_of;
use crate::peers::net::TcpListener;

#[tokio::test]
async fn an_address_has_so_many_connections_and_all_end_with_the_host() {
    let at = "127.0.0.1:0".parse().expect("loopback");
    let listener = TcpListener::bind(at).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let mut arriving = accept(listener, stop.clone());
    let connect = async || TcpStream::connect(address).await.expect("it listens");
    let mut held = Vec::new();
    for _ in 0..FROM_ONE {
        let client = connect().await;
        let arrived = timeout(LIMIT, arriving.recv()).await.expect("in time");
        held.push((client, arrived.expect("accepted").expect("a connection")));
    }
    let mut bytes = [0; 1];
    let mut refused = connect().await;
    let end = timeout(LIMIT, refused.read(&mut bytes))
        .await
        .expect("in time");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    drop(held.pop());
    let _client = connect().await;
    let arrived = timeout(LIMIT, arriving.recv()).await.expect("in time");
    let mut last = arrived.expect("there is room again").expect("a connection");
    stop.cancel();
    let end = timeout(LIMIT, last.read(&mut bytes))
        .await
        .expect("in time");
    assert_eq!(end.expect_err("ended").kind(), ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_comes_ends() {
    let at = "127.0.0.1:0".parse().expect("loopback");
    let listener = TcpListener::bind(at).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut arriving = accept(listener, CancellationToken::new());
    let _client = TcpStream::connect(address).await.expect("it listens");
    let mut silent = arriving
        .recv()
        .await
        .expect("accepted")
        .expect("a connection");
    let end = silent.read(&mut [0; 1]).await;
    assert_eq!(end.expect_err("ended").kind(), ErrorKind::TimedOut);
}

async fn ask(host: &Host, wanted: Vec<u8>) -> Result<Vec<u8>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", host.address())).expect("an address");
    let mut client = PeerClient::new(endpoint.connect().await.expect("it listens"));
    let request = v1::GetRecordsRequest {
        version: v1::ProtocolVersion::ProtocolVersion1.into(),
        reads: 0,
        to: bytes_of(host.me.host),
        wanted,
    };
    let mut parts = client.get_records(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await? {
        bytes.extend(part.part);
    }
    Ok(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_rightly_gets_members_and_records() {
    let hosts = fleet(2).await;
    hosts[1].publish(1);
    hosts[0]
        .sees("a record", &hosts[1].me, |peer| peer.record.is_some())
        .await;
    let bytes = ask(&hosts[0], Wanted::Everything.to_bytes()).await;
    let answer = Answer::from_bytes(&bytes.expect("an answer")).expect("it can be read");
    assert_eq!(answer.identities().count(), 2);
    assert_eq!(answer.records().len(), 1);
    let refused = async |wanted| ask(&hosts[0], wanted).await.expect_err("wrong").code();
    assert_eq!(refused(vec![9]).await, Code::InvalidArgument);
    assert_eq!(refused(vec![0; (1 << 20) + 1]).await, Code::InvalidArgument);
}
