//! The connection to containerd: one channel, made when it is first needed and again when it broke.
//!
//! It owns deadlines and the translation of gRPC errors; what is asked is its callers' business. A
//! clone is another handle on the same channel. No request is without a deadline except [`wait`],
//! whose answer is the end of a container.
//!
//! [`wait`]: super::Launcher::wait

mod any;
mod lease;

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::diff_client::DiffClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::introspection_client::IntrospectionClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::transfer_client::TransferClient;
use containerd_client::services::v1::version_client::VersionClient;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::error::LauncherError;

pub(super) use any::{runtime_options, runtime_spec};
pub(super) use lease::GcLease;

/// How long a connection to the socket may take; a unix socket connects at once or not at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Time for requests that containerd answers from its own memory or database.
pub(super) const QUICK: Duration = Duration::from_secs(10);

/// Time for requests that run processes: the shim, the runtime, and the cut of a slice on demand.
pub(super) const LAUNCH: Duration = Duration::from_secs(120);

/// Time for requests that write a layer: the largest have tens of gigabytes.
pub(super) const UNPACK: Duration = Duration::from_secs(3600);

/// Largest answer that is taken: a list of ten thousand containers with their specs fits.
const ANSWER_LIMIT: usize = 64 << 20;

/// Puts the containerd namespace, and the lease if there is one, into every request.
#[derive(Clone)]
pub(super) struct Scope {
    namespace: AsciiMetadataValue,
    lease: Option<AsciiMetadataValue>,
}

impl Interceptor for Scope {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", self.namespace.clone());
        if let Some(lease) = &self.lease {
            metadata.insert("containerd-lease", lease.clone());
        }
        Ok(request)
    }
}

/// What every client of containerd's services speaks through.
pub(super) type Scoped = InterceptedService<Channel, Scope>;

/// A handle on containerd in one namespace.
#[derive(Clone)]
pub(super) struct Engine {
    socket: PathBuf,
    channel: Arc<OnceLock<Channel>>,
    scope: Scope,
    leases: lease::Live,
}

macro_rules! clients {
    ($($name:ident: $client:ident),* $(,)?) => {
        $(pub(super) fn $name(&self) -> $client<Scoped> {
            let client = $client::with_interceptor(self.channel(), self.scope.clone());
            client.max_decoding_message_size(ANSWER_LIMIT)
        })*
    };
}

impl Engine {
    /// A handle that has not connected yet. The namespace is one that `ContainerRef` takes, and such
    /// a text is always a header's value.
    pub(super) fn new(socket: &Path, namespace: &str) -> Self {
        Self {
            socket: socket.to_path_buf(),
            channel: Arc::default(),
            scope: Scope {
                namespace: header(namespace),
                lease: None,
            },
            leases: lease::Live::default(),
        }
    }

    clients! {
        containers: ContainersClient,
        content: ContentClient,
        diff: DiffClient,
        events: EventsClient,
        images: ImagesClient,
        introspection: IntrospectionClient,
        leases: LeasesClient,
        snapshots: SnapshotsClient,
        tasks: TasksClient,
        transfer: TransferClient,
        version: VersionClient,
    }

    /// The channel connects with its first request and again after a loss. It is made here and not in
    /// `new`, since its worker needs an async runtime.
    fn channel(&self) -> Channel {
        self.channel
            .get_or_init(|| {
                let socket = self.socket.clone();
                let connector = tower::service_fn(move |_| connect(socket.clone()));
                // The name is what the server sees as authority, and it accepts any.
                Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector)
            })
            .clone()
    }

    /// Carries out one request with a deadline.
    pub(super) async fn ask<T>(
        &self,
        operation: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, LauncherError> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.fault(operation, &status)),
            Err(_) => Err(LauncherError::TimedOut { operation, limit }),
        }
    }

    /// The launcher's error for a status. One that this side made has a source, one that containerd
    /// sent has none: that tells a broken connection from an answer.
    pub(super) fn fault(&self, operation: &'static str, status: &Status) -> LauncherError {
        if status.source().is_some() {
            return LauncherError::Unavailable {
                socket: self.socket.clone(),
                source: root_cause(status),
            };
        }
        LauncherError::Engine {
            operation,
            code: status.code(),
            message: plain(status.message()),
        }
    }
}

async fn connect(socket: PathBuf) -> io::Result<hyper_util::rt::TokioIo<tokio::net::UnixStream>> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, tokio::net::UnixStream::connect(socket));
    let stream = stream.await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(hyper_util::rt::TokioIo::new(stream))
}

/// The system's error at the bottom of a status, or the words of whatever is there.
fn root_cause(status: &Status) -> io::Error {
    let mut last: &dyn std::error::Error = status;
    while let Some(cause) = last.source() {
        if let Some(found) = cause.downcast_ref::<io::Error>() {
            return io::Error::new(found.kind(), found.to_string());
        }
        last = cause;
    }
    io::Error::new(io::ErrorKind::ConnectionAborted, last.to_string())
}

/// containerd's Go code appends the name of the error class; it says nothing to a reader.
fn plain(message: &str) -> String {
    let message = message.trim();
    let short = [": unknown", ": not found", ": already exists"]
        .iter()
        .find_map(|suffix| message.strip_suffix(suffix));
    short.unwrap_or(message).to_owned()
}

/// A header's value from a name of letters, digits and `_.-`; anything else becomes empty, which
/// containerd refuses.
fn header(name: &str) -> AsciiMetadataValue {
    AsciiMetadataValue::try_from(name).unwrap_or_else(|_| AsciiMetadataValue::from_static(""))
}

/// Makes `None` of the answer that there is no such thing.
pub(super) fn optional<T>(result: Result<T, LauncherError>) -> Result<Option<T>, LauncherError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.has_code(tonic::Code::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
