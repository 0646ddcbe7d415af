//! Faults that a mutation test puts into the core, to see that the checkers of the simulation notice.
//!
//! They are constants of a type parameter: with [`NoFaults`], which is all that is shipped, they cost
//! nothing and cannot be switched on.

/// What is broken.
pub trait Faults {
    /// A relayed record replaces the one that is kept, whatever their stamps say.
    const RECORDS_GO_BACK: bool = false;
    /// What others claim to be our own record is taken for it.
    const OWN_RECORD_FROM_OTHERS: bool = false;
    /// Digests are never sent, so what a push missed stays missed.
    const NO_ANTI_ENTROPY: bool = false;
    /// A record is taken whether its writer signed it or not.
    const UNPROVEN_RECORDS: bool = false;
    /// Datagrams of another cluster are read.
    const ANY_CLUSTER: bool = false;
    /// A host that is held for dead never says that it lives.
    const NO_RENEWAL: bool = false;
    /// A suspect is not told of the suspicion, and is declared down although it was heard since.
    const NO_SECOND_CHANCE: bool = false;
    /// A host never doubts itself: who does not hear declares those down that it did not hear.
    const NO_LOCAL_HEALTH: bool = false;
    /// That an operator had a host forgotten stays with the host that was told.
    const NO_TOMBSTONES: bool = false;
    /// Deltas take no notice of the size of a datagram.
    const NO_SIZE_LIMIT: bool = false;
}

/// Nothing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFaults;

impl Faults for NoFaults {}
