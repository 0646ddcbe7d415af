//! The driver of the membership core: one task that owns it, its datagrams and its clock.
//!
//! Whatever comes is handed to the core, and what the core wants is carried out in the same turn; nothing here
//! waits for anybody. Events that nobody takes are merged in [`outbox`], so they are bounded by the hosts.

mod counts;
mod outbox;
mod outputs;
mod records;
mod revoked;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_membership::{
    Answer, ClusterId, Config, Core, ForgetError, Identity, Input, Life, Moment, Payload, Security,
    Vouching, Wanted,
};
use kerf_seal::AeadSealer;
use kerf_types::HostId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::flood::Flood;
use super::shared::Shared;
use super::sockets::{Buffer, Wire};
use super::{Event, PeersError};
use crate::process::boot_ms;
use counts::Counts;
use outbox::Outbox;
use records::Records;
use revoked::is_of_revoked;

/// Datagrams that are read in one turn, so that a flood of them holds up nothing else.
const DATAGRAMS: usize = 256;

/// Time between two lists of the hosts while nothing changes: their ages grow.
const LIST_EVERY_MS: u64 = 1_000;

/// Time between two while something does.
const CHANGED_EVERY_MS: u64 = 50;

/// Time between two words that the records of living hosts are still their newest.
const FRESH_EVERY_MS: u64 = 5_000;

/// The longest sleep, so that a defect in a deadline is no standstill.
const LONGEST_SLEEP_MS: u64 = 1_000;

/// A question to the driver, or an order.
#[derive(Debug)]
pub(in crate::peers) enum Command {
    /// A peer asks for members and records.
    Answer(Wanted, oneshot::Sender<Answer>),
    /// These may be hosts of the fleet.
    Join(Vec<SocketAddr>),
    /// Remove a host that is gone from the lists of the fleet.
    Forget(HostId, oneshot::Sender<Result<(), ForgetError>>),
    /// Say goodbye.
    Leave(oneshot::Sender<()>),
}

/// The core of this host in this fleet.
pub(in crate::peers) fn core(shared: &Shared, cluster: ClusterId, seed: u64) -> Core {
    let me = Identity {
        host: shared.me.host,
        name: shared.me.name.clone(),
        gossip: shared.address,
        api: shared.address,
        life: Life {
            incarnation: shared.me.incarnation,
            renewal: 0,
        },
    };
    let security = match shared.keys.get() {
        Some(keys) => Security::Sealed(Box::new(AeadSealer::new(keys.handle()))),
        None => Security::InsecurePlain,
    };
    let mut config = Config::new(cluster, security);
    if let Some(member) = shared.member.get() {
        config.vouching = Vouching::Signed(Box::new(member.signer().clone()));
    }
    Core::new(config, me, seed, Moment(boot_ms()))
}

type Pulled = (HostId, Result<Answer, PeersError>);

/// The task and all that it owns.
#[derive(Debug)]
pub(in crate::peers) struct Driver {
    core: Core,
    wire: Wire,
    buffer: Buffer,
    flood: Flood,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    published: watch::Receiver<Option<Payload>>,
    pulls: JoinSet<Pulled>,
    records: Records,
    outbox: Outbox,
    counts: Counts,
    /// Version of the list of revoked hosts that was carried out.
    revoked: u64,
    /// When the next list of hosts is due, and since when the last one is there.
    list_at: u64,
    listed: u64,
    fresh_at: u64,
}

impl Driver {
    pub fn new(
        core: Core,
        wire: Wire,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        published: watch::Receiver<Option<Payload>>,
    ) -> Self {
        Self {
            core,
            wire,
            buffer: Buffer::new(),
            flood: Flood::default(),
            shared,
            commands,
            published,
            pulls: JoinSet::new(),
            records: Records::default(),
            outbox: Outbox::default(),
            counts: Counts::default(),
            revoked: 0,
            list_at: 0,
            listed: 0,
            fresh_at: boot_ms().saturating_add(FRESH_EVERY_MS),
        }
    }

    /// Runs until the handle is dropped or a goodbye is said.
    pub async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let sink = self.shared.sink.clone();
        loop {
            let sleep = tokio::time::sleep(self.sleep());
            let waits = !self.outbox.is_empty() && !sink.is_closed();
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep => {}
                ready = self.wire.readable() => self.receive(&ready),
                Some(done) = self.pulls.join_next() => self.pulled(done),
                changed = self.published.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.publish();
                }
                // There is room again; what was waiting is told below.
                permit = sink.reserve(), if waits => drop(permit),
                command = self.commands.recv() => match command {
                    Some(Command::Leave(said)) => return self.leave(said),
                    Some(Command::Forget(host, reply)) => {
                        if reply.send(self.forget(host)).is_err() {
                            tracing::debug!("nobody waited until the peer was forgotten");
                        }
                    }
                    Some(Command::Join(seeds)) => self.step(Input::Join(seeds)),
                    Some(Command::Answer(wanted, reply)) => {
                        drop(reply.send(self.core.answer(&wanted)));
                    }
                    None => return,
                }
            }
            self.look_at_clock();
            self.tell(&sink);
        }
    }

    /// Tells what there is room for.
    fn tell(&mut self, sink: &mpsc::Sender<Event>) {
        while !self.outbox.is_empty()
            && let Ok(permit) = sink.try_reserve()
            && let Some(event) = self.outbox.take()
        {
            permit.send(event);
        }
    }

    /// How long nothing is due.
    fn sleep(&self) -> Duration {
        let now = boot_ms();
        let core = self.core.next_wakeup().map(|moment| moment.0);
        let due = [Some(self.list_at), Some(self.fresh_at), core];
        let due = due.into_iter().flatten().min().unwrap_or(now);
        Duration::from_millis(due.saturating_sub(now).min(LONGEST_SLEEP_MS))
    }

    fn look_at_clock(&mut self) {
        let now = boot_ms();
        self.follow_revoked();
        if self.core.next_wakeup().is_some_and(|due| due.0 <= now) {
            self.step(Input::Wakeup);
        }
        if self.fresh_at <= now {
            self.fresh_at = now.saturating_add(FRESH_EVERY_MS);
            self.tell_fresh();
        }
        if self.list_at <= now {
            self.forget_out();
            self.list(now);
            self.listed = now;
            self.list_at = now.saturating_add(LIST_EVERY_MS);
        }
    }

    /// The list of hosts is out of date.
    fn list_soon(&mut self) {
        self.list_at = self
            .list_at
            .min(self.listed.saturating_add(CHANGED_EVERY_MS));
    }

    fn receive(&mut self, ready: &std::io::Result<()>) {
        if let Err(error) = ready {
            tracing::warn!(%error, "gossip cannot be received");
        }
        let now = boot_ms();
        let (mut flooded, mut out) = (0, 0);
        for _ in 0..DATAGRAMS {
            let Ok((from, bytes)) = self.wire.receive(&mut self.buffer) else {
                break;
            };
            if !self.flood.admits(from, now) {
                flooded += 1;
            } else if is_of_revoked(&self.shared, self.revoked, bytes) {
                out += 1;
            } else {
                let bytes = bytes.to_vec();
                self.step(Input::Datagram { from, bytes });
            }
        }
        for (reason, count) in [("flood", flooded), ("revoked", out)] {
            if count > 0 {
                self.shared.metrics.peer_datagrams.add(["in"], count);
                self.shared.metrics.peer_drops.add([reason], count);
            }
        }
    }

    fn publish(&mut self) {
        let payload = self.published.borrow_and_update().clone();
        if let Some(payload) = payload {
            self.step(Input::Publish(payload));
        }
    }

    fn forget(&mut self, host: HostId) -> Result<(), ForgetError> {
        self.core.may_forget(host)?;
        self.step(Input::Forget(host));
        Ok(())
    }

    fn leave(mut self, said: oneshot::Sender<()>) {
        self.step(Input::Leave);
        self.counts.add(&self.core, &self.shared.metrics);
        tracing::info!("said goodbye to the fleet");
        if said.send(()).is_err() {
            tracing::debug!("nobody waited for the goodbye");
        }
    }

    fn pulled(&mut self, done: Result<Pulled, tokio::task::JoinError>) {
        // A pull that panicked is one that nobody answers: the core has a deadline of its own.
        let Ok((from, outcome)) = done else { return };
        match outcome {
            Ok(answer) => self.step(Input::Pulled { from, answer }),
            Err(error) => {
                let error = crate::errors::chain(&error);
                tracing::debug!(peer.id = %from, error, "records of the fleet not pulled");
                self.step(Input::PullFailed { from });
            }
        }
    }
}
