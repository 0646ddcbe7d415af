//! What can be broken on purpose: one fence, one write, one barrier at a time. A checker must notice each, or it
//! proves nothing where nothing is broken.

use super::faulty::*;
use super::protocol::{Recover, recover};

/// One thing that is broken.
#[derive(Debug, Clone, Copy)]
pub struct Mutation {
    /// Its name.
    pub name: &'static str,
    /// What it takes away.
    pub removes: &'static str,
    /// The invariants of which one must notice.
    pub notices: &'static [&'static str],
    /// The scenario that shows it.
    pub scenario: super::Scenario,
    /// How it is done.
    pub kind: Kind,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// In the core.
    Core(Recover),
    /// In what the core works with.
    Host(Broken),
}

/// What of a host is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is said by its mutation")]
pub enum Broken {
    Nothing,
    StoreAcksEarly,
    StoreTearsBatches,
    EpochIsForgotten,
    FencesBeginAnew,
    OrphansStay,
    DestroysOperators,
    KillsStrangers,
    PlansWithoutLeases,
    ReleasesUnclean,
    ExpiresUnderContainers,
    PromisesStay,
    FreesUntold,
    RecordsStay,
    AnyFenceWillDo,
    StartsUnguarded,
    GuardSleeps,
    FindsNothing,
    OpenGossip,
}

const fn core(
    name: &'static str,
    removes: &'static str,
    notices: &'static [&'static str],
    begin: Recover,
) -> Mutation {
    Mutation {
        name,
        removes,
        notices,
        scenario: super::Scenario::Safety,
        kind: Kind::Core(begin),
    }
}

const fn host(
    name: &'static str,
    removes: &'static str,
    notices: &'static [&'static str],
    broken: Broken,
) -> Mutation {
    Mutation {
        name,
        removes,
        notices,
        scenario: super::Scenario::Safety,
        kind: Kind::Host(broken),
    }
}

/// All of them.
pub static MUTATIONS: &[Mutation] = &[
    core(
        "send-before-persisted",
        "outbox: what depends on a write waits until it is durable",
        &["I3", "I4"],
        recover::<Hasty>,
    ),
    core(
        "ignore-highest-attempt",
        "owner: no promise for an attempt that is over",
        &["I8"],
        recover::<Forgetful>,
    ),
    core(
        "skip-barrier",
        "coordinator: no start before all have confirmed",
        &["I3"],
        recover::<Unbarred>,
    ),
    core(
        "never-expire",
        "owner: a promise ends when nobody asks about it",
        &["I5"],
        recover::<Holding>,
    ),
    core(
        "start-again",
        "owner: a start that comes twice is one start",
        &["I8"],
        recover::<Twice>,
    ),
    core(
        "skip-close",
        "coordinator: no attempt before the last is closed",
        &["I4"],
        recover::<Unclosed>,
    ),
    core(
        "confirm-unsaved",
        "owner: a confirmation is written down",
        &["I3"],
        recover::<ConfirmUnsaved>,
    ),
    core(
        "start-unsaved",
        "owner: a start is written down",
        &["I4", "I8", "I11"],
        recover::<StartUnsaved>,
    ),
    core(
        "go-unsaved",
        "coordinator: that members are started is written down",
        &["I4"],
        recover::<GoUnsaved>,
    ),
    core(
        "decide-unsaved",
        "register: a decision is durable before it is told",
        &["I4"],
        recover::<DecideUnsaved>,
    ),
    core(
        "forget-closed",
        "owner: which members are over is written down",
        &["I8"],
        recover::<ForgetClosed>,
    ),
    core(
        "count-from-answer",
        "owner: a promise counts from when the owner asked",
        &["I4"],
        recover::<CountFromAnswer>,
    ),
    core(
        "never-stop-silent",
        "owner: a member ends when its submitting host is silent",
        &["I4"],
        recover::<NeverStopSilent>,
    ),
    core(
        "released-at-once",
        "owner: released means that nothing is left",
        &["I4"],
        recover::<ReleasedAtOnce>,
    ),
    core(
        "close-at-once",
        "coordinator: a silent member is waited out",
        &["I4"],
        recover::<CloseAtOnce>,
    ),
    core(
        "forget-margin",
        "coordinator: it waits longer than the owner, for clocks and kills",
        &["I4"],
        recover::<ForgetMargin>,
    ),
    core(
        "skip-find",
        "owner: what runs is looked for after a crash",
        &["I9", "I5"],
        recover::<SkipFind>,
    ),
    core(
        "never-ask",
        "coordinator: a silent member that only its owner can give up is asked about",
        &["I9"],
        recover::<NeverAsk>,
    ),
    core(
        "ignore-term",
        "owner: it follows the highest term",
        &["I4", "I9"],
        recover::<IgnoreTerm>,
    ),
    core(
        "speak-without-authority",
        "coordinator: it speaks only while a majority says that it follows",
        &["I4", "I5"],
        recover::<SpeakWithoutAuthority>,
    ),
    core(
        "spare-own",
        "owner: members on the coordinator's own host are stopped like others",
        &["I4"],
        recover::<SpareOwn>,
    ),
    core(
        "resume-unasked",
        "coordinator: after a crash it asks whether it is one",
        &["I4", "I8"],
        recover::<ResumeUnasked>,
    ),
    core(
        "start-unconfirmed",
        "successor: all confirm to it before it starts any",
        &["I3"],
        recover::<StartUnconfirmed>,
    ),
    core(
        "heed-anybody",
        "keeper: it follows no lower term than it has accepted",
        &["I4", "I9"],
        recover::<HeedAnybody>,
    ),
    core(
        "never-take-over",
        "keeper: it takes over from a coordinator that is silent",
        &["I9"],
        recover::<NeverTakeOver>,
    ),
    host(
        "store-acks-early",
        "store: the flush before the acknowledgement",
        &["I7", "I3", "I4"],
        Broken::StoreAcksEarly,
    ),
    host(
        "store-tears-batches",
        "store: a batch is kept whole or not at all",
        &["I7"],
        Broken::StoreTearsBatches,
    ),
    host(
        "epoch-is-forgotten",
        "store: a lost store comes back with a higher epoch",
        &["I2"],
        Broken::EpochIsForgotten,
    ),
    host(
        "fences-begin-anew",
        "store: fences go on over a restart",
        &["I2"],
        Broken::FencesBeginAnew,
    ),
    host(
        "orphans-stay",
        "owner of the devices: what a crash left half cut is taken away",
        &["I7"],
        Broken::OrphansStay,
    ),
    host(
        "destroys-operators",
        "owner of the devices: only what kerf made is destroyed",
        &["I12"],
        Broken::DestroysOperators,
    ),
    host(
        "kills-strangers",
        "launcher: only what kerf started is killed",
        &["I12"],
        Broken::KillsStrangers,
    ),
    host(
        "plans-without-leases",
        "owner of the devices: what is leased is not free",
        &["I1"],
        Broken::PlansWithoutLeases,
    ),
    host(
        "releases-unclean",
        "owner of the devices: clean before it is given again",
        &["I11"],
        Broken::ReleasesUnclean,
    ),
    host(
        "expires-under-containers",
        "owner of the devices: a lease with a container does not expire",
        &["I11", "I1"],
        Broken::ExpiresUnderContainers,
    ),
    host(
        "promises-stay",
        "owner of the devices: a promise that a dead kerfd left ends by itself",
        &["I5"],
        Broken::PromisesStay,
    ),
    host(
        "frees-untold",
        "owner of the devices: what is free again is told",
        &["I13"],
        Broken::FreesUntold,
    ),
    host(
        "records-stay",
        "membership: a newer record takes the place of an older one",
        &["I10"],
        Broken::RecordsStay,
    ),
    host(
        "any-fence-will-do",
        "runtime: no container without the lease that it was promised",
        &["I1", "I2", "I11"],
        Broken::AnyFenceWillDo,
    ),
    host(
        "starts-unguarded",
        "launcher: no start after the guard's time",
        &["I4"],
        Broken::StartsUnguarded,
    ),
    host(
        "guard-sleeps",
        "guard: it ends a container although kerfd is dead",
        &["I4"],
        Broken::GuardSleeps,
    ),
    host(
        "finds-nothing",
        "launcher: a container that runs is found again",
        &["I4", "I11"],
        Broken::FindsNothing,
    ),
    Mutation {
        scenario: super::Scenario::Churn,
        ..host(
            "open-gossip",
            "membership: datagrams are opened with a key of the fleet",
            &["I14"],
            Broken::OpenGossip,
        )
    },
];

/// The mutation of this name.
pub fn by_name(name: &str) -> Option<&'static Mutation> {
    MUTATIONS.iter().find(|mutation| mutation.name == name)
}
