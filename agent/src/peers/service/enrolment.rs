//! Joining, renewal, and the list of revoked hosts, for those who ask.

use std::sync::Arc;

use kerf_api::convert::host_id;
use kerf_api::peer::v1;
use kerf_api::peer::v1::enrolment_server::Enrolment;
use kerf_identity::{Issued, PublicKey, REVOKED_LIMIT, Revoked, TokenId};
use kerf_types::HostId;
use tonic::{Code, Request, Response, Status};
use zeroize::Zeroizing;

use super::secure::Who;
use super::{Service, who};
use crate::cluster::{ClusterError, JoinAsk, JoinError, Member, to_its_end};
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
        let token = TokenId::from_slice(&body.token_id).ok_or_else(|| wrong("token_id"))?;
        let host = host_id("host", &body.host).map_err(|_| wrong("host"))?;
        let key = public_key(&body.public_key)?;
        let (proof, now_s) = (body.proof, body.now_s);
        let signing = Arc::clone(member);
        let issued = to_its_end(async move {
            let issuer = signing.issuer().ok_or(ClusterError::NotIssuer)?;
            let ask = JoinAsk {
                token,
                secret: &secret,
                host,
                key,
                proof: &proof,
                now_s,
            };
            issuer.join(&ask, signing.gate()).await
        });
        let Issued {
            certificate,
            statement,
        } = issued.await.map_err(refused)?;
        let text = format!("joins the cluster ({host})");
        self.shared.events.add("cluster", &host.to_string(), &text);
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
        let body = request.get_ref().clone();
        understood(body.version)?;
        let (host, is_late) = self.renewing(&request, &body.host)?;
        let key = public_key(&body.public_key)?;
        let signing = Arc::clone(member);
        let issued = to_its_end(async move {
            let issuer = signing.issuer().ok_or(ClusterError::NotIssuer)?;
            let gate = signing.gate();
            issuer.renew(host, key, &body.proof, gate, is_late).await
        });
        let issued = issued.await.map_err(refused)?;
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

    async fn fetch_keyring(
        &self,
        request: Request<v1::FetchKeyringRequest>,
    ) -> Result<Response<v1::FetchKeyringResponse>, Status> {
        let member = self.own_member()?;
        self.member(&request)?;
        understood(request.get_ref().version)?;
        Ok(Response::new(self.fetched_keyring(member)))
    }
}

impl Service {
    fn fetched_keyring(&self, member: &Member) -> v1::FetchKeyringResponse {
        v1::FetchKeyringResponse {
            keyring: member.keys().handle().get().to_bytes().to_vec(),
            living: u32::try_from(self.shared.living()).unwrap_or(u32::MAX),
            signs: member.issuer().is_some(),
        }
    }

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

    fn own_member(&self) -> Result<&Arc<Member>, Status> {
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
