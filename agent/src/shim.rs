//! The runtime socket: one request, one answer, then the connection ends.
//!
//! Only root talks here (and kerfd's own uid, so that a kerfd of an ordinary user can be tried out): the socket
//! is 0600 and the peer's credentials are checked besides. What the shim says about itself is not believed
//! where the kernel says it too: pid and uid are those of the connection.
//!
//! A shim keeps its end open until it has the answer: one that has closed it waits no more, and what it asked for is
//! given to nobody. A kerfd that ends gives no answers any more; it closes, and the shim asks the next one.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kerf_runtime::frame::{
    FrameError, LaunchReply, LaunchRequest, Outcome, REQUEST_SCHEMA, body_length, decode, encode,
};
use kerf_telemetry::SelfMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use crate::errors::chain;
use crate::host::{Command, HostError, HostHandle, LaunchPeer};
use crate::process;
use crate::rpc::LoadedConfig;

/// Name of the socket in the run folder.
pub const SOCKET: &str = "runtime.sock";

/// A peer that has not sent its request after this time is not a shim.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// Connections served at one time: far more than containers start at once, few enough that a peer that opens
/// thousands does not take kerfd's memory.
const CONNECTIONS: usize = 256;

/// Why a connection was not served.
#[derive(Debug, thiserror::Error)]
enum ShimError {
    #[error("the peer's credentials cannot be read")]
    Credentials(#[source] io::Error),
    #[error("uid {0} may not use the runtime socket")]
    Stranger(u32),
    #[error("the request did not come in time")]
    Slow,
    #[error("the peer has gone before its answer")]
    Gone,
    #[error("kerfd ends, and the next one is asked")]
    Ending,
    #[error("the request cannot be read")]
    Frame(#[from] FrameError),
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the request has schema {0:?}")]
    Schema(String),
}

/// Opens the socket; one that an earlier kerfd left behind is replaced.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    crate::sockets::bind(path, 0o600)
}

/// Takes the socket away at the end of kerfd, and leaves word of when that was beside it: a launch in the moment of a
/// restart waits for the next kerfd (`kerf_runtime::client`), and one long after does not.
pub fn leave(socket: &Path) -> io::Result<()> {
    let word = socket.with_extension(kerf_runtime::client::STOPPED);
    if let Err(error) = crate::files::replace(&word, b"", crate::files::Durability::Volatile) {
        tracing::warn!(%error, path = %word.display(), "launches do not wait for the next kerfd");
    }
    crate::files::remove(socket)
}

/// Serves until the task is dropped; what is being answered then is answered all the same.
pub async fn serve(
    listener: UnixListener,
    host: HostHandle,
    config: watch::Receiver<Arc<LoadedConfig>>,
    metrics: Arc<SelfMetrics>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait for some to be given back.
                tracing::error!(%error, "runtime socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (host, metrics) = (host.clone(), Arc::clone(&metrics));
        let patience = config.borrow().config.launch.wait;
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &host, patience, &metrics).await {
                tracing::warn!(error = chain(&error), "runtime connection refused");
            }
            drop(place);
        });
    }
}

async fn answer(
    mut stream: UnixStream,
    host: &HostHandle,
    patience: Duration,
    metrics: &SelfMetrics,
) -> Result<(), ShimError> {
    let begun = std::time::Instant::now();
    let peer = peer_of(&stream)?;
    let request = tokio::time::timeout(REQUEST_DEADLINE, read(&mut stream))
        .await
        .map_err(|_| ShimError::Slow)??;
    if request.schema != REQUEST_SCHEMA {
        return Err(ShimError::Schema(request.schema));
    }
    let container = format!("{}/{}", request.namespace, request.container_id);
    let request = Box::new(request);
    let asked = host.ask(|reply| Command::Launch {
        request,
        peer,
        reply,
    });
    let outcome = tokio::select! {
        outcome = asked => outcome,
        () = hung_up(&mut stream) => return Err(ShimError::Gone),
        error = starts_too_long(host, patience) => Err(error),
    };
    let (reply, refusal) = match outcome {
        Err(HostError::Draining | HostError::Ended) => return Err(ShimError::Ending),
        Ok(grant) => (LaunchReply::granted(grant), None),
        Err(error) => {
            let reply = LaunchReply::refused(chain(&error), error.hint());
            (reply, Some(error.kind()))
        }
    };
    // Whoever launches waits for this, and for nothing that follows.
    let written = stream.write_all(&encode(&reply)?).await;
    metrics
        .launch_duration
        .observe(begun.elapsed().as_secs_f64());
    tell(&container, &reply.outcome, refusal, metrics);
    Ok(written?)
}

/// Logs and counts what came of a launch; a refusal has a kind.
fn tell(container: &str, outcome: &Outcome, refusal: Option<&'static str>, metrics: &SelfMetrics) {
    match outcome {
        Outcome::Granted(grant) => {
            tracing::info!(container.id = %container, lease.id = %grant.lease_id, "launch granted");
            metrics.launch_grants.inc();
        }
        Outcome::Refused { reason, .. } => {
            tracing::info!(container.id = %container, error = %reason, "launch refused");
            metrics.launch_refusals.inc([refusal.unwrap_or_default()]);
        }
    }
}

/// Returns when the peer has closed its end. One that sends more is none of ours, and is not listened to any more.
async fn hung_up(stream: &mut UnixStream) {
    if matches!(stream.read(&mut [0]).await, Ok(1..)) {
        std::future::pending::<()>().await;
    }
}

/// Returns when the first look at the hardware takes longer than a launch waits for it; what is asked meanwhile is
/// answered by nobody else.
async fn starts_too_long(host: &HostHandle, patience: Duration) -> HostError {
    tokio::time::sleep(patience).await;
    match host.view().first_look() {
        Some(why) => HostError::Blind {
            why: why.to_owned(),
        },
        None => std::future::pending().await,
    }
}

fn peer_of(stream: &UnixStream) -> Result<LaunchPeer, ShimError> {
    let credentials = stream.peer_cred().map_err(ShimError::Credentials)?;
    let uid = credentials.uid();
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Err(ShimError::Stranger(uid));
    }
    let gone = || ShimError::Credentials(io::Error::from(io::ErrorKind::NotFound));
    let pid = credentials
        .pid()
        .and_then(|pid| u32::try_from(pid).ok())
        .ok_or_else(gone)?;
    Ok(LaunchPeer {
        process: process::identify(pid).ok_or_else(gone)?,
        uid,
    })
}

async fn read(stream: &mut UnixStream) -> Result<LaunchRequest, ShimError> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; body_length(header)?];
    stream.read_exact(&mut body).await?;
    Ok(decode(&body)?)
}
