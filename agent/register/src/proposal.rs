//! One proposal: from promises to a majority that has accepted.

use std::collections::BTreeSet;

use kerf_types::Moment;

use crate::ballot::{Ballot, Replica};
use crate::config::Config;
use crate::faults::Faults;
use crate::io::{Ending, Want};
use crate::message::Body;
use crate::proposer::{Phase, Proposer};
use crate::registers::Registers;
use crate::state::{Accepted, State};

impl<K: Copy + Ord, V: Clone + PartialEq, F: Faults> Registers<K, V, F> {
    /// What the promises are worth: the newest state among them says whose promises are needed.
    pub(crate) fn look_at_promises(&mut self, now: Moment, key: K, proposer: &mut Proposer<V>) {
        let Phase::Preparing {
            ballot,
            asked,
            promises,
        } = &mut proposer.phase
        else {
            return;
        };
        let ballot = *ballot;
        let told = promises.values().flatten();
        let newest = if F::OWN_STATE {
            promises.get(&self.me).and_then(Option::as_ref)
        } else {
            told.max_by_key(|accepted| accepted.ballot)
        };
        let Some(parent) = newest.map(|accepted| accepted.state.clone()) else {
            return;
        };
        let forced = match proposer.queue.front() {
            Some((_, Want::Force { set })) => Config::new(set.clone()),
            _ => None,
        };
        let config = forced.as_ref().unwrap_or(&parent.config);
        let enough = F::FEW_PROMISES || config.has_quorum(|one| promises.contains_key(one));
        if enough {
            return self.propose(now, key, proposer, ballot, parent, false);
        }
        let unasked: Vec<Replica> = config.voters().difference(asked).copied().collect();
        asked.extend(&unasked);
        if let Some(root) = self.rows.get(&key).map(|row| row.root) {
            self.ask(key, root, &unasked, || Body::Prepare {
                ballot,
                ticket: None,
            });
        }
    }

    /// Proposes what is wanted on top of `parent`. `is_known` says whether that is known to be chosen.
    pub(crate) fn propose(
        &mut self,
        now: Moment,
        key: K,
        proposer: &mut Proposer<V>,
        ballot: Ballot,
        parent: State<V>,
        is_known: bool,
    ) {
        let Some((_, want)) = proposer.queue.front() else {
            return;
        };
        let is_known = is_known || F::STEP_UNKNOWN;
        let mut state = parent;
        match want {
            _ if state.is_retired => {}
            Want::Set {
                expected,
                value,
                retire,
            } if *expected == state.origin
                || (F::NO_COMPARE && !proposer.tried.contains(&state.origin)) =>
            {
                state.value = value.clone();
                state.version = state.version.saturating_add(1);
                state.origin = ballot;
                state.is_retired = *retire;
                proposer.tried.insert(ballot);
            }
            Want::Force { set } if !proposer.tried.contains(&state.origin) => {
                state.config = state.config.forced_to(set.clone(), self.me);
                state.version = state.version.saturating_add(1);
                state.origin = ballot;
                proposer.tried.insert(ballot);
            }
            Want::Exchange { out, into } if is_known => {
                if let Some(next) = next_config::<F>(&state.config, *out, *into) {
                    state.config = next;
                }
            }
            _ => {}
        }
        self.put_forward(now, key, proposer, ballot, state);
    }

    /// Has a state accepted, here first.
    pub(crate) fn put_forward(
        &mut self,
        now: Moment,
        key: K,
        proposer: &mut Proposer<V>,
        ballot: Ballot,
        state: State<V>,
    ) {
        if !self.accept(key, ballot, state.clone()) {
            return self.beaten(now, key, proposer);
        }
        let Some(root) = self.rows.get(&key).map(|row| row.root) else {
            return;
        };
        let others: Vec<Replica> = state.config.voters().into_iter().collect();
        let state = Box::new(state);
        proposer.phase = Phase::Accepting {
            ballot,
            state: state.clone(),
            have: BTreeSet::from([self.me]),
        };
        proposer.next_send = now.after(self.settings.resend);
        self.ask(key, root, &others, || Body::Accept {
            ballot,
            state: state.clone(),
            ticket: None,
        });
        self.look_at_accepted(now, key, proposer);
    }

    pub(crate) fn look_at_accepted(&mut self, now: Moment, key: K, proposer: &mut Proposer<V>) {
        let Phase::Accepting {
            ballot,
            state,
            have,
        } = &proposer.phase
        else {
            return;
        };
        let few = F::FEW_ACCEPTED && !have.is_empty();
        if !few && !state.config.has_quorum(|one| have.contains(one)) {
            return;
        }
        let (ballot, state) = (*ballot, State::clone(state));
        proposer.beaten = 0;
        proposer.lead = Some((ballot, state.clone()));
        let Some((_, want)) = proposer.queue.front() else {
            return;
        };
        let ending = match want {
            Want::Exchange { out, into } => {
                if next_config::<F>(&state.config, *out, *into).is_some() && !state.is_retired {
                    // Now that this step is known to be chosen, the next one.
                    let ballot = next_of::<F>(ballot);
                    return self.propose(now, key, proposer, ballot, state, true);
                }
                let set = &state.config.set;
                let done = set.contains(into) && !set.contains(out);
                let ending = if done { Ending::Done } else { Ending::Found };
                self.tell_former(key, ballot, &state);
                ending
            }
            Want::Read => Ending::Done,
            Want::Found { .. } => {
                let own = self.rows.get(&key).is_some_and(|row| row.root == self.me);
                if own { Ending::Done } else { Ending::Found }
            }
            Want::Set { .. } | Want::Force { .. } => {
                let own = proposer.tried.contains(&state.origin);
                if own { Ending::Done } else { Ending::Found }
            }
        };
        if state.is_retired {
            let last = Accepted {
                ballot,
                state: state.clone(),
            };
            self.finish(key, proposer, ending, Some(state));
            return self.is_over_now(now, key, last, true);
        }
        self.finish(key, proposer, ending, Some(state));
        proposer.since = now;
        self.begin(now, key, proposer);
    }

    /// Tells those that vote no more, once: where all others of their set are gone, they would ask in vain.
    fn tell_former(&mut self, key: K, ballot: Ballot, state: &State<V>) {
        let former: Vec<Replica> = state.config.former.iter().copied().collect();
        if let Some(root) = self.rows.get(&key).map(|row| row.root) {
            self.ask(key, root, &former, || Body::Accept {
                ballot,
                state: Box::new(state.clone()),
                ticket: None,
            });
        }
    }
}

pub(crate) fn next_of<F: Faults>(ballot: Ballot) -> Ballot {
    if F::SAME_BALLOT {
        return ballot;
    }
    ballot.next_step()
}

/// The next step of an exchange.
fn next_config<F: Faults>(config: &Config, out: Replica, into: Replica) -> Option<Config> {
    let mut next = config.advanced(out, into)?;
    if F::NO_JOINT {
        while next.step != crate::config::Step::Settled {
            next = next.advanced(out, into)?;
        }
    }
    Some(next)
}
