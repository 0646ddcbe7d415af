//! A container is being made: what it asks for becomes a lease of its own, and the lease its devices.

use std::time::Duration;

use kerf_runtime::frame::{Grant, LaunchKind, LaunchRequest};
use kerf_types::lease::{Holder, InitProcess, Lease, LeaseState};
use kerf_types::{Ask, ContainerRef, LeaseId};

use super::grant::Wanted;
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
        let lease = self.lease_for(request, &container, peer).await?;
        let pending = PendingLaunch {
            runtime: peer.process.clone(),
            pid_file: request.pid_file.clone(),
        };
        if !request.isolated {
            self.note_open(lease.id);
        }
        let made_now = request.ask.is_some();
        let grant = self
            .give(lease.clone(), container, Some(pending), None, made_now)
            .await?;
        Ok(Grant {
            offers: self.nccl_offers(&lease),
            ..grant
        })
    }

    /// The lease that a container asks for, made for it now, or one that was made for it before.
    async fn lease_for(
        &mut self,
        request: &LaunchRequest,
        container: &ContainerRef,
        peer: &LaunchPeer,
    ) -> Result<Lease, HostError> {
        match (&request.ask, &request.lease) {
            (Some(ask), None) => {
                if !policy::may_ask(&self.config.launch.asks, &container.namespace, ask) {
                    let namespace = container.namespace.clone();
                    return Err(HostError::NotAllowed {
                        namespace,
                        ask: ask.clone(),
                    });
                }
                let wanted = Wanted::Ask(ask.parse::<Ask>()?);
                self.reserve_for(wanted, container).await
            }
            (None, Some(id)) => self.reserved(id, container, request.sandbox.as_deref(), peer),
            (Some(first), Some(second)) => Err(HostError::TwoAsks {
                container: container.to_string(),
                first: first.clone(),
                second: second.clone(),
            }),
            (None, None) => Err(HostError::Incomplete {
                container: container.to_string(),
                what: "an ask",
            }),
        }
    }

    /// Writes down, together with what follows, that the container of a lease can open other accelerators as well: its
    /// host lets privileged containers ask, and this one is, or its engine has no device cgroup.
    pub(super) fn note_open(&mut self, id: LeaseId) {
        if let Some(row) = self.leases.get_mut(&id) {
            row.lease.isolated = Some(false);
            let text = "its container is not isolated: it can open other accelerators as well";
            self.events.add("lease", &id.to_string(), text);
        }
    }

    /// The grant of a lease, after a look at each of its GPUs: a promise may be hours old.
    pub(super) async fn fresh_grant(&mut self, lease: &Lease) -> Result<Grant, HostError> {
        for subject in &lease.subjects {
            self.look_at(subject.gpu()).await?;
        }
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
            Ok(grant) => self.activate(id, container, pending, init).map(|()| grant),
            Err(error) => Err(error),
        };
        if outcome.is_err() && made_now {
            self.release(id, "launch_failed").await;
        }
        outcome
    }

    pub(super) async fn reserve_for(
        &mut self,
        wanted: Wanted,
        container: &ContainerRef,
    ) -> Result<Lease, HostError> {
        let holder = Holder::Container(container.clone());
        let ttl = self.config.launch.reservation_ttl;
        self.reserve(&Reserve {
            wanted,
            holder,
            ttl,
            by: None,
            // Whoever launches waits in the queue as a whole.
            wait: Duration::ZERO,
        })
        .await
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
        let text = format!("given to container {container}");
        row.cgroup = init
            .as_ref()
            .and_then(|init| process::cgroup::of(init.pid, &container.id));
        row.lease.state = LeaseState::Active;
        row.lease.expires = None;
        row.until = None;
        row.lease.container = Some(container);
        row.lease.init = init;
        row.pending = pending;
        self.put(row.clone())?;
        self.open_account(&row);
        watch::start(&self.handle, &row);
        self.events.add("lease", &lease.to_string(), &text);
        self.publish();
        Ok(())
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
        watch::start(&self.handle, &row);
        // Should the store refuse, the old row still leads a restarted kerfd to the same process.
        drop(self.put(row));
        self.publish();
    }

    /// The lease that a container has now.
    fn lease_of(&self, container: &ContainerRef) -> Option<&LeaseRow> {
        self.leases.values().find(|row| {
            row.lease.container.as_ref() == Some(container) && row.lease.state == LeaseState::Active
        })
    }

    /// An earlier launch of the same name may have failed a moment ago, before its watcher told us.
    async fn release_leftover(&mut self, container: &ContainerRef) {
        let Some(row) = self.lease_of(container) else {
            return;
        };
        let ended = !watch::runs(row);
        if ended {
            let lease = row.lease.id;
            self.container_gone(lease).await;
        }
    }
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
