//! The task of one member: its commands, one after the other.
//!
//! ```text
//!   Reserve ─► Reserved | Refused          Renew ─► (nothing)          Release ─► Released
//!   Start ──► Started ─► Ended, or StartRefused       (Stop is heard in between)
//!   Find ───► Started ─► Ended, or NotFound
//! ```
//! A `Guard` is not among them: it is heard at once, whatever the task waits for.
//! It lives while there is something to do for its member: a container that runs keeps it.

use std::sync::Arc;

use kerf_scheduler::core::{LocalCommand, LocalEvent};
use kerf_types::peer::Tag;
use tokio::sync::mpsc;

use super::begin::{self, Begun, Order, container_name};
use super::container::{clear_up, exists};
use super::guard;
use super::inner::{Inner, lock};
use super::orders::Orders;
use super::{reserve, watch};
use crate::store::RunState;

/// Hands a command to the task of its member, which begins with it if need be.
pub(super) fn carry_out(inner: &Arc<Inner>, tag: Tag, command: LocalCommand) {
    if let LocalCommand::Guard { until, .. } = command {
        return guard::renew(inner, tag, until);
    }
    let mut actors = lock(&inner.actors);
    // One that panicked has left its entry behind.
    actors.retain(|known, actor| *known != tag || !actor.is_closed());
    let actor = actors.entry(tag).or_insert_with(|| {
        // Unbounded: the core wants a handful of things of each member.
        let (sender, commands) = mpsc::unbounded_channel();
        inner.spawn(act(Arc::clone(inner), tag, Orders::new(commands)));
        sender
    });
    // The task takes its entry away before it ends, under the same lock.
    drop(actor.send(command));
}

async fn act(inner: Arc<Inner>, tag: Tag, mut orders: Orders) {
    loop {
        let command = {
            let mut actors = lock(&inner.actors);
            let Some(command) = orders.take() else {
                actors.remove(&tag);
                return;
            };
            command
        };
        match command {
            LocalCommand::Reserve {
                ask,
                ttl,
                master_port,
            } => {
                let wanted = reserve::Wish { ask, master_port };
                let event = reserve::reserve(&inner, tag, wanted, ttl).await;
                inner.tell(tag, event);
            }
            LocalCommand::Renew { grant, ttl } => reserve::renew(&inner, grant, ttl).await,
            LocalCommand::Release { grant } => {
                reserve::release(&inner, grant).await;
                lock(&inner.promised).remove(&tag);
                inner.ports.forget(tag);
                inner.tell(tag, LocalEvent::Released(grant));
            }
            LocalCommand::Start {
                grant,
                spec,
                by,
                coordinator,
                gang,
                home,
                term,
                keepers,
                guard,
            } => {
                let order = Order {
                    tag,
                    grant,
                    spec,
                    by,
                    coordinator,
                    gang,
                    home,
                    term,
                    keepers,
                    guard,
                };
                start(&inner, order, &mut orders).await;
            }
            LocalCommand::Find { .. } => find(&inner, tag, &mut orders).await,
            // Nothing runs that could be stopped; and a guard was heard when it came.
            LocalCommand::Stop { .. } | LocalCommand::Guard { .. } => {}
        }
    }
}

async fn start(inner: &Arc<Inner>, order: Order, orders: &mut Orders) {
    let tag = order.tag;
    orders.forget_stop();
    match begin::begin(inner, order, orders).await {
        Begun::Runs => {
            inner.tell(tag, LocalEvent::Started);
            watch::to_the_end(inner, tag, orders).await;
        }
        Begun::Not {
            reason,
            lasting,
            unclear,
        } => {
            if unclear {
                let this = Arc::clone(inner);
                inner.spawn(async move {
                    if clear_up(&this, &container_name(tag)).await {
                        this.guards.take_away(tag);
                    }
                });
            }
            inner
                .insist(tag, |row| row.state = RunState::NotStarted)
                .await;
            inner.tell(tag, LocalEvent::StartRefused { reason, lasting });
            inner.clear(tag).await;
        }
    }
}

/// Says how a member is that an earlier kerfd has started, and takes it up again.
async fn find(inner: &Inner, tag: Tag, orders: &mut Orders) {
    let Some(row) = inner.row_of(tag) else {
        // What is written of it is lost or cannot be read. Nobody could follow a container of it to its end, and
        // another one may be started as soon as this is told.
        watch::until_gone(inner, &container_name(tag)).await;
        return inner.tell(tag, LocalEvent::NotFound);
    };
    match row.state {
        RunState::NotStarted => return inner.tell(tag, LocalEvent::NotFound),
        RunState::Ended(exit) => {
            if exit.code.is_none() {
                watch::until_gone(inner, &row.container).await;
            }
            inner.tell(tag, LocalEvent::Ended(exit));
            return inner.clear(tag).await;
        }
        RunState::Starting | RunState::Running => {}
    }
    // Before containerd is asked, which may be away: the container may run unguarded.
    guard::take_up(inner, &row, orders).await;
    if row.state == RunState::Starting && !exists(inner, tag, &row.container).await {
        // kerfd ended before the container was made: nothing of it ran.
        inner.guards.take_away(tag);
        inner
            .insist(tag, |row| row.state = RunState::NotStarted)
            .await;
        inner.tell(tag, LocalEvent::NotFound);
        return inner.clear(tag).await;
    }
    inner.tell(tag, LocalEvent::Started);
    watch::to_the_end(inner, tag, orders).await;
}
