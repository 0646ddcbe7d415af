//! Leases over the API.

use std::time::Duration;

use kerf_api::v1;
use kerf_types::lease::Holder;
use kerf_types::{Ask, ContainerRef, LeaseId};
use tonic::{Code, Status};

use super::Service;
use super::auth::{Peer, Role};
use super::status::with_hint;
use crate::cdi::spec::Document;
use crate::host::policy::may_ask;
use crate::host::{Command, HostError, Reserve, Wanted};

/// Longest time that a promise may be kept: a forgotten one must not hold a slice for ever.
const TTL_LIMIT_SECONDS: u32 = 86_400;

impl Service {
    pub(super) async fn make_lease(
        &self,
        peer: Peer,
        request: v1::CreateLeaseRequest,
    ) -> Result<v1::Lease, Status> {
        let invalid = |error: kerf_types::ParseError| Status::from(HostError::Invalid(error));
        let wanted = match request.ask.split_once('=') {
            Some(("slice", name)) => Wanted::Slice(name.to_owned()),
            Some(("gpu", name)) => Wanted::Gpu(name.to_owned()),
            _ => Wanted::Ask(request.ask.parse::<Ask>().map_err(invalid)?),
        };
        let holder = if request.container.is_empty() {
            // It would be good for runtimes of that user, and those that kerf serves run as root.
            if peer.uid != 0 {
                return Err(with_hint(
                    Code::InvalidArgument,
                    format!(
                        "a lease of uid {} without a container could never be used",
                        peer.uid
                    ),
                    "name the container with --namespace and --container",
                ));
            }
            Holder::User { uid: peer.uid }
        } else {
            let container = ContainerRef::try_new(&request.namespace, &request.container);
            Holder::Container(container.map_err(invalid)?)
        };
        self.check_ask(peer, &holder, &request.ask)?;
        let ttl = match request.ttl_seconds {
            0 => self.config.borrow().config.launch.reservation_ttl,
            seconds if seconds <= TTL_LIMIT_SECONDS => Duration::from_secs(u64::from(seconds)),
            seconds => {
                return Err(with_hint(
                    Code::InvalidArgument,
                    format!("a promise of {seconds} s is longer than {TTL_LIMIT_SECONDS} s"),
                    "ask for less, and again before it ends",
                ));
            }
        };
        let request = Reserve {
            wanted,
            holder,
            ttl,
            by: Some(peer.uid),
        };
        let lease = self
            .host
            .ask(|reply| Command::Reserve { request, reply })
            .await?;
        Ok(v1::Lease::from(&lease))
    }

    /// A lease reaches no further than an annotation would: only an admin may reserve for a namespace what
    /// its containers may not ask for themselves.
    fn check_ask(&self, peer: Peer, holder: &Holder, ask: &str) -> Result<(), Status> {
        let namespace = match holder {
            Holder::Container(container) => container.namespace.as_str(),
            Holder::User { .. } | Holder::Job(_) | Holder::Pod { .. } => "",
        };
        let loaded = self.config.borrow();
        if peer.role != Role::Admin && namespace == loaded.config.launch.namespace {
            // The containers there are kerf's own: a lease for one would be taken by somebody's job.
            return Err(with_hint(
                Code::PermissionDenied,
                format!("containers of namespace {namespace:?} are jobs of kerf"),
                "jobs get their leases by themselves: see `kerf run --help`",
            ));
        }
        if peer.role == Role::Admin || may_ask(&loaded.config.launch.asks, namespace, ask) {
            return Ok(());
        }
        Err(with_hint(
            Code::PermissionDenied,
            format!("launch.asks does not let namespace {namespace:?} ask for {ask:?}"),
            "an operator can add it to [launch.asks] in kerf.toml, or make the lease",
        ))
    }

    /// The CDI documents of what stands now.
    pub(super) async fn cdi_files(&self) -> Result<v1::GetCdiResponse, Status> {
        let files = self.host.ask(|reply| Command::Cdi { reply }).await?;
        let file = |(name, document): (String, Document)| {
            let json = serde_json::to_string(&document);
            let json = json.map_err(|error| Status::internal(error.to_string()))?;
            Ok(v1::CdiFile { name, json })
        };
        let files: Result<Vec<v1::CdiFile>, Status> = files.into_iter().map(file).collect();
        Ok(v1::GetCdiResponse { files: files? })
    }

    pub(super) async fn end_lease(&self, peer: Peer, id: &str) -> Result<v1::Lease, Status> {
        let lease: LeaseId = id
            .parse()
            .map_err(|_| HostError::NoLease { id: id.to_owned() })?;
        let by = (peer.role != Role::Admin).then_some(peer.uid);
        let lease = self
            .host
            .ask(|reply| Command::Release { lease, by, reply })
            .await?;
        let mut message = v1::Lease::from(&lease);
        "released".clone_into(&mut message.state);
        Ok(message)
    }
}
