//! Leases over the API.

use std::time::Duration;

use kerf_api::v1;
use kerf_types::lease::{Holder, InitProcess};
use kerf_types::{Ask, ContainerRef, LeaseId};
use tonic::{Code, Status};

use super::Service;
use super::auth::{Peer, Role};
use super::status::with_hint;
use crate::cdi::spec::Document;
use crate::host::policy::{self, may_ask};
use crate::host::{Command, Exec, HostError, Reserve, Under, Wanted, locality};
use crate::process;

/// Longest time that a promise may be kept: a forgotten one must not hold a slice for ever.
const TTL_LIMIT_SECONDS: u32 = 86_400;

/// Longest wait for room: whoever wants more asks again.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(24 * 3_600);

impl Service {
    pub(super) async fn make_lease(
        &self,
        peer: Peer,
        request: v1::CreateLeaseRequest,
    ) -> Result<v1::Lease, Status> {
        let invalid = |error: kerf_types::ParseError| Status::from(HostError::Invalid(error));
        let wanted = wanted(&request.ask)?;
        let holder = if request.container.is_empty() {
            Holder::User { uid: peer.uid }
        } else {
            let container = ContainerRef::try_new(&request.namespace, &request.container);
            Holder::Container(container.map_err(invalid)?)
        };
        self.check_ask(peer, &holder, &request.ask)?;
        let nics = match &holder {
            Holder::Container(container) => self.may_have_nics(&container.namespace, &request.ask),
            // Who takes it up has to be allowed them.
            Holder::User { .. } | Holder::Job(_) | Holder::Pod { .. } => true,
        };
        let request = Reserve {
            wanted,
            holder,
            ttl: self.ttl(request.ttl_seconds)?,
            by: Some(peer.uid),
            wait: Duration::from_millis(request.wait_ms).min(WAIT_LIMIT),
            nics,
            is_nameless: false,
        };
        let lease = self
            .host
            .ask(|reply| Command::Reserve { request, reply })
            .await?;
        Ok(v1::Lease::from(&lease))
    }

    fn ttl(&self, seconds: u32) -> Result<Duration, Status> {
        match seconds {
            0 => Ok(self.config.borrow().config.launch.reservation_ttl),
            seconds if seconds <= TTL_LIMIT_SECONDS => Ok(Duration::from_secs(u64::from(seconds))),
            seconds => Err(with_hint(
                Code::InvalidArgument,
                format!("a promise of {seconds} s is longer than {TTL_LIMIT_SECONDS} s"),
                "ask for less, and again before it ends",
            )),
        }
    }

    /// One lease, with what is nearest to it.
    pub(super) fn lease_of(&self, id: &str) -> Result<v1::Lease, Status> {
        let view = self.host.view();
        let lease = view.leases.iter().find(|lease| lease.id.to_string() == id);
        let lease = lease.ok_or_else(|| HostError::NoLease { id: id.to_owned() })?;
        let (cpus, mems) = locality::cpuset(&view.inventory, lease, &crate::process::allowed());
        Ok(v1::Lease {
            cpus,
            mems,
            ..lease.into()
        })
    }

    pub(super) async fn keep_lease(
        &self,
        peer: Peer,
        request: &v1::RenewLeaseRequest,
    ) -> Result<v1::Lease, Status> {
        let (lease, ttl) = (parse(&request.id)?, self.ttl(request.ttl_seconds)?);
        let by = (peer.role != Role::Admin).then_some(peer.uid);
        let renewed = self.host.ask(|reply| Command::RenewFor {
            lease,
            ttl,
            by,
            reply,
        });
        Ok(v1::Lease::from(&renewed.await?))
    }

    pub(super) async fn run_under_lease(
        &self,
        peer: Peer,
        request: v1::ExecLeaseRequest,
    ) -> Result<v1::ExecLeaseResponse, Status> {
        let process = caller(peer, request.start_ticks)?;
        let under = if request.ask.is_empty() {
            Under::Lease(parse(&request.id)?)
        } else {
            let holder = Holder::User { uid: peer.uid };
            self.check_ask(peer, &holder, &request.ask)?;
            Under::New(Reserve {
                wanted: wanted(&request.ask)?,
                holder,
                ttl: self.ttl(0)?,
                by: Some(peer.uid),
                wait: Duration::from_millis(request.wait_ms).min(WAIT_LIMIT),
                nics: peer.role == Role::Admin || self.may_have_nics("", &request.ask),
                is_nameless: false,
            })
        };
        let request = Exec {
            process,
            uid: peer.uid,
            is_admin: peer.role == Role::Admin,
            under,
        };
        let held = self.host.ask(|reply| Command::Exec { request, reply });
        let held = held.await?;
        Ok(v1::ExecLeaseResponse {
            lease: Some(v1::Lease::from(&held.lease)),
            env: held.env,
            cpus: held.cpus,
            open: held.open,
            memlock_unlimited: held.memlock_unlimited,
        })
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

    fn may_have_nics(&self, namespace: &str, ask: &str) -> bool {
        let loaded = self.config.borrow();
        policy::may_have_nics(&loaded.config.launch.asks, namespace, ask)
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
        let lease = parse(id)?;
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

pub(super) fn parse(id: &str) -> Result<LeaseId, Status> {
    let unknown = |_| HostError::NoLease { id: id.to_owned() };
    Ok(id.parse().map_err(unknown)?)
}

pub(super) fn wanted(ask: &str) -> Result<Wanted, Status> {
    Ok(match ask.split_once('=') {
        Some(("slice", name)) => Wanted::Slice(name.to_owned()),
        Some(("gpu", name)) => Wanted::Gpu(name.to_owned()),
        Some(("device", name)) => Wanted::Device(name.to_owned()),
        _ => Wanted::Ask(ask.parse::<Ask>().map_err(HostError::Invalid)?),
    })
}

/// The process at the other end, if it is still the one that connected: a pid may be another's by now, and nobody puts
/// a process of somebody else under a lease.
fn caller(peer: Peer, start_ticks: u64) -> Result<InitProcess, Status> {
    let refused = |why: String| {
        let hint =
            "run `kerf lease exec` itself, in a namespace of processes and time that kerfd sees";
        with_hint(Code::FailedPrecondition, why, hint)
    };
    let pid = peer.pid;
    let pid =
        pid.ok_or_else(|| refused("the kernel does not say which process asks".to_owned()))?;
    let process = process::identify(pid);
    let process = process.filter(|found| found.start_ticks == start_ticks);
    let process =
        process.ok_or_else(|| refused(format!("process {pid} is not the one that asks")))?;
    if process::owner(pid) != Some(peer.uid) {
        return Err(refused(format!(
            "process {pid} is not of user {}",
            peer.uid
        )));
    }
    Ok(process)
}
