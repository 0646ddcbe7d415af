//! The service on its socket, from the first call to the last.

use std::future::Future;

use kerf_api::v1::cluster_server::ClusterServer;
use kerf_api::v1::kerf_server::KerfServer;
use kerf_api::v1::keyring_server::KeyringServer;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;

use super::Service;

/// Largest message in either direction; image archives come in parts far below it.
pub(super) const MESSAGE_LIMIT: usize = 4 << 20;

/// Serves until `stop` is done; calls under way are finished, streams are ended.
pub async fn serve(
    listener: UnixListener,
    service: Service,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let cluster = ClusterServer::new(service.clone());
    let keyring = KeyringServer::new(service.clone());
    let server = KerfServer::new(service)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    tonic::transport::Server::builder()
        .add_service(server)
        .add_service(keyring)
        .add_service(cluster)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
        .await
}
