//! Promises of devices, CPU and memory, by the owner of this host.

use std::time::{Duration, Instant};

use kerf_scheduler::Refusal;
use kerf_scheduler::core::LocalEvent;
use kerf_types::lease::{Holder, Lease};
use kerf_types::peer::{Grant, MemberAsk, Tag};
use kerf_types::{Ask, ContainerRef, Fence, LeaseId};

use super::begin::container_name;
use super::inner::{Inner, lock};
use super::load;
use super::watch::RETRY;
use crate::errors::chain;
use crate::host::policy::may_ask;
use crate::host::{Command, HostError, Reserve, Wanted, now};

/// What a member is to be promised.
#[derive(Debug)]
pub(super) struct Wish {
    pub ask: MemberAsk,
    /// A port of this host that the others will come to.
    pub master_port: Option<u16>,
}

/// For how long an answer of containerd stands. Shorter, and each of many reservations at a time is a question to it;
/// longer, and members are promised to a host that refuses their start.
const ANSWER_KEPT: Duration = Duration::from_millis(250);

/// Why nothing is promised.
struct No {
    reason: String,
    /// Whether it is for want of room.
    room: bool,
}

impl No {
    fn room(reason: String) -> Self {
        Self { reason, room: true }
    }
}

impl From<String> for No {
    fn from(reason: String) -> Self {
        Self {
            reason,
            room: false,
        }
    }
}

/// Promises what a member asks for, or says why not.
pub(super) async fn reserve(inner: &Inner, tag: Tag, wish: Wish, ttl: Duration) -> LocalEvent {
    match try_reserve(inner, tag, &wish, ttl).await {
        Ok(grant) => LocalEvent::Reserved(grant),
        Err(No { reason, room }) => {
            inner.promised().remove(&tag);
            inner.ports.forget(tag);
            LocalEvent::Refused {
                reason,
                room,
                record: None,
            }
        }
    }
}

async fn try_reserve(inner: &Inner, tag: Tag, wish: &Wish, ttl: Duration) -> Result<Grant, No> {
    let ask = &wish.ask;
    let name = container_name(tag);
    let container = inner.launcher.container(&name);
    let container = container.map_err(|error| chain(&error))?;
    may_have(inner, ask, &container)?;
    // A host that could not make the container now holds no devices for it, so that another one may be asked.
    answers(inner).await?;
    if let Some(port) = wish.master_port.filter(|_| host_network(inner)) {
        // In a network of the container's own nobody else has it.
        inner.ports.promise(tag, port)?;
    }
    load::promise(inner, tag, ask).map_err(No::room)?;
    match &ask.accelerator {
        Some(ask) => {
            let lease = devices(inner, ask, container, ttl).await;
            let lease = lease.map_err(|error| No {
                reason: chain(&error),
                room: matches!(error, HostError::Busy { .. } | HostError::NoRoom { .. }),
            })?;
            Ok(Grant {
                lease: lease.id,
                fence: lease.fence,
            })
        }
        None => Ok(no_devices().map_err(|error| format!("no id can be drawn: {error}"))?),
    }
}

/// Whether containerd answers, as it did a moment ago.
async fn answers(inner: &Inner) -> Result<(), String> {
    let last = *lock(&inner.answered);
    if last.is_some_and(|last| last.elapsed() < ANSWER_KEPT) {
        return Ok(());
    }
    let answer = inner.launcher.probe().await;
    answer.map_err(|error| chain(&error))?;
    *lock(&inner.answered) = Some(Instant::now());
    Ok(())
}

/// Jobs are containers of kerf's own namespace, and what `[launch.asks]` says of that binds them too. Asked each
/// time: a reload may have taken the right away, and another may give it back.
fn may_have(inner: &Inner, ask: &MemberAsk, container: &ContainerRef) -> Result<(), String> {
    if ask.host_network && !host_network(inner) {
        return Err(Refusal::Network.to_string());
    }
    let asks = &inner.config().launch.asks;
    match &ask.accelerator {
        Some(ask) if !may_ask(asks, &container.namespace, &ask.to_string()) => {
            let refusal = HostError::NotAllowed {
                namespace: container.namespace.clone(),
                ask: ask.to_string(),
            };
            Err(refusal.to_string())
        }
        _ => Ok(()),
    }
}

/// Whether jobs here have this host's network.
fn host_network(inner: &Inner) -> bool {
    inner.config().launch.host_network
}

/// A grant that no lease stands behind: of a member without accelerators.
fn no_devices() -> Result<Grant, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    Ok(Grant {
        lease: LeaseId::new(now().0, random),
        fence: Fence(0),
    })
}

async fn devices(
    inner: &Inner,
    ask: &Ask,
    container: ContainerRef,
    ttl: Duration,
) -> Result<Lease, HostError> {
    let request = Reserve {
        wanted: Wanted::Ask(ask.clone()),
        holder: Holder::Container(container),
        ttl,
        by: None,
        wait: Duration::ZERO,
        // A job's policy has no word for them.
        nics: false,
        // Nothing but kerf-runtime makes the containers of members.
        is_nameless: true,
    };
    let begun = Instant::now();
    let outcome = inner
        .host
        .ask(|reply| Command::Reserve { request, reply })
        .await;
    let word = if outcome.is_ok() { "placed" } else { "waits" };
    inner.metrics.decisions.inc([word]);
    let took = begun.elapsed().as_secs_f64();
    inner.metrics.decision_duration.observe(took);
    outcome
}

/// Keeps a promise for longer.
pub(super) async fn renew(inner: &Inner, grant: Grant, ttl: Duration) {
    let lease = grant.lease;
    let renewed: Result<(), HostError> = inner
        .host
        .ask(|reply| Command::Renew { lease, ttl, reply })
        .await;
    if let Err(error) = renewed {
        // One without devices has none; that of another is missed when its container comes.
        tracing::debug!(lease.id = %lease, %error, "lease not renewed");
    }
}

/// Gives a promise back that no container has.
pub(super) async fn release(inner: &Inner, grant: Grant) {
    let lease = grant.lease;
    loop {
        let ended: Result<Lease, HostError> = inner
            .host
            .ask(|reply| Command::Release {
                lease,
                by: None,
                reply,
            })
            .await;
        match ended {
            Err(error @ HostError::Store(_)) => {
                tracing::debug!(lease.id = %lease, %error, "lease not released yet");
                tokio::time::sleep(RETRY).await;
            }
            // It is over, or ends with its container: the owner of leases sees to it.
            Ok(_) | Err(_) => return,
        }
    }
}
