//! Where the output of members is found: on this host, or through its peers.

use std::future::Future;
use std::path::PathBuf;

use kerf_types::peer::Tag;
use kerf_types::{HostId, JobId};
use tokio::sync::watch;
use tokio_stream::Stream;

use crate::launcher::logs::{LogChunk, Position};
use crate::members::Members;
use crate::peers::{Peers, PeersError};

/// Hosts that have output. Tests have folders in their place.
pub(super) trait Source: Send + Sync + 'static {
    /// This host.
    fn me(&self) -> HostId;

    /// Where the output of a member on this host lies, and a flag that turns true once it is whole.
    fn here(&self, key: (JobId, u32)) -> Option<(PathBuf, watch::Receiver<bool>)>;

    /// The output of a member on another host, from a position on.
    fn there(
        &self,
        host: HostId,
        tag: Tag,
        follow: bool,
        from: Position,
    ) -> impl Future<
        Output = Result<
            impl Stream<Item = Result<LogChunk, PeersError>> + Send + use<Self>,
            PeersError,
        >,
    > + Send;
}

/// The hosts of the fleet.
#[derive(Debug)]
pub(super) struct Hosts {
    pub members: Members,
    pub peers: Option<Peers>,
}

impl Source for Hosts {
    fn me(&self) -> HostId {
        self.members.me()
    }

    fn here(&self, key: (JobId, u32)) -> Option<(PathBuf, watch::Receiver<bool>)> {
        self.members.output(key)
    }

    async fn there(
        &self,
        host: HostId,
        tag: Tag,
        follow: bool,
        from: Position,
    ) -> Result<impl Stream<Item = Result<LogChunk, PeersError>> + Send + use<>, PeersError> {
        let peers = self.peers.as_ref().ok_or(PeersError::Alone)?;
        peers.read_logs(host, tag, follow, from).await
    }
}
