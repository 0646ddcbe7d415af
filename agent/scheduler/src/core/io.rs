//! What a core is told, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::{JobSpec, JobState};
use kerf_types::peer::{Attempt, By, Exit, Grant, MemberAsk, PeerMessage, SpecHash, Tag, Term};
use kerf_types::{Gang, HostId, HostRecord, JobId, Moment, Timestamp};

use super::kept::KeeperMessage;
use super::saved::{Change, JobRow};
use crate::explain::Explanation;
use crate::fleet::Liveness;

/// Something that has happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody submits a job here. The same id again is the same job.
    Submit {
        /// Its id, chosen by the client.
        job: JobId,
        /// Its description.
        spec: Arc<JobSpec>,
        /// Hash of the description.
        spec_hash: SpecHash,
        /// Whose it is.
        by: By,
        /// When, by the wall clock of this host. It serves the order of turns alone, and a client does not choose it.
        at: Timestamp,
    },
    /// Somebody wants a job that was submitted here to end.
    Cancel {
        /// Which.
        job: JobId,
    },
    /// An operator gives up keepers of a job, which are a majority and lost ([`Core::force_plan`](super::Core::force_plan)
    /// says what it comes to). Where that refuses, nothing is done.
    Force {
        /// Which.
        job: JobId,
        /// The hosts.
        give_up: Vec<HostId>,
    },
    /// A batch is on disk, and every batch before it.
    Persisted {
        /// Its number.
        batch: u64,
    },
    /// A peer says something. The driver has made sure that it is `from` who speaks.
    Message {
        /// Who.
        from: HostId,
        /// What.
        message: PeerMessage,
    },
    /// A peer says something about a job that both keep. As with `Message`.
    Keeper {
        /// Who.
        from: HostId,
        /// What.
        message: Box<KeeperMessage>,
    },
    /// The local host has done, or not done, what it was asked.
    Local {
        /// For whom.
        tag: Tag,
        /// What came of it.
        event: LocalEvent,
    },
    /// A host's record, its own included. An older one than is known changes nothing.
    Record(Arc<HostRecord>),
    /// The record that is known of a host is still its newest.
    StillFresh(HostId),
    /// Membership has made up its mind about a host.
    Peer {
        /// The host.
        host: HostId,
        /// How it is.
        liveness: Liveness,
    },
    /// A host is forgotten for good.
    Forget(HostId),
    /// Nothing but time has passed.
    Wake,
}

/// What came of a local command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalEvent {
    /// The devices are promised.
    Reserved(Grant),
    /// They are not.
    Refused {
        /// Why.
        reason: String,
        /// Whether it is for want of room, so that it may be otherwise when somebody else lets go.
        room: bool,
        /// The host's record as it is now.
        record: Option<Box<HostRecord>>,
    },
    /// This lease is gone, or was gone before.
    Released(Grant),
    /// The container runs.
    Started,
    /// It was not made and will not be. The lease is still there.
    StartRefused {
        /// Why.
        reason: String,
        /// Whether it would be refused again.
        lasting: bool,
    },
    /// The container has ended; its lease has gone with it.
    Ended(Exit),
    /// There is no such container and no trace of one (the answer to [`LocalCommand::Find`]): where it was made
    /// and is gone, the answer is `Ended`.
    NotFound,
}

/// Something that the core wants of its own host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalCommand {
    /// Promise devices. Answered by `Reserved` or `Refused`.
    Reserve {
        /// What is needed.
        ask: MemberAsk,
        /// When the lease ends by itself.
        ttl: Duration,
        /// A port that is to be kept for it too, where it is the first of several members.
        master_port: Option<u16>,
    },
    /// Keep the promise for longer. Not answered.
    Renew {
        /// Which.
        grant: Grant,
        /// How much longer, from now.
        ttl: Duration,
    },
    /// End a lease that no container has. Answered by `Released`, also when there is no such lease.
    Release {
        /// Which.
        grant: Grant,
    },
    /// Start the container with this lease. Answered by `Started` and then `Ended`, or by `StartRefused`.
    Start {
        /// Its lease.
        grant: Grant,
        /// The job.
        spec: Arc<JobSpec>,
        /// Whose it is.
        by: By,
        /// The host that coordinates it.
        coordinator: HostId,
        /// Where all members are, if that is known.
        gang: Option<Arc<Gang>>,
        /// The host that answers for whose it is: where it was submitted, if that is known here, else who coordinates it.
        home: HostId,
        /// In which term.
        term: Term,
        /// Those that may take over: they are kept with the container, so that a host that has lost its store knows to
        /// whom to speak of it.
        keepers: Vec<HostId>,
        /// When the container must begin to end unless a `Guard` says so. A moment and not a span: a command waits
        /// for the disk and for those before it, and the submitting host does not wait for that.
        guard: Option<Moment>,
    },
    /// The container is wanted until then. Something that outlives kerfd ends it when this and the job's own grace
    /// have passed: soon after it may be started elsewhere. Not answered.
    Guard {
        /// Its lease.
        grant: Grant,
        /// Until when.
        until: Moment,
    },
    /// Stop the container, or do not start it. Answered by `Ended` or `StartRefused`.
    Stop {
        /// Time between the signals.
        grace: Duration,
    },
    /// kerfd has begun anew: say whether the container runs. Answered by `Started`, `Ended` or `NotFound`.
    Find {
        /// Its lease.
        grant: Grant,
    },
}

/// Something that the core wants done. Outputs are carried out in their order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Write all of this, or none, and answer with `Persisted`.
    Persist {
        /// Counts up from 1 in the life of a core.
        batch: u64,
        /// What.
        changes: Vec<Change>,
    },
    /// Send to a peer. It may be lost: the core sends again what matters.
    Send {
        /// To whom.
        to: HostId,
        /// What.
        message: PeerMessage,
    },
    /// Send to a peer that keeps the same job. As with `Send`.
    ToKeeper {
        /// To whom.
        to: HostId,
        /// What.
        message: Box<KeeperMessage>,
    },
    /// Do something on this host.
    Local {
        /// For whom.
        tag: Tag,
        /// What.
        command: LocalCommand,
    },
    /// This host coordinates a job from now on that another one did before.
    Took {
        /// The job as its keepers know it.
        row: Box<JobRow>,
        /// The host that it was submitted to.
        home: HostId,
    },
    /// Another host coordinates the job now.
    Handed {
        /// The job.
        job: JobId,
        /// Who.
        to: HostId,
    },
    /// The register of a job that this host keeps was forced: what those that were given up had agreed on may be lost. Said
    /// once for each force, by each host that keeps the job from then on.
    Forced {
        /// The job.
        job: JobId,
        /// The host at which an operator did it.
        by: HostId,
        /// The keepers that were given up.
        given_up: Vec<HostId>,
    },
    /// A job that was submitted here is in another state, or in the same for another reason.
    Report(Report),
}

/// How a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The job.
    pub job: JobId,
    /// The attempt that this is about.
    pub attempt: Attempt,
    /// Its state. `Lost` is also said of a job whose host is silent while it may run on there.
    pub state: JobState,
    /// Whether nothing more will happen to it.
    pub settled: bool,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Why it is so.
    pub reason: String,
    /// How often it was started again, as its restart policy counts it.
    pub restarts: u32,
    /// Where its members are.
    pub hosts: Vec<HostId>,
    /// What was said of each host when it was last placed.
    pub explanation: Option<Arc<Explanation>>,
}
