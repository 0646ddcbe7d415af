//! Who the replicas of a register are, and how some are exchanged for others.
//!
//! ```text
//!   Settled(A) ──► Invited(A, next B) ──► Joint(A and B) ──► Settled(B)
//! ```
//! Each arrow is a state of the register itself, and each is proposed only once the one before it is known to be chosen.
//! `Invited` names the new hosts before one of them has a vote: whoever must know of the register's end is named in it.

use std::collections::BTreeSet;

use kerf_types::HostId;

use crate::ballot::Replica;

/// Most replicas of a register.
pub const REPLICAS_MOST: usize = 7;

/// The replicas of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Counts the steps of exchanges, up.
    pub generation: u32,
    /// Those that vote.
    pub set: Vec<Replica>,
    /// How far an exchange of them is.
    pub step: Step,
    /// Those that were in the set before: they may come back, and must then be told how it ended.
    pub former: BTreeSet<Replica>,
    /// Each time that an operator has forced the register, the oldest first.
    pub forced: Vec<Forced>,
}

/// How far an exchange of replicas is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is none.
    Settled,
    /// These are named, and do not vote.
    Invited(Vec<Replica>),
    /// A majority of the set and a majority of these are needed.
    Joint(Vec<Replica>),
}

/// The loud record of an operator's choice: what a majority had agreed on may be lost with those that were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    /// At which replica.
    pub by: Replica,
    /// The generation that came of it.
    pub generation: u32,
    /// Replicas that were given up.
    pub given_up: Vec<Replica>,
}

impl Config {
    /// A set that nothing was exchanged in. One that names a host twice, or nobody, or too many, is none.
    pub fn new(set: Vec<Replica>) -> Option<Self> {
        let hosts: BTreeSet<HostId> = set.iter().map(|one| one.host).collect();
        let fits = !set.is_empty() && set.len() <= REPLICAS_MOST && hosts.len() == set.len();
        fits.then(|| Self {
            generation: 0,
            set,
            step: Step::Settled,
            former: BTreeSet::new(),
            forced: Vec::new(),
        })
    }

    /// How often it was forced.
    pub fn era(&self) -> u32 {
        u32::try_from(self.forced.len()).unwrap_or(u32::MAX)
    }

    /// Those whose votes count now.
    pub fn voters(&self) -> BTreeSet<Replica> {
        let joint: &[Replica] = match &self.step {
            Step::Joint(next) => next,
            Step::Settled | Step::Invited(_) => &[],
        };
        self.set.iter().chain(joint).copied().collect()
    }

    /// All that were ever named.
    pub fn named(&self) -> BTreeSet<Replica> {
        let next: &[Replica] = match &self.step {
            Step::Joint(next) | Step::Invited(next) => next,
            Step::Settled => &[],
        };
        let now = self.set.iter().chain(next);
        now.chain(&self.former).copied().collect()
    }

    /// Whether `have` are a majority of the set, and in a joint step of the next one too.
    pub fn has_quorum(&self, have: impl Fn(&Replica) -> bool) -> bool {
        let majority = |set: &[Replica]| {
            let count = set.iter().filter(|one| have(one)).count();
            count > set.len() / 2
        };
        match &self.step {
            Step::Settled | Step::Invited(_) => majority(&self.set),
            Step::Joint(next) => majority(&self.set) && majority(next),
        }
    }

    /// Whether one replica can be exchanged for another now. A host that was ever in the register, with whatever store, is
    /// not taken in again: the majority must not come to hang on what it has forgotten.
    pub fn may_exchange(&self, out: Replica, into: Replica) -> bool {
        let known = |host| self.named().iter().any(|one| one.host == host);
        self.step == Step::Settled && self.set.contains(&out) && !known(into.host)
    }

    /// The step after this one, on the way to a set in which `into` stands for `out`. `None` where nothing is left to do.
    pub(crate) fn advanced(&self, out: Replica, into: Replica) -> Option<Self> {
        let mut next = self.clone();
        next.generation = next.generation.saturating_add(1);
        match &self.step {
            Step::Settled if !self.may_exchange(out, into) => return None,
            Step::Settled => {
                let replace = |one: &Replica| if *one == out { into } else { *one };
                next.step = Step::Invited(self.set.iter().map(replace).collect());
            }
            Step::Invited(set) => next.step = Step::Joint(set.clone()),
            Step::Joint(set) => {
                let gone = self.set.iter().filter(|one| !set.contains(one));
                next.former.extend(gone);
                next.set.clone_from(set);
                next.step = Step::Settled;
            }
        }
        Some(next)
    }

    /// The same register with a set that an operator has chosen.
    pub(crate) fn forced_to(&self, set: Vec<Replica>, by: Replica) -> Self {
        let mut next = self.clone();
        next.generation = next.generation.saturating_add(1);
        let given_up = self.voters().into_iter().filter(|one| !set.contains(one));
        let given_up: Vec<Replica> = given_up.collect();
        next.former = self.named();
        next.former.retain(|one| !set.contains(one));
        next.set = set;
        next.step = Step::Settled;
        next.forced.push(Forced {
            by,
            generation: next.generation,
            given_up,
        });
        next
    }

    /// Leaves a host out that is gone for good: of a register that has ended, nobody needs to tell it any more.
    pub(crate) fn strike(&mut self, host: HostId) {
        self.set.retain(|one| one.host != host);
        self.former.retain(|one| one.host != host);
        if let Step::Invited(next) | Step::Joint(next) = &mut self.step {
            next.retain(|one| one.host != host);
        }
    }
}
