//! What replicas and proposers say to each other.
//!
//! Every message names the two replicas, not only the hosts: a host that has lost its store is not the one that is
//! spoken to. It changes nothing when it comes twice, late or out of order.

use crate::ballot::{Ballot, Replica};
use crate::state::{Accepted, State};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<K, V> {
    /// Which register.
    pub key: K,
    /// Who founded it.
    pub root: Replica,
    /// Who speaks.
    pub from: Replica,
    /// Who is spoken to.
    pub to: Replica,
    /// Generation of the replica set that the speaker knows: what people see of who lags behind. Safety rests on the
    /// states themselves, which carry theirs.
    pub generation: u32,
    /// What is said.
    pub body: Body<V>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<V> {
    /// Promise to accept nothing below this ballot, and say what was accepted.
    Prepare {
        /// The ballot.
        ballot: Ballot,
        /// What the replica gave out for beginning, if it had nothing of this register.
        ticket: Option<u64>,
    },
    /// It is promised.
    Promise {
        /// The ballot.
        ballot: Ballot,
        /// What was accepted before.
        accepted: Option<Box<Accepted<V>>>,
    },
    /// Accept this.
    Accept {
        /// Under which ballot.
        ballot: Ballot,
        /// The state.
        state: Box<State<V>>,
        /// As with `Prepare`.
        ticket: Option<u64>,
    },
    /// It is accepted.
    Accepted {
        /// The ballot.
        ballot: Ballot,
    },
    /// A higher ballot was promised.
    Nack {
        /// The ballot that was refused.
        ballot: Ballot,
        /// The one that stands against it.
        promised: Ballot,
        /// What was forced meanwhile: who speaks for the set before must learn of it.
        forced: Option<Box<Accepted<V>>>,
    },
    /// Nothing of this register is here. It begins when the same is asked with this ticket, which is good once.
    Unknown {
        /// The ballot that was asked with.
        ballot: Ballot,
        /// The ticket.
        ticket: u64,
    },
    /// The replica that was spoken to is dead: its host has another store now.
    Gone,
    /// The register was retired: this was its end.
    Retired {
        /// Its last state.
        last: Box<Accepted<V>>,
        /// Whether everybody knows, so that it may be forgotten.
        by_all: bool,
    },
    /// It is known, or nothing of it is here and nothing will come.
    RetiredKnown,
}

impl<V> Body<V> {
    /// The word in logs and events.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Promise { .. } => "promise",
            Self::Accept { .. } => "accept",
            Self::Accepted { .. } => "accepted",
            Self::Nack { .. } => "nack",
            Self::Unknown { .. } => "unknown",
            Self::Gone => "gone",
            Self::Retired { .. } => "retired",
            Self::RetiredKnown => "retired-known",
        }
    }
}
