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
    /// An owner confirms without writing it down.
    const CONFIRM_UNSAVED: bool = false;
    /// An owner starts a member without writing it down.
    const START_UNSAVED: bool = false;
    /// A submitting host starts members without writing down that it does.
    const GO_UNSAVED: bool = false;
    /// A decision is told before its register holds it.
    const DECIDE_UNSAVED: bool = false;
    /// An owner forgets with a crash which members are over.
    const FORGET_CLOSED: bool = false;
    /// An owner counts how long a member is wanted from when it hears so, and not from when it asked.
    const COUNT_FROM_ANSWER: bool = false;
    /// An owner never ends a member for the silence of its submitting host.
    const NEVER_STOP_SILENT: bool = false;
    /// An owner says that a member is released as soon as it is told to.
    const RELEASED_AT_ONCE: bool = false;
    /// A submitting host takes a silent member for gone without waiting until it must have stopped.
    const CLOSE_AT_ONCE: bool = false;
    /// It waits without a margin for clocks and kills.
    const FORGET_MARGIN: bool = false;
    /// A submitting host never asks about a silent member that only its owner can give up.
    const NEVER_ASK: bool = false;
    /// An owner does not look for what runs after it began anew.
    const SKIP_FIND: bool = false;
    /// A job that is refused again and again never asks in order.
    const NEVER_ORDERED: bool = false;
    /// A decided attempt gives way to an older job too.
    const WOUND_DECIDED: bool = false;
    /// An owner never tells a younger job to give way.
    const NEVER_WOUND: bool = false;
    /// An owner gives to a younger job what an older one waits for.
    const OVERTAKE: bool = false;
    /// Owners follow whoever speaks, whatever its term.
    const IGNORE_TERM: bool = false;
    /// A coordinator goes on although no majority of the keepers says that it still is one.
    const SPEAK_WITHOUT_AUTHORITY: bool = false;
    /// A successor counts as if the one before it had fallen silent at once.
    const TRUST_SILENCE: bool = false;
    /// Members on the coordinator's own host are never ended for silence, as where one host alone keeps a job.
    const SPARE_OWN: bool = false;
    /// A coordinator that begins anew does not ask whether it still is one.
    const RESUME_UNASKED: bool = false;
    /// A successor starts members of a decided attempt without having them confirmed.
    const START_UNCONFIRMED: bool = false;
    /// A keeper answers that it follows although it has accepted a later coordinator.
    const HEED_ANYBODY: bool = false;
    /// A register that was forced goes on in the term that it had.
    const KEEP_TERM_WHEN_FORCED: bool = false;
    /// Owners hear of new keepers from their coordinator alone.
    const NEVER_VOUCH: bool = false;
    /// No keeper ever takes over.
    const NEVER_TAKE_OVER: bool = false;
}

/// None.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoFaults;

impl Faults for NoFaults {}
