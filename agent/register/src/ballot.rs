//! The order of proposals.

use std::fmt;

use kerf_types::HostId;

/// One replica: a host, and the epoch of the store in which its votes are. A host that has lost its store is another
/// replica, and the one before it is dead for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// The host.
    pub host: HostId,
    /// Its store epoch.
    pub epoch: u64,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (store {})", self.host, self.epoch)
    }
}

/// The number of a proposal: no two proposals have the same one.
///
/// `era` counts how often an operator has forced the register: whatever was agreed before is below. `step` counts the
/// proposals that one proposer makes after one collection of promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// How often the register was forced.
    pub era: u32,
    /// Higher than every round that the proposer has seen.
    pub round: u64,
    /// Whose it is.
    pub proposer: Replica,
    /// Which proposal of this round.
    pub step: u32,
}

impl Ballot {
    /// The first of a register: nobody has to be asked before it, since nothing can be below it.
    pub(crate) fn first(founder: Replica) -> Self {
        Self {
            era: 0,
            round: 1,
            proposer: founder,
            step: 0,
        }
    }

    /// The next proposal of the same round.
    pub(crate) fn next_step(self) -> Self {
        Self {
            step: self.step.saturating_add(1),
            ..self
        }
    }
}
