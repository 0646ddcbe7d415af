//! A container is being made: what it asks for becomes a lease of its own, and the lease its devices.

use std::time::Duration;

use kerf_runtime::frame::{Grant, LaunchKind, LaunchRequest};
use kerf_types::lease::{Holder, InitProcess, Lease, LeaseState};
use kerf_types::{Ask, ContainerRef, LeaseId};

use super::grant::Wanted;
use super::written::{Taker, Written};
use super::{Host, HostError, LaunchPeer, Reserve, policy, watch};
use crate::process;
use crate::store::{LeaseRow, PendingLaunch};

impl Host {
    /// Answers the runtime. Whatever fails, the container gets nothing and does not start.
    pub(super) async fn launch(
        &mut self,
        request: &LaunchRequest,
        peer: &LaunchPeer,
    ) -> Result<Grant, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        let container = ContainerRef::try_new(&request.namespace, &request.container_id)?;
        self.release_leftover(&container).await;
        match request.kind {
            LaunchKind::Create => self.create(request, container, peer).await,
            LaunchKind::Claim => self.claim(request, container, peer).await,
        }
    }

    async fn create(
        &mut self,
        request: &LaunchRequest,
        container: ContainerRef,
        peer: &LaunchPeer,
    ) -> Result<Grant, HostError> {
        if !request
            .pid_file
            .as_ref()
            .is_some_and(|path| path.is_absolute())
        {
            // Without it nobody would ever learn which process the container is.
            return Err(HostError::Incomplete {
                container: container.to_string(),
                what: "the absolute path of its pid file",
            });
        }
        if let Some(row) = self.lease_of(&container) {
            if is_repeated(row, request, peer) {
                // The answer to it was lost with the kerfd that gave it.
                let lease = row.lease.clone();
                let grant = self.fresh_grant(&lease).await?;
                let offers = self.nccl_offers(&lease);
                return Ok(Grant { offers, ..grant });
            }
            return Err(HostError::HasLease {
                container: container.to_string(),
                lease: row.lease.id,
            });
        }
        let taker = Taker {
            container,
            pending: PendingLaunch {
                runtime: peer.process.clone(),
                pid_file: request.pid_file.clone(),
            },
            isolated: (!request.isolated).then_some(false),
        };
        let (lease, grant) = match (&request.ask, &request.lease) {
            (Some(ask), None) => self.take(ask, taker).await?,
            (None, Some(id)) => {
                let sandbox = request.sandbox.as_deref();
                let lease = self.reserved(id, &taker.container, sandbox, peer)?;
                self.take_promised(lease, taker, false).await?
            }
            (Some(first), Some(second)) => {
                return Err(HostError::TwoAsks {
                    container: taker.container.to_string(),
                    first: first.clone(),
                    second: second.clone(),
                });
            }
            (None, None) => {
                return Err(HostError::Incomplete {
                    container: taker.container.to_string(),
                    what: "an ask",
                });
            }
        };
        Ok(Grant {
            offers: self.nccl_offers(&lease),
            ..grant
        })
    }

    /// Serves the ask of a container, which has its lease from the first moment on.
    async fn take(&mut self, ask: &str, taker: Taker) -> Result<(Lease, Grant), HostError> {
        let namespace = &taker.container.namespace;
        if !policy::may_ask(&self.config.launch.asks, namespace, ask) {
            return Err(HostError::NotAllowed {
                namespace: namespace.clone(),
                ask: ask.to_owned(),
            });
        }
        let request = self.reserve_now(Wanted::Ask(ask.parse::<Ask>()?), &taker.container);
        let Written { lease, taken } = self.reserve_for(&request, Some(&taker)).await?;
        let Some(device) = taken else {
            return self.take_promised(lease, taker, true).await;
        };
        self.tell_if_open(&lease);
        self.tell_given(&lease, &taker.container);
        let grant = self.grant_with(&lease, device);
        Ok((lease, grant))
    }

    /// Hands a promise over to the container that it was made for.
    async fn take_promised(
        &mut self,
        lease: Lease,
        taker: Taker,
        made_now: bool,
    ) -> Result<(Lease, Grant), HostError> {
        if taker.isolated == Some(false) {
            self.note_open(lease.id);
        }
        let pending = Some(taker.pending);
        let grant = self
            .give(lease.clone(), taker.container, pending, None, made_now)
            .await?;
        Ok((lease, grant))
    }

    /// Writes down, together with what follows, that the container of a lease can open other accelerators as well: its
    /// host lets privileged containers ask, and this one is, or its engine has no device cgroup.
    pub(super) fn note_open(&mut self, id: LeaseId) {
        if let Some(row) = self.leases.get_mut(&id) {
            row.lease.isolated = Some(false);
            let lease = row.lease.clone();
            self.tell_if_open(&lease);
        }
    }

    fn tell_if_open(&self, lease: &Lease) {
        if lease.isolated == Some(false) {
            let text = "its container is not isolated: it can open other accelerators as well";
            self.events.add("lease", &lease.id.to_string(), text);
        }
    }

    fn tell_given(&self, lease: &Lease, container: &ContainerRef) {
        let text = format!("given to container {container}");
        self.events.add("lease", &lease.id.to_string(), &text);
    }

    /// The grant of a lease whose devices are there at this moment: a promise may be hours old.
    pub(super) async fn fresh_grant(&mut self, lease: &Lease) -> Result<Grant, HostError> {
        self.see_standing(&lease.subjects).await?;
        self.look_at_devices(lease).await?;
        self.grant_of(lease).await
    }

    /// Hands a lease over together with its devices. One that was made for this launch ends at once when
    /// that fails; one that was promised before stays promised.
    pub(super) async fn give(
        &mut self,
        lease: Lease,
        container: ContainerRef,
        pending: Option<PendingLaunch>,
        init: Option<InitProcess>,
        made_now: bool,
    ) -> Result<Grant, HostError> {
        let id = lease.id;
        let outcome = match self.fresh_grant(&lease).await {
            Ok(grant) => {
                let named = self.name_at_last(&lease).await;
                let given = named.and_then(|()| self.activate(id, container, pending, init));
                if given.is_err() {
                    self.unname(id);
                }
                given.map(|()| grant)
            }
            Err(error) => Err(error),
        };
        if outcome.is_err() && made_now {
            self.release(id, "launch_failed").await;
        }
        outcome
    }

    /// The reservation for a container that comes at this moment.
    pub(super) fn reserve_now(&self, wanted: Wanted, container: &ContainerRef) -> Reserve {
        let (asks, ask) = (&self.config.launch.asks, wanted.to_string());
        let nics = policy::may_have_nics(asks, &container.namespace, &ask);
        Reserve {
            wanted,
            holder: Holder::Container(container.clone()),
            ttl: self.config.launch.reservation_ttl,
            by: None,
            // Whoever launches waits in the queue as a whole.
            wait: Duration::ZERO,
            nics,
            is_nameless: false,
        }
    }

    /// The sandbox of a container whom a lease of a pod was promised to. A hook is told of no sandbox, and the promise
    /// names the container by the id that the engine made for it and for no other.
    pub(super) fn sandbox_of(&self, id: &str, container: &ContainerRef) -> Option<String> {
        let lease = &self.leases.get(&id.parse().ok()?)?.lease;
        match (&lease.holder, &lease.container) {
            (Holder::Pod { sandbox, .. }, Some(to)) if to.id == container.id => {
                Some(sandbox.clone())
            }
            _ => None,
        }
    }

    /// The lease of this id, if this container may take it up.
    pub(super) fn reserved(
        &self,
        id: &str,
        container: &ContainerRef,
        sandbox: Option<&str>,
        peer: &LaunchPeer,
    ) -> Result<Lease, HostError> {
        let unknown = || HostError::NoLease { id: id.to_owned() };
        let lease_id: LeaseId = id.parse().map_err(|_| unknown())?;
        let lease = &self.leases.get(&lease_id).ok_or_else(unknown)?.lease;
        let foreign = |why: String| HostError::ForeignLease {
            id: lease_id,
            who: format!("container {container}"),
            why,
        };
        let who = policy::Claimant {
            container,
            sandbox,
            runtime_uid: peer.uid,
            namespace: &container.namespace,
        };
        if !policy::may_claim(&self.config.launch.asks, lease, who) {
            let why = match lease.holder {
                Holder::User { uid } if uid == peer.uid => {
                    format!("namespace {:?} may not ask for it", container.namespace)
                }
                _ => format!("it was made for {}", lease.holder),
            };
            return Err(foreign(why));
        }
        if lease.state != LeaseState::Reserved {
            return Err(foreign(format!("it is {} already", lease.state.as_str())));
        }
        Ok(lease.clone())
    }

    /// Gives a lease to its container, in the store first.
    pub(super) fn activate(
        &mut self,
        lease: LeaseId,
        container: ContainerRef,
        pending: Option<PendingLaunch>,
        init: Option<InitProcess>,
    ) -> Result<(), HostError> {
        let unknown = || HostError::NoLease {
            id: lease.to_string(),
        };
        let mut row = self.leases.get(&lease).ok_or_else(unknown)?.clone();
        row.cgroup = init
            .as_ref()
            .and_then(|init| process::cgroup::of(init.pid, &container.id));
        row.lease.state = LeaseState::Active;
        row.lease.expires = None;
        row.until = None;
        row.lease.container = Some(container.clone());
        row.lease.init = init;
        row.pending = pending;
        row.is_nameless = false;
        self.put_row(&row)?;
        self.owed.push(lease);
        self.begin(&row);
        self.tell_given(&row.lease, &container);
        Ok(())
    }

    /// What begins with a lease that a container has: its account, and the watch over its process. The picture shows it
    /// once whoever launches has its answer.
    pub(super) fn begin(&mut self, row: &LeaseRow) {
        self.open_account(row);
        watch::start(&self.handle, &self.processes, row);
        self.is_unshown = true;
    }

    /// The first process of a container is known: from now on the lease lives as long as it, and as whatever
    /// it leaves behind in the container's cgroup.
    pub(super) fn container_started(&mut self, lease: LeaseId, init: InitProcess) {
        let Some(row) = self.leases.get(&lease) else {
            return;
        };
        let mut row = row.clone();
        row.pending = None;
        let container = row.lease.container.as_ref();
        row.cgroup = container.and_then(|name| process::cgroup::of(init.pid, &name.id));
        row.lease.init = Some(init);
        watch::start(&self.handle, &self.processes, &row);
        // Should the store refuse, the old row still leads a restarted kerfd to the same process.
        drop(self.put(row));
        self.publish();
    }

    /// The lease that a container has now.
    fn lease_of(&self, container: &ContainerRef) -> Option<&LeaseRow> {
        self.leases.values().find(|row| has(row, container))
    }

    /// An earlier launch of the same name may have failed a moment ago, before its watcher told us.
    async fn release_leftover(&mut self, container: &ContainerRef) {
        let rows = self.leases.values();
        let ended = rows.filter(|row| has(row, container) && !watch::runs(row));
        // More than one where something was attached to it.
        for lease in ended.map(|row| row.lease.id).collect::<Vec<LeaseId>>() {
            self.container_gone(lease).await;
        }
    }
}

/// Whether a container has this lease.
fn has(row: &LeaseRow, container: &ContainerRef) -> bool {
    row.lease.container.as_ref() == Some(container) && row.lease.state == LeaseState::Active
}

/// Whether this very runtime asks again for what it was granted: what it was told was lost on the way.
fn is_repeated(row: &LeaseRow, request: &LaunchRequest, peer: &LaunchPeer) -> bool {
    let pending = row.pending.as_ref();
    let is_same_runtime = pending.is_some_and(|pending| pending.runtime == peer.process);
    let is_same_wish = match (&request.ask, &request.lease) {
        (Some(ask), None) => ask
            .parse::<Ask>()
            .is_ok_and(|ask| ask.to_string() == row.wanted),
        (None, Some(id)) => *id == row.lease.id.to_string(),
        _ => false,
    };
    is_same_runtime && is_same_wish
}
