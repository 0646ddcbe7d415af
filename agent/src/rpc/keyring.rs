//! The keys of gossip over the API: who may, and how the answer of a fleet is told.

use kerf_api::v1;
use kerf_api::v1::keyring_server::Keyring;
use kerf_seal::{HostKeys, KeyId};
use tonic::{Code, Request, Response, Status};

use super::Service;
use super::auth::Role;
use super::status::{refusal, with_hint};
use crate::peers::Peers;
use crate::peers::keyring::{HostAnswer, KeysError, Round};

#[tonic::async_trait]
impl Keyring for Service {
    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::KeyringState>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = async {
            let round = self.fleet_peers()?.keyring().await;
            Ok(self.told(None, round.map_err(refused)?))
        };
        self.counted("list_keys", begun, outcome.await)
    }

    async fn install_key(
        &self,
        request: Request<v1::InstallKeyRequest>,
    ) -> Result<Response<v1::KeyringState>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let text = Some(request.get_ref().id.as_str()).filter(|text| !text.is_empty());
            let id = text.map(name).transpose()?;
            let installed = self.fleet_peers()?.install_key(id).await;
            let (id, round) = installed.map_err(refused)?;
            Ok(self.told(Some(id), round))
        };
        self.counted("install_key", begun, outcome.await)
    }

    async fn use_key(
        &self,
        request: Request<v1::UseKeyRequest>,
    ) -> Result<Response<v1::KeyringState>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let id = name(&request.get_ref().id)?;
            let round = self.fleet_peers()?.use_key(id).await;
            Ok(self.told(Some(id), round.map_err(refused)?))
        };
        self.counted("use_key", begun, outcome.await)
    }

    async fn remove_key(
        &self,
        request: Request<v1::RemoveKeyRequest>,
    ) -> Result<Response<v1::KeyringState>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let id = name(&request.get_ref().id)?;
            let round = self.fleet_peers()?.remove_key(id).await;
            Ok(self.told(Some(id), round.map_err(refused)?))
        };
        self.counted("remove_key", begun, outcome.await)
    }
}

impl Service {
    fn fleet_peers(&self) -> Result<&Peers, Status> {
        self.peers.as_ref().ok_or_else(|| {
            let hint = "start kerfd with --peers, or set peers.listen";
            with_hint(Code::FailedPrecondition, "this host runs alone", hint)
        })
    }

    fn told(&self, key: Option<KeyId>, round: Round) -> v1::KeyringState {
        let me = self
            .fleet
            .borrow()
            .nodes
            .iter()
            .find(|node| node.here)
            .map(|node| (node.id.to_string(), node.name.clone()));
        let (id, name) = me.unwrap_or_default();
        let here = v1::KeyringHost {
            id,
            name,
            here: true,
            ..with_keys(&round.own)
        };
        v1::KeyringState {
            id: key.map(|key| key.to_string()).unwrap_or_default(),
            hosts: std::iter::once(here)
                .chain(round.others.iter().map(host))
                .collect(),
        }
    }
}

fn host(answer: &HostAnswer) -> v1::KeyringHost {
    let keys = match &answer.keys {
        Ok(keys) => with_keys(keys),
        Err(error) => v1::KeyringHost {
            error: error.clone(),
            ..v1::KeyringHost::default()
        },
    };
    v1::KeyringHost {
        id: answer.host.to_string(),
        name: answer.name.to_string(),
        ..keys
    }
}

fn with_keys(keys: &HostKeys) -> v1::KeyringHost {
    v1::KeyringHost {
        installed: keys.installed.iter().map(ToString::to_string).collect(),
        used: keys.primary.to_string(),
        ..v1::KeyringHost::default()
    }
}

fn name(text: &str) -> Result<KeyId, Status> {
    let hint = "kerf keyring list shows the names";
    text.parse()
        .map_err(|error: kerf_seal::KeyError| refusal(Code::InvalidArgument, &error, hint))
}

fn refused(error: KeysError) -> Status {
    let (code, hint) = match &error {
        KeysError::None => (
            Code::FailedPrecondition,
            "kerf cluster init or join gives this host its keys; without identity kerf keyring generate makes cluster/keyring.json",
        ),
        KeysError::Plain => (
            Code::FailedPrecondition,
            "make the hosts part of a fleet with certificates first",
        ),
        KeysError::NotReady { .. } => (
            Code::FailedPrecondition,
            "kerf keyring list shows what each host has; repeat the phase before for those that are behind",
        ),
        KeysError::Keyring(_) => (
            Code::FailedPrecondition,
            "kerf keyring list shows what each host has",
        ),
        KeysError::Key(_) => (Code::InvalidArgument, "kerf keyring list shows the names"),
        KeysError::File(_) | KeysError::Random(_) | KeysError::Thread => {
            (Code::Internal, "see kerfd's log")
        }
    };
    refusal(code, &error, hint)
}
