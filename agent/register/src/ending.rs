//! How a retired register is forgotten: not before each replica that was ever named knows that it is over.
//!
//! A replica that does not know goes on from what it has, and where the others have forgotten theirs it would take
//! them for replicas that have not begun. So a row of a retired register stays, small, until all have said that they
//! know; for one that is dead until its host is forgotten for good, or has another store.

use std::collections::BTreeSet;

use kerf_types::{HostId, Moment};

use crate::ballot::Replica;
use crate::faults::Faults;
use crate::io::Output;
use crate::message::Body;
use crate::random::doubled;
use crate::registers::Registers;
use crate::state::{Accepted, Change};

/// Who was told of an end.
#[derive(Debug)]
pub(crate) struct Telling {
    known: BTreeSet<Replica>,
    pub next_send: Moment,
    tries: u32,
}

impl Default for Telling {
    fn default() -> Self {
        Self {
            known: BTreeSet::new(),
            next_send: Moment(0),
            tries: 0,
        }
    }
}

impl<K: Copy + Ord, V: Clone + PartialEq, F: Faults> Registers<K, V, F> {
    /// It is known that the register was retired. Whoever made it so tells the others at once, the others later.
    pub(crate) fn is_over_now(&mut self, now: Moment, key: K, last: Accepted<V>, tells: bool) {
        let Some(row) = self.rows.get_mut(&key) else {
            return;
        };
        if row.is_over {
            return;
        }
        row.is_over = true;
        row.promised = row.promised.max(last.ballot);
        row.accepted = Some(last.clone());
        self.save(key);
        let last = Box::new(last.state);
        self.gate.say(Output::Over { key, last });
        let wait = self.settings.tell_first;
        let next_send = if tells { now } else { now.after(wait) };
        let telling = Telling {
            next_send,
            ..Telling::default()
        };
        self.ends.insert(key, telling);
        self.finish_all(key);
    }

    pub(crate) fn on_retired(
        &mut self,
        now: Moment,
        key: K,
        root: Replica,
        from: Replica,
        last: Accepted<V>,
        by_all: bool,
    ) {
        // Whoever still holds a ticket would begin what is over.
        self.tickets.remove(&key);
        self.is_over_now(now, key, last, false);
        if by_all {
            return self.drop_row(key);
        }
        self.say(key, root, self.me, from, Body::RetiredKnown);
    }

    /// A replica knows, or is dead.
    pub(crate) fn on_known(&mut self, now: Moment, key: K, from: Replica) {
        if let Some(telling) = self.ends.get_mut(&key) {
            telling.known.insert(from);
            self.look_at_end(now, key);
        }
    }

    pub(crate) fn forget_host(&mut self, now: Moment, host: HostId) {
        self.forgotten.insert(host);
        let keys: Vec<K> = self.ends.keys().copied().collect();
        for key in keys {
            let row = self.rows.get_mut(&key);
            let accepted = row.and_then(|row| row.accepted.as_mut());
            let Some(config) = accepted.map(|accepted| &mut accepted.state.config) else {
                continue;
            };
            let before = config.named().len();
            config.strike(host);
            if config.named().len() < before {
                self.save(key);
            }
            self.look_at_end(now, key);
        }
    }

    pub(crate) fn ends_tick(&mut self, now: Moment) {
        let due = self.ends.iter().filter(|(_, one)| one.next_send <= now);
        let due: Vec<K> = due.map(|(key, _)| *key).collect();
        for key in due {
            self.look_at_end(now, key);
        }
    }

    /// Tells those that do not know; forgets once all do.
    fn look_at_end(&mut self, now: Moment, key: K) {
        let row = self.rows.get(&key);
        let last = row.and_then(|row| Some((row.root, row.accepted.clone()?)));
        let (Some((root, last)), Some(telling)) = (last, self.ends.get_mut(&key)) else {
            return;
        };
        let config = &last.state.config;
        let me = self.me;
        let named = if F::FORGET_FORMER {
            config.voters()
        } else {
            config.named()
        };
        let others = named.iter().filter(|one| **one != me).copied();
        let others: Vec<Replica> = others.collect();
        let missing = others.iter().filter(|one| {
            !telling.known.contains(one) && !self.forgotten.contains(&one.host) && !F::FORGET_EARLY
        });
        let missing: Vec<Replica> = missing.copied().collect();
        if missing.is_empty() {
            for one in others {
                let last = Box::new(last.clone());
                self.say(key, root, me, one, Body::Retired { last, by_all: true });
            }
            return self.drop_row(key);
        }
        if telling.next_send > now {
            return;
        }
        let Telling { tries, .. } = telling;
        let most = self.settings.tell_most;
        let wait = doubled(self.settings.tell_first, *tries, most);
        *tries = tries.saturating_add(1);
        telling.next_send = now.after(self.random.about(wait));
        for one in missing {
            let last = Box::new(last.clone());
            let by_all = false;
            self.say(key, root, me, one, Body::Retired { last, by_all });
        }
    }

    fn drop_row(&mut self, key: K) {
        self.ends.remove(&key);
        self.proposers.remove(&key);
        if self.rows.remove(&key).is_some() {
            self.gate.save(Change::Drop(key));
            self.gate.say(Output::Changed(key));
        }
    }
}
