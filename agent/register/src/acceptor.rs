//! What this host's replicas promise and accept.
//!
//! A replica that has nothing of a register begins only with a ticket that it gave out itself, once, in this life: a
//! message that wanders about for a week cannot make one of a register that has ended.

use crate::ballot::{Ballot, Replica};
use crate::faults::Faults;
use crate::io::Output;
use crate::message::Body;
use crate::registers::Registers;
use crate::state::{Accepted, Row, State};

/// Registers for which tickets are out. What is thrown away beyond that is asked for again.
const TICKETS_MOST: usize = 16_384;

impl<K: Copy + Ord, V: Clone + PartialEq, F: Faults> Registers<K, V, F> {
    pub(crate) fn on_prepare(
        &mut self,
        key: K,
        root: Replica,
        from: Replica,
        ballot: Ballot,
        ticket: Option<u64>,
    ) {
        if !self.admits(key, root, from, ballot, ticket) {
            return;
        }
        let Some(row) = self.rows.get_mut(&key) else {
            return;
        };
        let accepted = row.accepted.clone();
        if ballot < row.promised && !F::PROMISE_LOWER {
            return self.refuse(key, root, from, ballot);
        }
        if ballot != row.promised {
            row.promised = ballot;
            self.save(key);
        }
        let accepted = accepted.map(Box::new);
        self.say(key, root, self.me, from, Body::Promise { ballot, accepted });
    }

    pub(crate) fn on_accept(
        &mut self,
        key: K,
        root: Replica,
        from: Replica,
        (ballot, state): (Ballot, State<V>),
        ticket: Option<u64>,
    ) {
        if !self.admits(key, root, from, ballot, ticket) {
            return;
        }
        if !self.accept(key, ballot, state) {
            return self.refuse(key, root, from, ballot);
        }
        self.say(key, root, self.me, from, Body::Accepted { ballot });
    }

    /// Accepts a state unless more was promised. Also what this host proposes goes this way.
    pub(crate) fn accept(&mut self, key: K, ballot: Ballot, state: State<V>) -> bool {
        let Some(row) = self.rows.get_mut(&key) else {
            return false;
        };
        if ballot < row.promised && !F::ACCEPT_LOWER {
            return false;
        }
        let is_known = row
            .accepted
            .as_ref()
            .is_some_and(|one| one.ballot == ballot);
        if is_known && row.promised == ballot && !F::SAME_BALLOT {
            return true;
        }
        row.promised = ballot;
        row.accepted = Some(Accepted { ballot, state });
        self.save(key);
        self.gate.say(Output::Changed(key));
        true
    }

    /// Whether the replica here may be asked: it is there, or begins now. Says what is to be said where it may not.
    fn admits(
        &mut self,
        key: K,
        root: Replica,
        from: Replica,
        ballot: Ballot,
        ticket: Option<u64>,
    ) -> bool {
        match self.rows.get(&key) {
            Some(row) if row.is_over => {
                if let Some(last) = row.accepted.clone().map(Box::new) {
                    let by_all = false;
                    self.say(key, root, self.me, from, Body::Retired { last, by_all });
                }
                false
            }
            Some(_) => true,
            None => {
                let given = self.tickets.get(&key).and_then(|given| given.get(&from));
                if !F::NO_TICKET && (ticket.is_none() || ticket != given.copied()) {
                    let ticket = self.ticket(key, from);
                    self.say(key, root, self.me, from, Body::Unknown { ballot, ticket });
                    return false;
                }
                self.tickets.remove(&key);
                let row = Row {
                    epoch: self.me.epoch,
                    root,
                    promised: Ballot::first(root),
                    accepted: None,
                    is_over: false,
                };
                self.rows.insert(key, row);
                true
            }
        }
    }

    /// A ticket for one asker; the same until it is used, or the answer to a second asking would spoil the first.
    fn ticket(&mut self, key: K, from: Replica) -> u64 {
        let fresh = self.random.next();
        let ticket = *self
            .tickets
            .entry(key)
            .or_default()
            .entry(from)
            .or_insert(fresh);
        if self.tickets.len() > TICKETS_MOST
            && let Some(other) = self.tickets.keys().find(|one| **one != key).copied()
        {
            self.tickets.remove(&other);
        }
        ticket
    }

    fn refuse(&mut self, key: K, root: Replica, to: Replica, ballot: Ballot) {
        let Some(row) = self.rows.get(&key) else {
            return;
        };
        let promised = row.promised;
        let forced = row.accepted.as_ref();
        let forced = forced.filter(|accepted| accepted.ballot.era > ballot.era);
        let forced = forced.cloned().map(Box::new);
        self.say(
            key,
            root,
            self.me,
            to,
            Body::Nack {
                ballot,
                promised,
                forced,
            },
        );
    }
}
