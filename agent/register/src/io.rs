//! What the registers of a host are told, and what they want done.

use std::time::Duration;

use kerf_types::HostId;

use crate::ballot::{Ballot, Replica};
use crate::message::Message;
use crate::state::{Change, State};

/// Something that has happened.
#[derive(Debug, Clone)]
pub enum Input<K, V> {
    /// Something is wanted of a register of which a replica is here. One thing at a time: the next is begun when the one
    /// before it is done.
    Want {
        /// Which register.
        key: K,
        /// The caller's number; the answer names it.
        number: u64,
        /// What.
        want: Want<V>,
    },
    /// Nothing more is wanted of it. What was proposed may be chosen all the same.
    Abandon {
        /// Which register.
        key: K,
    },
    /// Another host says something. The driver has made sure that it is `from` who speaks.
    Message {
        /// Who.
        from: HostId,
        /// What.
        message: Box<Message<K, V>>,
    },
    /// A batch is on disk, and every batch before it.
    Persisted {
        /// Its number.
        batch: u64,
    },
    /// A host is gone for good, with all its stores: it never needs to hear how a register ended. May be said again.
    Forgotten(HostId),
    /// Nothing but time has passed.
    Wake,
}

/// What is wanted of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want<V> {
    /// Make it, with this value, on these replicas. This one must be among them.
    Found {
        /// The replicas.
        set: Vec<Replica>,
        /// The first value.
        value: V,
    },
    /// Say what it holds.
    Read,
    /// Change it, if it still holds what one proposal wrote.
    Set {
        /// The [`State::origin`] that must be there. A version alone would not do: two proposals may have written one,
        /// of which one was never chosen.
        expected: Ballot,
        /// What follows.
        value: V,
        /// Whether it is the last value: the register is forgotten then.
        retire: bool,
    },
    /// Let another replica stand for one that is dead. An exchange that somebody began before is finished first.
    Exchange {
        /// The dead one.
        out: Replica,
        /// The one that stands for it, of a host that was never in this register.
        into: Replica,
    },
    /// An operator gives up the majority that is lost: these are the replicas from now on.
    Force {
        /// The replicas. This one must be among them.
        set: Vec<Replica>,
    },
}

/// How a want ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// What was wanted was done.
    Done,
    /// The register holds something else. Whether what was wanted was there in between is not said.
    Found,
    /// There is no replica here that could propose anything, or what was wanted makes no sense.
    Refused,
}

/// The answer to a want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<K, V> {
    /// Which register.
    pub key: K,
    /// The caller's number.
    pub number: u64,
    /// How it ended.
    pub ending: Ending,
    /// What a majority has agreed on at one moment since it was wanted; `None` where it was refused.
    pub state: Option<Box<State<V>>>,
}

/// Something that is to be done. Outputs are carried out in their order.
#[derive(Debug, Clone)]
pub enum Output<K, V> {
    /// Write all of this, or none, and answer with `Persisted`.
    Persist {
        /// Counts up from 1.
        batch: u64,
        /// What.
        changes: Vec<Change<K, V>>,
    },
    /// Send to a peer. It may be lost.
    Send {
        /// To whom.
        to: HostId,
        /// What.
        message: Box<Message<K, V>>,
    },
    /// A want has ended.
    Answer(Answer<K, V>),
    /// The register was retired, as this host has learned now, and this was its last state. Said once in a life.
    Over {
        /// Which.
        key: K,
        /// Its last state.
        last: Box<State<V>>,
    },
    /// The replica here holds something else than before. It need not be chosen: who acts on it must ask first.
    Changed(K),
}

/// The times of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Time between two sendings of a question that has no answer.
    pub resend: Duration,
    /// First wait after another proposer was in the way; it doubles with each.
    pub backoff_first: Duration,
    /// Longest such wait.
    pub backoff_most: Duration,
    /// First time between two tries to tell a host how a register ended; it doubles with each.
    pub tell_first: Duration,
    /// Longest such time: a host that comes back after weeks is told within it.
    pub tell_most: Duration,
    /// A want that has no majority for so long is shown as waiting for it.
    pub waits_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            resend: Duration::from_millis(500),
            backoff_first: Duration::from_millis(20),
            backoff_most: Duration::from_secs(2),
            tell_first: Duration::from_secs(2),
            tell_most: Duration::from_secs(60),
            waits_after: Duration::from_secs(2),
        }
    }
}
