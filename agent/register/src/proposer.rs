//! What this host wants of registers: it collects promises, proposes on top of the newest state that it was told, and
//! answers once a majority has accepted.
//!
//! ```text
//!   Idle ──► Preparing ──► Accepting ──► (answered) ──► Accepting, under the same promises
//!     ▲          └──────────── a higher ballot is in the way
//!     └──────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kerf_types::Moment;

use crate::ballot::{Ballot, Replica};
use crate::config::Config;
use crate::faults::Faults;
use crate::io::{Answer, Ending, Output, Want};
use crate::message::Body;
use crate::proposal::next_of;
use crate::random::doubled;
use crate::registers::Registers;
use crate::state::{Accepted, Row, State};

/// What this host wants of one register.
#[derive(Debug)]
pub(crate) struct Proposer<V> {
    /// The first is worked on.
    pub queue: VecDeque<(u64, Want<V>)>,
    pub phase: Phase<V>,
    /// What was chosen last under promises that still hold, as far as this host knows.
    pub lead: Option<(Ballot, State<V>)>,
    /// Ballots under which the want was proposed.
    pub tried: BTreeSet<Ballot>,
    /// Highest era and round that stood in the way.
    pub seen: (u32, u64),
    /// Since when the want is worked on.
    pub since: Moment,
    pub next_send: Moment,
    /// Ballots in a row that others were in the way of.
    pub beaten: u32,
    /// Replicas whose hosts have another store now.
    pub dead: BTreeSet<Replica>,
}

#[derive(Debug)]
pub(crate) enum Phase<V> {
    Idle {
        until: Moment,
    },
    Preparing {
        ballot: Ballot,
        asked: BTreeSet<Replica>,
        promises: BTreeMap<Replica, Option<Box<Accepted<V>>>>,
    },
    Accepting {
        ballot: Ballot,
        state: Box<State<V>>,
        have: BTreeSet<Replica>,
    },
}

impl<V> Proposer<V> {
    fn new(now: Moment) -> Self {
        Self {
            queue: VecDeque::new(),
            phase: Phase::Idle { until: now },
            lead: None,
            tried: BTreeSet::new(),
            seen: (0, 0),
            since: now,
            next_send: now,
            beaten: 0,
            dead: BTreeSet::new(),
        }
    }

    pub fn wakeup(&self) -> Option<Moment> {
        self.queue.front()?;
        Some(match self.phase {
            Phase::Idle { until } => until,
            Phase::Preparing { .. } | Phase::Accepting { .. } => self.next_send,
        })
    }

    pub fn ballot(&self) -> Option<Ballot> {
        match self.phase {
            Phase::Idle { .. } => None,
            Phase::Preparing { ballot, .. } | Phase::Accepting { ballot, .. } => Some(ballot),
        }
    }
}

impl<K: Copy + Ord, V: Clone + PartialEq, F: Faults> Registers<K, V, F> {
    pub(crate) fn want(&mut self, now: Moment, key: K, number: u64, want: Want<V>) {
        let proposer = self.proposers.entry(key);
        let proposer = proposer.or_insert_with(|| Proposer::new(now));
        if proposer.queue.is_empty() {
            proposer.since = now;
        }
        proposer.queue.push_back((number, want));
        if proposer.queue.len() == 1 {
            self.with_proposer(key, |core, proposer| core.begin(now, key, proposer));
        }
    }

    pub(crate) fn abandon(&mut self, key: K) {
        if let Some(proposer) = self.proposers.get_mut(&key) {
            // What was proposed may be chosen: nothing can be built on it without asking.
            proposer.queue.clear();
            proposer.lead = None;
            proposer.tried.clear();
            proposer.phase = Phase::Idle { until: Moment(0) };
        }
    }

    /// Takes a proposer out of the table while it is worked on.
    pub(crate) fn with_proposer(&mut self, key: K, work: impl FnOnce(&mut Self, &mut Proposer<V>)) {
        if let Some(mut proposer) = self.proposers.remove(&key) {
            work(self, &mut proposer);
            self.proposers.insert(key, proposer);
        }
    }

    /// Begins with the first want, or with what is left of it after another proposer was in the way.
    pub(crate) fn begin(&mut self, now: Moment, key: K, proposer: &mut Proposer<V>) {
        let Some((_, want)) = proposer.queue.front().cloned() else {
            return;
        };
        let Some(row) = self.rows.get(&key) else {
            return match want {
                Want::Found { set, value } => self.found(now, key, proposer, set, value),
                _ => self.finish(key, proposer, Ending::Refused, None),
            };
        };
        let root = row.root;
        let Some(own) = row.accepted.clone() else {
            return self.finish(key, proposer, Ending::Refused, None);
        };
        if row.is_over {
            return self.finish(key, proposer, Ending::Found, Some(own.state));
        }
        let target = match &want {
            Want::Force { set } => match Config::new(set.clone()) {
                Some(config) if set.contains(&self.me) => Some(config),
                _ => return self.finish(key, proposer, Ending::Refused, None),
            },
            _ => None,
        };
        if let Some((ballot, state)) = proposer.lead.clone().filter(|_| target.is_none()) {
            let ballot = next_of::<F>(ballot);
            return self.propose(now, key, proposer, ballot, state, true);
        }
        let promised = row.promised;
        let forces = u32::from(target.is_some() && !F::SAME_ERA);
        let ballot = Ballot {
            era: promised.era.max(proposer.seen.0).saturating_add(forces),
            round: promised.round.max(proposer.seen.1).saturating_add(1),
            proposer: self.me,
            step: 0,
        };
        let asked = target.as_ref().unwrap_or(&own.state.config).voters();
        self.promise_own(key, ballot);
        let others: Vec<Replica> = asked.iter().copied().collect();
        proposer.phase = Phase::Preparing {
            ballot,
            asked,
            promises: BTreeMap::from([(self.me, Some(Box::new(own)))]),
        };
        proposer.next_send = now.after(self.settings.resend);
        self.ask(key, root, &others, || Body::Prepare {
            ballot,
            ticket: None,
        });
        self.look_at_promises(now, key, proposer);
    }

    /// No ballot is used twice: the replica here has promised it before anybody hears of it.
    pub(crate) fn promise_own(&mut self, key: K, ballot: Ballot) {
        if F::FORGET_BALLOT {
            return;
        }
        if let Some(row) = self.rows.get_mut(&key) {
            row.promised = ballot;
            self.save(key);
        }
    }

    pub(crate) fn found(
        &mut self,
        now: Moment,
        key: K,
        proposer: &mut Proposer<V>,
        set: Vec<Replica>,
        value: V,
    ) {
        let me = self.me;
        let config = Config::new(set).filter(|config| config.set.contains(&me));
        let Some(config) = config else {
            return self.finish(key, proposer, Ending::Refused, None);
        };
        let ballot = Ballot::first(me);
        let row = Row {
            epoch: me.epoch,
            root: me,
            promised: ballot,
            accepted: None,
            is_over: false,
        };
        self.rows.insert(key, row);
        let state = State {
            value,
            version: 1,
            origin: ballot,
            config,
            is_retired: false,
        };
        self.put_forward(now, key, proposer, ballot, state);
    }

    /// A higher ballot is in the way: after a pause, with a higher one.
    pub(crate) fn beaten(&mut self, now: Moment, key: K, proposer: &mut Proposer<V>) {
        proposer.lead = None;
        let settings = self.settings;
        let (first, most) = (settings.backoff_first, settings.backoff_most);
        let wait = doubled(first, proposer.beaten, most);
        proposer.beaten = proposer.beaten.saturating_add(1);
        let until = now.after(self.random.about(wait));
        proposer.phase = Phase::Idle { until };
        if let Some(row) = self.rows.get(&key) {
            let promised = row.promised;
            proposer.seen.1 = proposer.seen.1.max(promised.round);
        }
    }

    /// Answers the first want.
    pub(crate) fn finish(
        &mut self,
        key: K,
        proposer: &mut Proposer<V>,
        ending: Ending,
        state: Option<State<V>>,
    ) {
        proposer.tried.clear();
        proposer.phase = Phase::Idle { until: Moment(0) };
        if let Some((number, _)) = proposer.queue.pop_front() {
            self.gate.say(Output::Answer(Answer {
                key,
                number,
                ending,
                state: state.map(Box::new),
            }));
        }
    }

    /// The register is over: so is all that was wanted of it.
    pub(crate) fn finish_all(&mut self, key: K) {
        let row = self.rows.get(&key);
        let last = row.and_then(|row| row.accepted.as_ref());
        let last = last.map(|accepted| accepted.state.clone());
        self.with_proposer(key, |core, proposer| {
            let origin = last.as_ref().map(|state| state.origin);
            let own = origin.is_some_and(|origin| proposer.tried.contains(&origin));
            proposer.lead = None;
            let mut ending = if own { Ending::Done } else { Ending::Found };
            while !proposer.queue.is_empty() {
                core.finish(key, proposer, ending, last.clone());
                ending = Ending::Found;
            }
        });
    }

    pub(crate) fn ask(
        &mut self,
        key: K,
        root: Replica,
        to: &[Replica],
        body: impl Fn() -> Body<V>,
    ) {
        let me = self.me;
        for one in to.iter().filter(|one| **one != me) {
            self.say(key, root, me, *one, body());
        }
    }
}
