//! The registers of one host: its replicas, and what it wants of them.
//!
//! What the driver owes: it calls [`Registers::step`] for each input and at [`Registers::next_wakeup`], with a clock that
//! never goes back; a batch is written whole or not at all, and batches in their order, before `Persisted` comes back;
//! the store epoch is another one whenever what was written may have been lost; the seed is another one in each life.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{HostId, Moment};

use crate::ballot::Replica;
use crate::ending::Telling;
use crate::faults::{Faults, NoFaults};
use crate::gate::Gate;
use crate::io::{Input, Output, Settings};
use crate::message::{Body, Message};
use crate::proposer::{Phase, Proposer};
use crate::random::Random;
use crate::state::{Change, Row};

/// The registers of one host. `K` names one, `V` is what it holds.
#[derive(Debug)]
pub struct Registers<K, V, F = NoFaults> {
    pub(crate) me: Replica,
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) rows: BTreeMap<K, Row<V>>,
    /// What was given out to those that found nothing here.
    pub(crate) tickets: BTreeMap<K, BTreeMap<Replica, u64>>,
    pub(crate) proposers: BTreeMap<K, Proposer<V>>,
    /// Retired registers, until everybody knows.
    pub(crate) ends: BTreeMap<K, Telling>,
    pub(crate) forgotten: BTreeSet<HostId>,
    pub(crate) gate: Gate<K, V, F>,
}

/// A want that has no majority: what is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Since when.
    pub since: Moment,
    /// Those that have answered, this host among them.
    pub answered: Vec<Replica>,
    /// Those that have not.
    pub silent: Vec<Replica>,
    /// Those that never will: their host has another store now.
    pub dead: Vec<Replica>,
}

impl<K: Copy + Ord, V: Clone + PartialEq, F: Faults> Registers<K, V, F> {
    /// Goes on from what was written; with nothing written, new ones. Rows of another store epoch are dropped with the
    /// first batch.
    pub fn recover(
        me: Replica,
        settings: Settings,
        seed: u64,
        mut rows: BTreeMap<K, Row<V>>,
    ) -> Self {
        let epoch = if F::ANSWER_FOR_LOST { 1 } else { me.epoch };
        let me = Replica { epoch, ..me };
        let mut gate = Gate::new();
        for (key, _) in rows.extract_if(.., |_, row| row.epoch != me.epoch) {
            gate.save(Change::Drop(key));
        }
        let over = rows.iter().filter(|(_, row)| row.is_over);
        let ends = over.map(|(key, _)| (*key, Telling::default())).collect();
        Self {
            me,
            settings,
            random: Random::new(seed),
            rows,
            tickets: BTreeMap::new(),
            proposers: BTreeMap::new(),
            ends,
            forgotten: BTreeSet::new(),
            gate,
        }
    }

    /// Takes one input in; what is to be done is added to `out`.
    pub fn step(&mut self, now: Moment, input: Input<K, V>, out: &mut Vec<Output<K, V>>) {
        match input {
            Input::Want { key, number, want } => self.want(now, key, number, want),
            Input::Abandon { key } => self.abandon(key),
            Input::Message { from, message } => self.hear(now, from, *message),
            Input::Persisted { batch } => self.gate.persisted(batch),
            Input::Forgotten(host) => self.forget_host(now, host),
            Input::Wake => {}
        }
        self.gate.flush(out);
        if !self.gate.is_blocked() {
            self.proposers_tick(now);
            self.ends_tick(now);
            self.gate.flush(out);
        }
    }

    /// When the next step is due if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.gate.is_blocked() {
            // The store is waited for.
            return None;
        }
        let proposers = self.proposers.values().filter_map(Proposer::wakeup);
        let ends = self.ends.values().map(|telling| telling.next_send);
        proposers.chain(ends).min()
    }

    /// This host as a replica.
    pub fn me(&self) -> Replica {
        self.me
    }

    /// What the replica here has written down, durable or not.
    pub fn row(&self, key: K) -> Option<&Row<V>> {
        self.rows.get(&key)
    }

    /// All of them.
    pub fn rows(&self) -> impl Iterator<Item = (K, &Row<V>)> {
        self.rows.iter().map(|(key, row)| (*key, row))
    }

    /// How a want stands that waits for its majority longer than [`Settings::waits_after`].
    pub fn waiting(&self, now: Moment, key: K) -> Option<Waiting> {
        let proposer = self.proposers.get(&key)?;
        proposer.queue.front()?;
        if now < proposer.since.after(self.settings.waits_after) {
            return None;
        }
        let (asked, answered): (BTreeSet<Replica>, BTreeSet<Replica>) = match &proposer.phase {
            Phase::Idle { .. } => return None,
            Phase::Preparing {
                asked, promises, ..
            } => (asked.clone(), promises.keys().copied().collect()),
            Phase::Accepting { state, have, .. } => (state.config.voters(), have.clone()),
        };
        let missing = || asked.difference(&answered).copied();
        let is_dead = |one: &Replica| proposer.dead.contains(one);
        Some(Waiting {
            since: proposer.since,
            silent: missing().filter(|one| !is_dead(one)).collect(),
            dead: missing().filter(is_dead).collect(),
            answered: answered.into_iter().collect(),
        })
    }

    fn hear(&mut self, now: Moment, from: HostId, message: Message<K, V>) {
        let Message {
            key,
            root,
            from: speaker,
            to,
            body,
            ..
        } = message;
        if speaker.host != from || to.host != self.me.host {
            return;
        }
        if to.epoch != self.me.epoch {
            // It may have voted, and nobody remembers how: it never answers again.
            let asks = matches!(
                body,
                Body::Prepare { .. } | Body::Accept { .. } | Body::Retired { .. }
            );
            if asks && to.epoch < self.me.epoch {
                self.say(key, root, to, speaker, Body::Gone);
            }
            return;
        }
        if self.rows.get(&key).is_some_and(|row| row.root != root) {
            // Another register of the same name. Nothing of that one is here, and nothing of it will come.
            if matches!(body, Body::Retired { .. }) {
                self.say(key, root, to, speaker, Body::RetiredKnown);
            }
            return;
        }
        match body {
            Body::Prepare { ballot, ticket } => {
                self.on_prepare(key, root, speaker, ballot, ticket);
            }
            Body::Accept {
                ballot,
                state,
                ticket,
            } => self.on_accept(key, root, speaker, (ballot, *state), ticket),
            Body::Retired { last, by_all } => {
                self.on_retired(now, key, root, speaker, *last, by_all);
            }
            Body::RetiredKnown => self.on_known(now, key, speaker),
            answer => self.on_answer(now, key, speaker, answer),
        }
    }

    /// Says something to another replica.
    pub(crate) fn say(&mut self, key: K, root: Replica, from: Replica, to: Replica, body: Body<V>) {
        let accepted = self.rows.get(&key).and_then(|row| row.accepted.as_ref());
        let generation = accepted.map_or(0, |accepted| accepted.state.config.generation);
        self.gate.say(Output::Send {
            to: to.host,
            message: Box::new(Message {
                key,
                root,
                from,
                to,
                generation,
                body,
            }),
        });
    }

    /// Writes a replica down as it is now.
    pub(crate) fn save(&mut self, key: K) {
        if let Some(row) = self.rows.get(&key) {
            self.gate.save(Change::Put(key, Box::new(row.clone())));
        }
    }
}
