//! Rules that a test takes out of the register, to show that its checks would see it.
//!
//! They are constants of a type parameter, so the register that is shipped does not even hold the branches.

/// Which rules are broken.
pub trait Faults {
    /// What depends on a write leaves before the write is durable.
    const SEND_BEFORE_PERSISTED: bool = false;
    /// A replica promises although it has promised a higher ballot.
    const PROMISE_LOWER: bool = false;
    /// A replica accepts below what it has promised.
    const ACCEPT_LOWER: bool = false;
    /// A proposer takes its own replica's state and not the newest that it was told.
    const OWN_STATE: bool = false;
    /// One replica's promise is enough.
    const FEW_PROMISES: bool = false;
    /// One replica's acceptance is enough.
    const FEW_ACCEPTED: bool = false;
    /// A proposer's own promise is not written down: after a crash it may use a ballot twice.
    const FORGET_BALLOT: bool = false;
    /// Two proposals of one round have one ballot.
    const SAME_BALLOT: bool = false;
    /// What is expected is not compared.
    const NO_COMPARE: bool = false;
    /// A host whose store was lost takes itself for the replica that was in the first one.
    const ANSWER_FOR_LOST: bool = false;
    /// Three replicas become three others in one step.
    const NO_JOINT: bool = false;
    /// A step of an exchange begins before the one before it is known to be chosen.
    const STEP_UNKNOWN: bool = false;
    /// A replica begins without a ticket: a message that is late revives what was forgotten.
    const NO_TICKET: bool = false;
    /// A retired register is forgotten before every host that was ever named knows.
    const FORGET_EARLY: bool = false;
    /// Replicas that were exchanged need not know that the register is retired.
    const FORGET_FORMER: bool = false;
    /// A forced set does not outrank the one before it.
    const SAME_ERA: bool = false;
}

/// None.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoFaults;

impl Faults for NoFaults {}
