//! The way in, from outside: a member is asked for a certificate over a connection whose CA the token has named.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kerf_api::peer::v1;
use kerf_api::peer::v1::enrolment_client::EnrolmentClient;
use kerf_identity::{CaCertificate, Issued, Purpose, Revoked, SecretKey, Side, Token, prove};
use kerf_seal::{Keyring, Statement};
use kerf_types::HostId;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};

use super::pin::{Pin, PinError, pin_error};
use super::tls::JOIN_NAME;
use super::{ClusterError, JoinError, now_s};

/// The port that is taken where none is named.
const PORT: u16 = 9_451;

/// How long a connection and its handshake may take, and the answer.
const CONNECT: Duration = Duration::from_secs(5);
/// See [`CONNECT`].
const ANSWER: Duration = Duration::from_secs(20);

/// Longest answer: the longest list of revoked hosts has about 100 KiB.
const ANSWER_LIMIT: usize = 512 << 10;

/// What a host that joined has got.
#[derive(Debug)]
pub(super) struct Joined {
    pub ca: CaCertificate,
    pub issued: Issued,
    pub revoked: Revoked,
    pub keyring: Keyring,
    /// The member that was asked, with its port.
    pub address: String,
}

/// Asks a member. All that it answers is looked at before it is believed.
pub(super) async fn ask(
    address: &str,
    token: &Token,
    host: HostId,
    key: &SecretKey,
) -> Result<Joined, ClusterError> {
    let address = with_port(address);
    let (config, pin) = Pin::config(token.ca_hash, token.issuer).map_err(ClusterError::Tls)?;
    let stream = dial(&address, config).await?;
    let ca = pin.ca().ok_or_else(|| JoinError::OtherCluster {
        address: address.clone(),
    })?;
    let channel = over(stream).await.map_err(|source| JoinError::Broken {
        address: address.clone(),
        source: Box::new(source),
    })?;
    let mut client = EnrolmentClient::new(channel).max_decoding_message_size(ANSWER_LIMIT);
    let request = v1::JoinRequest {
        version: 1,
        token_id: token.id.bytes().to_vec(),
        token_secret: token.secret().to_vec(),
        host: host.bits().to_be_bytes().to_vec(),
        public_key: key.public().to_vec(),
        proof: prove(key, &ca.hash(), host, Purpose::Join(token.id)),
        now_s: now_s(),
    };
    let answer = tokio::time::timeout(ANSWER, client.join(request)).await;
    let answer = answer.map_err(|_| JoinError::Silent {
        address: address.clone(),
    })?;
    let answer = answer.map_err(|status| JoinError::Refused {
        address: address.clone(),
        why: status.message().to_owned(),
        hint: hint_of(&status),
    })?;
    let unfit = |what| JoinError::Unfit {
        address: address.clone(),
        what,
    };
    let answer = answer.into_inner();
    let statement = Statement::from_bytes(&answer.statement).map_err(|_| unfit("statement"))?;
    let certificate = answer.certificate;
    let verified = ca.verify_of(host, &certificate, Side::Client, now_s());
    if verified.is_err() || !ca.is_for(&certificate, &key.public()) {
        return Err(unfit("certificate").into());
    }
    let said = statement.verify(&ca.public_key(), ca.cluster(), host, now_s());
    if said.is_err() || statement.public_key != key.public() {
        return Err(unfit("statement").into());
    }
    let keyring = zeroize::Zeroizing::new(answer.keyring);
    Ok(Joined {
        revoked: Revoked::from_bytes(&answer.revoked, &ca).map_err(|_| unfit("revoked"))?,
        keyring: Keyring::from_bytes(&keyring).map_err(|_| unfit("keyring"))?,
        issued: Issued {
            certificate,
            statement,
        },
        ca,
        address,
    })
}

fn hint_of(status: &tonic::Status) -> Option<String> {
    let hint = status.metadata().get(crate::rpc::HINT)?;
    hint.to_str().ok().map(str::to_owned)
}

/// An address with a port: `gpu-1`, `gpu-1:9451`, `10.0.0.1`, `[fd00::1]:9451`, `fd00::1`.
fn with_port(address: &str) -> String {
    let is_ip = |text: &str| text.parse::<std::net::IpAddr>().ok();
    match is_ip(address) {
        Some(ip) => SocketAddr::new(ip, PORT).to_string(),
        None if address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok()) =>
        {
            address.to_owned()
        }
        None => format!("{address}:{PORT}"),
    }
}

/// A connection to the first address that takes one.
async fn dial(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, ClusterError> {
    let unreachable = |source| JoinError::Unreachable {
        address: address.to_owned(),
        source,
    };
    let found = tokio::time::timeout(CONNECT, tokio::net::lookup_host(address)).await;
    let found = found.map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for at in found.map_err(unreachable)? {
        let connected = tokio::time::timeout(CONNECT, TcpStream::connect(at)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return handshake(address, stream, config).await,
            Err(error) => last = error,
        }
    }
    Err(unreachable(last).into())
}

async fn handshake(
    address: &str,
    stream: TcpStream,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, ClusterError> {
    let name = ServerName::try_from(JOIN_NAME).map_err(|_| ClusterError::Thread)?;
    let connected = TlsConnector::from(config).connect(name, stream);
    let connected = tokio::time::timeout(CONNECT, connected).await;
    let address = address.to_owned();
    let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    Ok(stream.map_err(|error| match pin_error(&error) {
        Some(PinError::OtherCa) => JoinError::OtherCluster { address },
        Some(PinError::OtherHost { is }) => JoinError::OtherHost { address, is },
        Some(PinError::Certificate(source)) => JoinError::Certificate { address, source },
        Some(PinError::NoCa) | None => JoinError::NoMember {
            address,
            source: error,
        },
    })?)
}

/// gRPC over a connection that is there.
async fn over(stream: TlsStream<TcpStream>) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_| {
        let ready = stream.take().map(TokioIo::new);
        async move { ready.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    Endpoint::from_static("http://join.kerf.internal")
        .connect_with_connector(connector)
        .await
}
