//! The cluster over the API: who may, and how its state is told.

use std::sync::Arc;

use kerf_api::v1;
use kerf_api::v1::cluster_server::Cluster;
use kerf_identity::{ClusterName, Token, TokenId, cluster_text};
use kerf_types::HostId;
use tonic::{Code, Request, Response, Status};

use super::Service;
use super::auth::Role;
use super::nodes::resolve;
use super::status::{refusal, with_hint};
use crate::cluster::{ClusterError, Issuer, JoinError, Member, now_s};
use crate::peers::Peers;

/// The name of a cluster that nobody named.
const NAME: &str = "kerf";

/// How long a token is good for unless somebody says so.
const TTL_S: u64 = 3_600;

#[tonic::async_trait]
impl Cluster for Service {
    async fn get_cluster(
        &self,
        request: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::ClusterState>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        self.counted("get_cluster", begun, Ok(self.cluster_state()))
    }

    async fn init_cluster(
        &self,
        request: Request<v1::InitClusterRequest>,
    ) -> Result<Response<v1::ClusterState>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            self.may_enter()?;
            let name = Some(request.get_ref().name.as_str()).filter(|name| !name.is_empty());
            let name: ClusterName = name
                .unwrap_or(NAME)
                .parse()
                .map_err(|error| refusal(Code::InvalidArgument, &error, "take another name"))?;
            self.cluster.init(name).await.map_err(refused)?;
            Ok(self.cluster_state())
        };
        self.counted("init_cluster", begun, outcome.await)
    }

    async fn join_cluster(
        &self,
        request: Request<v1::JoinClusterRequest>,
    ) -> Result<Response<v1::ClusterState>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            self.may_enter()?;
            let body = request.get_ref();
            let token: Token = body.token.parse().map_err(|error| {
                let hint = "copy it whole from kerf cluster token create";
                refusal(Code::InvalidArgument, &error, hint)
            })?;
            let joined = self.cluster.join(&body.address, &token).await;
            joined.map_err(refused)?;
            Ok(self.cluster_state())
        };
        self.counted("join_cluster", begun, outcome.await)
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::NewToken>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let member = self.own_member()?;
            let ttl_s = match request.get_ref().ttl_s {
                0 => TTL_S,
                some => some,
            };
            let made = issuer(&member)?.create_token(ttl_s).await;
            let (token, expires_s) = made.map_err(refused)?;
            Ok(v1::NewToken {
                id: token.id.to_string(),
                token: token.to_text().to_string(),
                expires_s,
                address: self.told_address(),
            })
        };
        self.counted("create_token", begun, outcome.await)
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let member = self.own_member()?;
            Ok(tokens(issuer(&member)?).await)
        };
        self.counted("list_tokens", begun, outcome.await)
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let member = self.own_member()?;
            let issuer = issuer(&member)?;
            let id: TokenId = request.get_ref().id.parse().map_err(|error| {
                refusal(
                    Code::InvalidArgument,
                    &error,
                    "kerf cluster token list shows them",
                )
            })?;
            issuer.revoke_token(id).await.map_err(refused)?;
            Ok(tokens(issuer).await)
        };
        self.counted("revoke_token", begun, outcome.await)
    }

    async fn revoke_host(
        &self,
        request: Request<v1::RevokeHostRequest>,
    ) -> Result<Response<v1::RevokedHost>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = async {
            let host = self.named_host(&request.get_ref().host)?;
            let peers = self.peers.as_ref().ok_or_else(alone)?;
            let done = peers.revoke(host).await.map_err(refused)?;
            let names =
                |names: Vec<kerf_types::HostName>| names.iter().map(ToString::to_string).collect();
            let (key, key_error) = match done.key {
                Ok(key) => (key.to_string(), String::new()),
                Err(error) => (String::new(), error),
            };
            Ok(v1::RevokedHost {
                host: host.to_string(),
                version: done.version,
                told: names(done.told),
                missed: names(done.missed),
                key,
                key_error,
            })
        };
        self.counted("revoke_host", begun, outcome.await)
    }
}

impl Service {
    /// Refuses to come in where nobody could be met, or where nothing is proven anyway.
    fn may_enter(&self) -> Result<(), Status> {
        let peers = &self.config.borrow().config.peers;
        if peers.listen.is_none() {
            return Err(alone());
        }
        if peers.insecure_dev {
            let text = "kerfd runs with --insecure-dev, where hosts prove nothing";
            let hint = "start it without --insecure-dev";
            return Err(with_hint(Code::FailedPrecondition, text, hint));
        }
        Ok(())
    }

    fn own_member(&self) -> Result<Arc<Member>, Status> {
        let member = self.cluster.member();
        member.ok_or_else(|| refused(ClusterError::NoMember))
    }

    fn told_address(&self) -> String {
        let address = self.peers.as_ref().map(Peers::address);
        address.map(|at| at.to_string()).unwrap_or_default()
    }

    /// A host by its name, or by its id, which need not be known: it may be down for long.
    fn named_host(&self, host: &str) -> Result<HostId, Status> {
        match host.parse() {
            Ok(id) => Ok(id),
            Err(_) => resolve(&self.fleet.borrow(), host),
        }
    }

    fn cluster_state(&self) -> v1::ClusterState {
        let insecure = self.config.borrow().config.peers.insecure_dev;
        let plain = v1::ClusterState {
            address: self.told_address(),
            insecure,
            ..v1::ClusterState::default()
        };
        let Some(member) = self.cluster.member() else {
            return plain;
        };
        let (ca, outlook) = (member.gate().ca(), member.outlook());
        let list = member.gate().revoked();
        let hash = ca.hash();
        let digits = hash.iter().map(|byte| format!("{byte:02x}"));
        v1::ClusterState {
            member: true,
            name: ca.name().to_string(),
            id: cluster_text(ca.cluster()),
            ca_hash: digits.collect(),
            host: member.host().to_string(),
            issuer: member.issuer().is_some(),
            not_after_s: outlook.not_after_s,
            renew_at_s: outlook.renew_at_s,
            revoked_version: list.version(),
            revoked: list
                .hosts()
                .map(|(host, at_s)| v1::RevokedEntry {
                    host: host.to_string(),
                    at_s,
                })
                .collect(),
            ..plain
        }
    }
}

fn issuer(member: &Member) -> Result<&Issuer, Status> {
    member
        .issuer()
        .ok_or_else(|| refused(ClusterError::NotIssuer))
}

async fn tokens(issuer: &Issuer) -> v1::ListTokensResponse {
    let now_s = now_s();
    let tokens = issuer.tokens().await;
    let tokens = tokens.into_iter().map(|(id, entry)| v1::TokenEntry {
        id: id.to_string(),
        expires_s: entry.expires_s,
        used_by: entry
            .used
            .map(|used| used.host.to_string())
            .unwrap_or_default(),
        used_at_s: entry.used.map_or(0, |used| used.at_s),
        expired: now_s > entry.expires_s,
    });
    v1::ListTokensResponse {
        tokens: tokens.collect(),
    }
}

fn alone() -> Status {
    let hint = "set peers.listen to an address that the other hosts reach, and start kerfd again";
    with_hint(
        Code::FailedPrecondition,
        "this host listens to no peers",
        hint,
    )
}

fn refused(error: ClusterError) -> Status {
    let code = match &error {
        ClusterError::Join(JoinError::Unreachable { .. } | JoinError::Silent { .. }) => {
            Code::Unavailable
        }
        ClusterError::Join(_)
        | ClusterError::Already { .. }
        | ClusterError::Ended { .. }
        | ClusterError::Keyring { .. }
        | ClusterError::NoMember
        | ClusterError::NotIssuer
        | ClusterError::Myself
        | ClusterError::Outrun { .. }
        | ClusterError::List(_) => Code::FailedPrecondition,
        ClusterError::Ledger(_) | ClusterError::Authority(_) => Code::InvalidArgument,
        _ => Code::Internal,
    };
    refusal(code, &error, &error.hint())
}
