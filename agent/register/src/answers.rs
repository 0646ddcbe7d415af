//! What a proposer does with what replicas answer, and how it asks again.

use kerf_types::Moment;

use crate::ballot::Replica;
use crate::faults::Faults;
use crate::message::Body;
use crate::proposer::{Phase, Proposer};
use crate::registers::Registers;

impl<K: Copy + Ord, V: Clone + PartialEq, F: Faults> Registers<K, V, F> {
    pub(crate) fn on_answer(&mut self, now: Moment, key: K, from: Replica, body: Body<V>) {
        if matches!(body, Body::Gone) {
            self.on_known(now, key, from);
        }
        self.with_proposer(key, |core, proposer| {
            core.hear_answer(now, key, proposer, from, body);
        });
    }

    fn hear_answer(
        &mut self,
        now: Moment,
        key: K,
        proposer: &mut Proposer<V>,
        from: Replica,
        body: Body<V>,
    ) {
        let current = proposer.ballot();
        match (body, &mut proposer.phase) {
            (Body::Promise { ballot, accepted }, Phase::Preparing { promises, .. })
                if current == Some(ballot) =>
            {
                promises.insert(from, accepted);
                self.look_at_promises(now, key, proposer);
            }
            (Body::Accepted { ballot }, Phase::Accepting { have, .. })
                if current == Some(ballot) =>
            {
                have.insert(from);
                self.look_at_accepted(now, key, proposer);
            }
            (Body::Unknown { ballot, ticket }, _) if current == Some(ballot) => {
                self.send_to(key, proposer, from, Some(ticket));
            }
            (
                Body::Nack {
                    ballot,
                    promised,
                    forced,
                },
                _,
            ) if current == Some(ballot) => {
                proposer.seen.0 = proposer.seen.0.max(promised.era);
                proposer.seen.1 = proposer.seen.1.max(promised.round);
                if let Some(forced) = forced {
                    // Whoever spoke for the set before learns of the force, as if it had been asked itself.
                    self.accept(key, forced.ballot, forced.state);
                }
                self.beaten(now, key, proposer);
            }
            (Body::Gone, _) => {
                proposer.dead.insert(from);
            }
            _ => {}
        }
    }

    /// Asks one replica again what all are asked.
    fn send_to(&mut self, key: K, proposer: &Proposer<V>, to: Replica, ticket: Option<u64>) {
        let body = match &proposer.phase {
            Phase::Idle { .. } => return,
            Phase::Preparing { ballot, .. } => Body::Prepare {
                ballot: *ballot,
                ticket,
            },
            Phase::Accepting { ballot, state, .. } => Body::Accept {
                ballot: *ballot,
                state: state.clone(),
                ticket,
            },
        };
        if let Some(root) = self.rows.get(&key).map(|row| row.root) {
            self.say(key, root, self.me, to, body);
        }
    }

    pub(crate) fn proposers_tick(&mut self, now: Moment) {
        let is_due = |one: &Proposer<V>| one.wakeup().is_some_and(|wakeup| wakeup <= now);
        let due = self.proposers.iter().filter(|(_, one)| is_due(one));
        let due: Vec<K> = due.map(|(key, _)| *key).collect();
        for key in due {
            self.with_proposer(key, |core, proposer| core.proposer_tick(now, key, proposer));
        }
    }

    fn proposer_tick(&mut self, now: Moment, key: K, proposer: &mut Proposer<V>) {
        // Of those that it asks none may be left to say that a higher ballot is in the way; the replica here knows.
        let promised = self.rows.get(&key).map(|row| row.promised);
        if proposer.ballot().is_some_and(|own| promised > Some(own)) {
            return self.beaten(now, key, proposer);
        }
        let missing: Vec<Replica> = match &proposer.phase {
            Phase::Idle { .. } => return self.begin(now, key, proposer),
            Phase::Preparing {
                asked, promises, ..
            } => {
                let missing = asked.iter().filter(|one| !promises.contains_key(one));
                missing.copied().collect()
            }
            Phase::Accepting { state, have, .. } => {
                let voters = state.config.voters();
                voters.difference(have).copied().collect()
            }
        };
        proposer.next_send = now.after(self.settings.resend);
        let me = self.me;
        for one in missing.into_iter().filter(|one| *one != me) {
            self.send_to(key, proposer, one, None);
        }
    }
}
