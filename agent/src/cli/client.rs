//! The way to kerfd: gRPC over its unix socket.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kerf_api::v1::cluster_client::ClusterClient;
use kerf_api::v1::kerf_client::KerfClient;
use kerf_api::v1::keyring_client::KeyringClient;
use tokio::net::UnixStream;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::Context;
use super::fail::Failure;

/// kerfd, as a verb sees it.
pub type Client = KerfClient<Channel>;

/// gRPC wants the name of a host in each request; over a unix socket this is the usual one.
const AUTHORITY: &str = "http://localhost";

/// Longest answer that is taken. An inventory of 16 GPUs with all profiles has some hundred KiB.
const MESSAGE_LIMIT: usize = 16 << 20;

/// How long an ordinary call may take. A call waits behind a running `kerf apply`, and each step of that may
/// take as long as the driver's step deadline.
const PATIENCE: Duration = Duration::from_secs(120);

impl Context {
    /// Connects to kerfd.
    pub async fn connect(&self) -> Result<Client, Failure> {
        connect(&self.socket).await
    }
}

impl Context {
    /// Connects to kerfd for what concerns the cluster.
    pub async fn connect_cluster(&self) -> Result<ClusterClient<Channel>, Failure> {
        Ok(ClusterClient::new(channel(&self.socket).await?))
    }

    /// Connects to kerfd for what concerns the keys of gossip.
    pub async fn connect_keyring(&self) -> Result<KeyringClient<Channel>, Failure> {
        Ok(KeyringClient::new(channel(&self.socket).await?))
    }
}

/// Connects to the kerfd that listens on a socket.
pub async fn connect(socket: &Path) -> Result<Client, Failure> {
    let channel = channel(socket).await?;
    Ok(KerfClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT))
}

async fn channel(socket: &Path) -> Result<Channel, Failure> {
    // The first connection is made here and not in the channel, which would hide why it failed.
    let first = UnixStream::connect(socket).await;
    let first = first.map_err(|source| Failure::Unreachable {
        socket: socket.into(),
        source,
    })?;
    let mut first = Some(first);
    let path = socket.to_owned();
    let connector = tower::service_fn(move |_| {
        let (ready, path) = (first.take(), path.clone());
        async move {
            let stream = match ready {
                Some(stream) => stream,
                None => UnixStream::connect(path).await?,
            };
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let channel = Endpoint::from_static(AUTHORITY)
        .connect_with_connector(connector)
        .await;
    channel.map_err(|source| Failure::Foreign {
        socket: socket.into(),
        source,
    })
}

/// A request that kerfd may answer so many milliseconds later than an ordinary one.
pub fn within<T>(message: T, wait_ms: u64) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE.saturating_add(Duration::from_millis(wait_ms)));
    request
}

/// An ordinary request: one that is answered soon or not at all.
pub fn soon<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
