//! Faults that a test builds into a core, to show that its checks would see them.
//!
//! They are constants of a type parameter, so the core that is shipped does not even hold the branches.

/// Which rules a core breaks.
pub trait Faults {
    /// What depends on a write leaves before the write is durable.
    const SEND_BEFORE_PERSISTED: bool = false;
    /// An owner takes reservations of attempts that a later one has closed.
    const IGNORE_HIGHEST_ATTEMPT: bool = false;
    /// Members are started as soon as one of them has confirmed.
    const SKIP_BARRIER: bool = false;
    /// Reservations never end by themselves.
    const NEVER_EXPIRE: bool = false;
    /// A start that comes twice is carried out twice.
    const START_AGAIN: bool = false;
    /// A new attempt begins before the old one is closed.
    const SKIP_CLOSE: bool = false;
}

/// None.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoFaults;

impl Faults for NoFaults {}
