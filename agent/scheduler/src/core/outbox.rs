//! The gate before the world: nothing leaves while a change that was made before it is not durable.
//!
//! One rule for everything, and no exception that somebody would have to prove: what a core says may depend on
//! all that it knew when it said it. Messages to the host itself go the same way and come back as inputs.

use std::collections::VecDeque;
use std::marker::PhantomData;

use kerf_register::Answer;
use kerf_types::peer::{Body, PeerMessage, Tag, Term};
use kerf_types::{HostId, JobId};

use super::faults::Faults;
use super::io::{LocalCommand, Output, Report};
use super::kept::Kept;
use super::register::Settled;
use super::saved::Change;

/// What may wait for a store that fails before messages of peers are not heard any more: each may have an answer.
const WAITING_MOST: usize = 65_536;

/// Something that waits at the gate.
#[derive(Debug)]
pub(crate) enum Held {
    /// For the driver.
    Out(Output),
    /// A message of the host to itself.
    ToSelf(PeerMessage),
    /// The answer of a register.
    Settled(Settled),
    /// What the registers wrote in this batch of theirs is durable.
    RegisterDurable(u64),
    /// The answer of a register that several hosts hold.
    Answered(Box<Answer<JobId, Kept>>),
}

#[derive(Debug)]
pub(crate) struct Outbox<F: Faults> {
    local: HostId,
    changes: Vec<Change>,
    /// Said since the last batch was made; it depends on the next one if that has changes.
    fresh: Vec<Held>,
    /// In their order, each with the batch that must be durable before.
    waiting: VecDeque<(u64, Held)>,
    batch: u64,
    durable: u64,
    faults: PhantomData<F>,
}

impl<F: Faults> Outbox<F> {
    pub(crate) fn new(local: HostId) -> Self {
        Self {
            local,
            changes: Vec::new(),
            fresh: Vec::new(),
            waiting: VecDeque::new(),
            batch: 0,
            durable: 0,
            faults: PhantomData,
        }
    }

    pub(crate) fn save(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Says something as an owner, or of a job that this host keeps alone.
    pub(crate) fn send(&mut self, to: HostId, tag: Tag, body: Body) {
        self.send_as(to, tag, Term::NONE, body);
    }

    /// Says something as the coordinator of a term.
    pub(crate) fn send_as(&mut self, to: HostId, tag: Tag, term: Term, body: Body) {
        let message = PeerMessage { tag, term, body };
        let held = if to == self.local {
            Held::ToSelf(message)
        } else {
            Held::Out(Output::Send { to, message })
        };
        self.fresh.push(held);
    }

    pub(crate) fn local(&mut self, tag: Tag, command: LocalCommand) {
        self.fresh.push(Held::Out(Output::Local { tag, command }));
    }

    pub(crate) fn report(&mut self, report: Report) {
        self.fresh.push(Held::Out(Output::Report(report)));
    }

    pub(crate) fn hold(&mut self, held: Held) {
        self.fresh.push(held);
    }

    pub(crate) fn settle(&mut self, settled: Settled) {
        self.fresh.push(Held::Settled(settled));
    }

    /// Drops what was to be reported of a job: it would be older than what comes.
    pub(crate) fn forget_reports(&mut self, job: JobId) {
        let of_job = |held: &Held| matches!(held, Held::Out(Output::Report(one)) if one.job == job);
        self.fresh.retain(|held| !of_job(held));
    }

    pub(crate) fn persisted(&mut self, batch: u64) {
        self.durable = self.durable.max(batch.min(self.batch));
    }

    /// Whether something waits for a batch that is not durable. Time alone says nothing new then: it would only line
    /// up behind what waits.
    pub(crate) fn is_blocked(&self) -> bool {
        self.waiting
            .front()
            .is_some_and(|(batch, _)| *batch > self.durable && !F::SEND_BEFORE_PERSISTED)
    }

    /// Whether as much waits as may: messages are lost then, as they may be.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MOST
    }

    /// Makes a batch of the changes, if there are any, and lines up behind it what was said.
    pub(crate) fn seal(&mut self, out: &mut Vec<Output>) {
        if !self.changes.is_empty() {
            self.batch += 1;
            out.push(Output::Persist {
                batch: self.batch,
                changes: std::mem::take(&mut self.changes),
            });
        }
        let batch = self.batch;
        let fresh = self.fresh.drain(..).map(|held| (batch, held));
        self.waiting.extend(fresh);
    }

    /// The next thing that may leave.
    pub(crate) fn next(&mut self) -> Option<Held> {
        let (batch, _) = self.waiting.front()?;
        if *batch > self.durable && !F::SEND_BEFORE_PERSISTED {
            return None;
        }
        self.waiting.pop_front().map(|(_, held)| held)
    }
}
