//! Keys of gossip, for a member that runs a rotation.
//!
//! A member is believed here: whoever is one has the keys anyway. Who may begin a phase is decided where it begins, by
//! the role of the user at that host's socket.

use std::sync::Arc;

use kerf_api::peer::v1;
use kerf_seal::{HostKeys, Key, KeyId};
use tonic::{Request, Status};

use super::Service;
use crate::peers::keyring::{Keys, KeysError};

impl Service {
    /// The keys of this host, for a call by a member that means this host.
    pub(super) fn keys_for<T>(
        &self,
        request: &Request<T>,
        head: Option<&v1::KeysHead>,
    ) -> Result<Arc<Keys>, Status> {
        let head = head.ok_or_else(|| Status::invalid_argument("no head"))?;
        self.is_for_me(head.version, head.reads, &head.to)?;
        self.caller(request, &head.from)?;
        let keys = self.shared.keys.get().cloned();
        keys.ok_or_else(|| refused(&KeysError::None))
    }

    pub(super) async fn take_key(&self, keys: &Arc<Keys>, key: &[u8]) -> Result<v1::Keys, Status> {
        if !self.shared.keys_may_travel() {
            return Err(refused(&KeysError::Plain));
        }
        let key = Key::from_slice(key).map_err(|error| refused(&error.into()))?;
        tracing::info!(key = %key.id(), "key of gossip installed for a peer");
        let changed = keys.change(move |keyring| keyring.install(key)).await;
        told(keys, changed)
    }

    pub(super) async fn turn_to_key(&self, keys: &Arc<Keys>, id: u32) -> Result<v1::Keys, Status> {
        let changed = keys.change(move |keyring| keyring.use_key(KeyId(id))).await;
        told(keys, changed)
    }

    pub(super) async fn drop_key(&self, keys: &Arc<Keys>, id: u32) -> Result<v1::Keys, Status> {
        let changed = keys.change(move |keyring| keyring.remove(KeyId(id))).await;
        told(keys, changed)
    }
}

/// What a member is told of the keys of this host.
pub(super) fn shown(keys: &Keys) -> v1::Keys {
    let HostKeys { installed, primary } = keys.held();
    v1::Keys {
        installed: installed.into_iter().map(|id| id.0).collect(),
        primary: primary.0,
    }
}

fn told(keys: &Keys, changed: Result<bool, KeysError>) -> Result<v1::Keys, Status> {
    changed
        .map(|_| shown(keys))
        .map_err(|error| refused(&error))
}

fn refused(error: &KeysError) -> Status {
    Status::failed_precondition(crate::errors::chain(error))
}
