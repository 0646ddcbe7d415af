//! Joining, renewal, and the list of revoked hosts, for those who ask.

use kerf_api::convert::host_id;
use kerf_api::peer::v1;
use kerf_api::peer::v1::enrolment_server::Enrolment;
use kerf_identity::{Issued, PublicKey, REVOKED_LIMIT, Revoked, TokenId};
use kerf_types::HostId;
use tonic::{Code, Request, Response, Status};
use zeroize::Zeroizing;

use super::secure::Who;
use super::{Service, who};
use crate::cluster::{ClusterError, JoinAsk, JoinError, Member};
use crate::rpc::with_hint;

/// Longest question: the longest list of revoked hosts.
pub(super) const REQUEST_LIMIT: usize = REVOKED_LIMIT + 4_096;

/// Version of these messages.
const VERSION: u32 = 1;

#[tonic::async_trait]
impl Enrolment for Service {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let member = self.own_member()?;
        let body = request.into_inner();
        let secret = Zeroizing::new(body.token_secret);
        understood(body.version)?;
        let issuer = member.issuer().ok_or(ClusterError::NotIssuer);
        let ask = JoinAsk {
            token: TokenId::from_slice(&body.token_id).ok_or_else(|| wrong("token_id"))?,
            secret: &secret,
            host: host_id("host", &body.host).map_err(|_| wrong("host"))?,
            key: public_key(&body.public_key)?,
            proof: &body.proof,
            now_s: body.now_s,
        };
        let issued = issuer.map_err(refused)?.join(&ask, member.gate()).await;
        let Issued {
            certificate,
            statement,
        } = issued.map_err(refused)?;
        let text = format!("joins the cluster ({})", ask.host);
        self.shared
            .events
            .add("cluster", &ask.host.to_string(), &text);
        Ok(Response::new(v1::JoinResponse {
            certificate,
            statement: statement.to_bytes().to_vec(),
            keyring: member.keys().handle().get().to_bytes().to_vec(),
            revoked: member.gate().revoked().to_bytes(),
        }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let member = self.own_member()?;
        let body = request.get_ref();
        understood(body.version)?;
        let (host, is_late) = self.renewing(&request, &body.host)?;
        let issuer = member.issuer().ok_or(ClusterError::NotIssuer);
        let key = public_key(&body.public_key)?;
        let issuer = issuer.map_err(refused)?;
        let issued = issuer
            .renew(host, key, &body.proof, member.gate(), is_late)
            .await;
        let issued = issued.map_err(refused)?;
        Ok(Response::new(v1::RenewResponse {
            certificate: issued.certificate,
            statement: issued.statement.to_bytes().to_vec(),
        }))
    }

    async fn sync_revoked(
        &self,
        request: Request<v1::SyncRevokedRequest>,
    ) -> Result<Response<v1::SyncRevokedResponse>, Status> {
        let member = self.own_member()?;
        self.member(&request)?;
        let body = request.into_inner();
        understood(body.version)?;
        if !body.list.is_empty() {
            let list = Revoked::from_bytes(&body.list, member.gate().ca());
            let list = list.map_err(|error| refused(error.into()))?;
            member.take_revoked(list).await.map_err(refused)?;
        }
        let own = member.gate().revoked();
        Ok(Response::new(v1::SyncRevokedResponse {
            has: own.version(),
            list: match own.version() > body.has {
                true => own.to_bytes(),
                false => Vec::new(),
            },
        }))
    }
}

impl Service {
    /// Whoever asks for the next certificate, and whether the one that it has shown has ended.
    fn renewing<T>(&self, request: &Request<T>, host: &[u8]) -> Result<(HostId, bool), Status> {
        match who(request) {
            Who::Late(proven) => match host_id("host", host) {
                Ok(host) if host == proven => Ok((host, true)),
                _ => Err(wrong("host")),
            },
            _ => Ok((self.caller(request, host)?, false)),
        }
    }

    fn own_member(&self) -> Result<&std::sync::Arc<Member>, Status> {
        let member = self.shared.member.get();
        member.ok_or_else(|| refused(ClusterError::NoMember))
    }
}

fn understood(version: u32) -> Result<(), Status> {
    match version {
        VERSION => Ok(()),
        _ => Err(Status::unimplemented(format!(
            "version {version} of enrolment is not understood here"
        ))),
    }
}

fn public_key(bytes: &[u8]) -> Result<PublicKey, Status> {
    bytes.try_into().map_err(|_| wrong("public_key"))
}

fn wrong(field: &str) -> Status {
    Status::invalid_argument(format!("{field}: it has another length"))
}

fn refused(error: ClusterError) -> Status {
    let code = match &error {
        ClusterError::Token(_) | ClusterError::Proof => Code::Unauthenticated,
        ClusterError::Revoked { .. } | ClusterError::Holder(_) => Code::PermissionDenied,
        ClusterError::Join(JoinError::Clock { .. })
        | ClusterError::NoMember
        | ClusterError::NotIssuer => Code::FailedPrecondition,
        ClusterError::List(_) => Code::InvalidArgument,
        _ => Code::Internal,
    };
    with_hint(code, crate::errors::chain(&error), &error.hint())
}
