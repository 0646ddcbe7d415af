//! Containers of pods, of which the engine tells by its plugin interface: promised when they are made, given when they
//! start.
//!
//! ```text
//! made ──► Reserved, for this container of this pod ──started, or made by kerf-runtime──► Active ──► as every lease
//!             └──removed before it started, or too late──► Releasing
//! ```
//! Owns no rule of who may have what ([`super::policy`]) and no word of the interface (`crate::nri`).

use std::time::Duration;

use kerf_runtime::frame::Grant;
use kerf_types::lease::{Holder, Lease, LeaseState};
use kerf_types::{Ask, ContainerRef, LeaseId};
use tokio::sync::oneshot;

use super::grant::Wanted;
use super::{Host, HostError, Reserve, policy};
use crate::process;

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodContainer {
    /// Id of the pod's sandbox.
    pub sandbox: String,
    /// The pod's uid.
    pub uid: String,
    /// The pod's namespace of Kubernetes.
    pub namespace: String,
    /// The container, in the engine's namespace of pods.
    pub container: ContainerRef,
}

impl PodContainer {
    fn holder(&self) -> Holder {
        Holder::Pod {
            sandbox: self.sandbox.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// What a pod asks for one of its containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodAsk {
    /// The value of `kerf.dev/accelerator`.
    Accelerator(String),
    /// The value of `kerf.dev/lease`.
    Lease(String),
}

/// What happens to containers of pods.
#[derive(Debug)]
pub enum PodCommand {
    /// One is to be made.
    Make {
        /// Which.
        who: PodContainer,
        /// What for.
        ask: PodAsk,
        /// uid of the engine.
        engine_uid: u32,
        /// What it gets. Where nobody waits any more, the promise is for the pod's next container with the same ask:
        /// a slice that takes longer to cut than an engine waits is there when it tries again.
        reply: oneshot::Sender<Result<Grant, HostError>>,
    },
    /// One is about to be started, or runs already.
    Start {
        /// Which.
        container: ContainerRef,
        /// The lease that its configuration names.
        lease: Option<String>,
        /// Its first process.
        pid: Option<u32>,
        /// Whether it may go on.
        reply: oneshot::Sender<Result<(), HostError>>,
    },
    /// One is gone, or never came to be.
    Removed {
        /// Which.
        container: ContainerRef,
    },
    /// A pod is gone.
    PodRemoved {
        /// Id of its sandbox.
        sandbox: String,
    },
}

#[cfg(test)]
mod tests;

impl Host {
    pub(super) async fn pod(&mut self, command: PodCommand) {
        match command {
            PodCommand::Make {
                who,
                ask,
                engine_uid,
                reply,
            } => {
                let outcome = self.make(&who, &ask, engine_uid).await;
                // The picture shows the promise before its container hears of it.
                self.publish_found();
                if let Err(Ok(unheard)) = reply.send(outcome) {
                    self.unbind(&unheard.lease_id);
                }
            }
            PodCommand::Start {
                container,
                lease,
                pid,
                reply,
            } => drop(reply.send(self.start_of(container, lease, pid))),
            PodCommand::Removed { container } => {
                let of_it = |bound: Option<&ContainerRef>, _: &Holder| bound == Some(&container);
                self.end_promises(of_it).await;
            }
            PodCommand::PodRemoved { sandbox } => {
                let of_it = |_: Option<&ContainerRef>, holder: &Holder| matches!(holder, Holder::Pod { sandbox: of, .. } if *of == sandbox);
                self.end_promises(of_it).await;
            }
        }
    }

    async fn make(
        &mut self,
        who: &PodContainer,
        ask: &PodAsk,
        engine_uid: u32,
    ) -> Result<Grant, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        let asks = &self.config.launch.asks;
        let namespace = policy::namespace_of_pods(asks, &who.namespace);
        let (id, made_now) = match ask {
            PodAsk::Accelerator(ask) => self.promise(who, ask, namespace).await?,
            PodAsk::Lease(id) => (self.named_by_pod(who, id, &namespace, engine_uid)?, false),
        };
        let outcome = match self.bind(id, who) {
            Ok(lease) => self.fresh_grant(&lease).await,
            Err(error) => Err(error),
        };
        match (&outcome, made_now) {
            (Ok(_), _) => {}
            (Err(_), true) => self.release(id, "launch_failed").await,
            (Err(_), false) => self.unbind(&id.to_string()),
        }
        outcome
    }

    /// A lease by an ask, and whether it was made just now.
    async fn promise(
        &mut self,
        who: &PodContainer,
        ask: &str,
        namespace: String,
    ) -> Result<(LeaseId, bool), HostError> {
        if !policy::may_ask(&self.config.launch.asks, &namespace, ask) {
            let ask = ask.to_owned();
            return Err(HostError::NotAllowed { namespace, ask });
        }
        let nics = policy::may_have_nics(&self.config.launch.asks, &namespace, ask);
        let wanted = Wanted::Ask(ask.parse::<Ask>()?);
        let holder = who.holder();
        let (ttl, words) = (self.config.launch.reservation_ttl, wanted.to_string());
        let earlier = self.leases.values().find(|row| {
            let taker = row.lease.container.as_ref();
            row.lease.state == LeaseState::Reserved
                && row.lease.holder == holder
                && row.wanted == words
                && taker.is_none_or(|taker| *taker == who.container)
        });
        if let Some(id) = earlier.map(|row| row.lease.id) {
            self.renew(id, ttl)?;
            return Ok((id, false));
        }
        let request = Reserve {
            wanted,
            holder,
            ttl,
            // The engine of pods waits two seconds at most, and starts the next try by itself.
            wait: Duration::ZERO,
            by: None,
            nics,
            is_nameless: false,
        };
        Ok((self.reserve(&request).await?.id, true))
    }

    /// The lease that a pod names, if its container may take it up.
    fn named_by_pod(
        &self,
        who: &PodContainer,
        id: &str,
        namespace: &str,
        engine_uid: u32,
    ) -> Result<LeaseId, HostError> {
        let unknown = || HostError::NoLease { id: id.to_owned() };
        let lease_id: LeaseId = id.parse().map_err(|_| unknown())?;
        let lease = &self.leases.get(&lease_id).ok_or_else(unknown)?.lease;
        let claimant = policy::Claimant {
            container: &who.container,
            sandbox: Some(&who.sandbox),
            runtime_uid: engine_uid,
            namespace,
        };
        let why = if !policy::may_claim(&self.config.launch.asks, lease, claimant) {
            format!("it was made for {}", lease.holder)
        } else if lease.state != LeaseState::Reserved {
            format!("it is {} already", lease.state.as_str())
        } else {
            return Ok(lease_id);
        };
        Err(HostError::ForeignLease {
            id: lease_id,
            who: format!("a container of pod {}", who.uid),
            why,
        })
    }

    /// Binds a promise to its container, and one that a user made to its pod.
    fn bind(&mut self, id: LeaseId, who: &PodContainer) -> Result<Lease, HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        let mut row = self.leases.get(&id).ok_or_else(unknown)?.clone();
        let before = row.lease.clone();
        if matches!(row.lease.holder, Holder::User { .. }) {
            row.lease.holder = who.holder();
        }
        row.lease.container = Some(who.container.clone());
        if row.lease != before {
            self.put(row.clone())?;
            self.publish();
        }
        Ok(row.lease)
    }

    /// Takes that back, where the container will not come: an engine that has given up tries again with another one, and
    /// a user's lease is the user's again. Should the store refuse, the promise runs out by itself.
    fn unbind(&mut self, lease: &str) {
        let rows = self.leases.values();
        let mut bound = rows.filter(|row| row.lease.id.to_string() == lease);
        let Some(mut row) = bound.next().cloned() else {
            return;
        };
        if row.lease.state != LeaseState::Reserved {
            return;
        }
        row.lease.container = None;
        if let (Holder::Pod { .. }, Some(uid)) = (&row.lease.holder, row.by) {
            row.lease.holder = Holder::User { uid };
        }
        drop(self.put(row));
        self.publish();
    }

    /// A container with a lease is given it at the last moment before its program runs; without its lease it must not
    /// run, for it has the nodes of that lease already.
    fn start_of(
        &mut self,
        container: ContainerRef,
        lease: Option<String>,
        pid: Option<u32>,
    ) -> Result<(), HostError> {
        let row = self.leases.values().find(|row| {
            let bound = row.lease.container.as_ref();
            row.lease.state != LeaseState::Releasing
                && bound.is_some_and(|bound| bound.id == container.id)
        });
        let Some(row) = row else {
            return match lease {
                None => Ok(()),
                Some(id) => Err(HostError::NoLease { id }),
            };
        };
        // kerf-runtime, or the hook of a CDI name, was there before.
        if row.lease.state == LeaseState::Active {
            return Ok(());
        }
        let id = row.lease.id;
        let init = pid.and_then(process::identify);
        let init = init.ok_or_else(|| HostError::Incomplete {
            container: container.to_string(),
            what: "a first process that runs",
        })?;
        self.activate(id, container, None, Some(init))
    }

    /// Ends promises to containers that will not come. One that a user made is the user's again, for whichever container
    /// names it next.
    async fn end_promises(&mut self, of: impl Fn(Option<&ContainerRef>, &Holder) -> bool) {
        let rows = self.leases.values().filter(|row| {
            let lease = &row.lease;
            lease.state == LeaseState::Reserved
                && matches!(lease.holder, Holder::Pod { .. })
                && of(lease.container.as_ref(), &lease.holder)
        });
        let rows: Vec<_> = rows.map(|row| (row.lease.id, row.by.is_some())).collect();
        for (id, is_users) in rows {
            match is_users {
                true => self.unbind(&id.to_string()),
                false => self.release(id, "launch_failed").await,
            }
        }
    }
}
