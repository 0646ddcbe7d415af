//! What hosts say to each other about one member of one attempt of one job.
//!
//! ```text
//!   submitting host                       owner of the devices
//!     Reserve ───────────────────────────►  Reserved | Refused | Waiting
//!            ◄───────── Wound ──────────── while an older job waits for what is reserved
//!     (decision: the job's register)
//!     Confirm ───────────────────────────►  Confirmed | Refused
//!     (all members confirmed)
//!     Start ─────────────────────────────►  Started | StartRefused
//!     Keep ◄─────────── Alive ──────────── while it is held or runs
//!     Release ───────────────────────────►  Released
//!            ◄───────── Ended ──────────── until released
//! ```
//! Where several hosts keep the job, the one that coordinates it speaks with its term, and a higher term replaces it.
//! Every message names (job, attempt, member) and changes nothing when it comes twice, late or out of order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ask::Ask;
use crate::gang::Gang;
use crate::host_record::HostRecord;
use crate::job::{JobSpec, Network};
use crate::{Bytes, Fence, HostId, JobId, LeaseId, Moment, Turn};

/// Which attempt at a job, counted from 1. A higher one closes all lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of a job's keepers coordinates it: it grows with each that takes over, and a message of a lower one is of one
/// that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Term(pub u32);

impl Term {
    /// Of a job that its submitting host keeps alone, and of owners, who follow.
    pub const NONE: Self = Self(0);

    /// The first of a job that several hosts keep.
    pub const FIRST: Self = Self(1);

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The least after the register was forced so many times (0: never): above all that those that were given up can have
    /// reached meanwhile, who take over once in some seconds at most.
    pub fn least_after(forced: u32) -> Self {
        Self(forced.saturating_mul(1 << 20))
    }

    /// Whether several hosts keep the job.
    pub fn is_shared(self) -> bool {
        self != Self::NONE
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: Attempt,
    /// The member, counted from 0.
    pub member: u32,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            job,
            attempt,
            member,
        } = self;
        write!(f, "job {job} attempt {attempt} member {member}")
    }
}

/// SHA-256 of a job's canonical description: part of its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpecHash(pub [u8; 32]);

/// What one member needs of its host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberAsk {
    /// Devices; `None` for a job without accelerators.
    pub accelerator: Option<Ask>,
    /// CPU in thousandths.
    pub cpu_milli: Option<u64>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Whether the network has to be the host's.
    pub host_network: bool,
}

impl MemberAsk {
    /// What each member of `spec` needs.
    pub fn of(spec: &JobSpec) -> Self {
        Self {
            accelerator: spec.accelerator.clone(),
            cpu_milli: spec.cpu_milli,
            memory: spec.memory,
            host_network: spec.network == Some(Network::Host),
        }
    }
}

/// A grant as its owner names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseId,
    /// Its fence.
    pub fence: Fence,
}

/// Who submitted a job, as the kernel of the submitting host said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct By {
    /// User id. Hosts of one fleet are taken to have one list of users.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Whether it is an admin of that host. It is never sent: nobody is an admin of another host.
    pub admin: bool,
}

/// How a member ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; `None` where nobody saw one, or where it was ended for its time limit.
    pub code: Option<i32>,
    /// Whether its host ended it since its time limit had passed.
    pub timed_out: bool,
    /// How it came to that, for people.
    pub reason: String,
}

/// Longest reason or exit text in bytes. Reasons name each GPU of a host, so they may be long.
pub const REASON_LIMIT: usize = 4_096;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMessage {
    /// What it is about.
    pub tag: Tag,
    /// The term of the coordinator that speaks; [`Term::NONE`] in what owners answer.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Hold devices for this member.
    Reserve {
        /// Identity of the job's description.
        spec_hash: SpecHash,
        /// What is needed.
        ask: MemberAsk,
        /// How long they are held when nobody is heard of.
        ttl: Duration,
        /// The port at which this member will be met, where it is the first of several.
        master_port: Option<u16>,
        /// When the job's turn is; `None` from a host that does not know of turns.
        turn: Option<Turn>,
        /// Hosts of which one speaks for the job when its coordinator is dead; empty where there is no other.
        keepers: Vec<HostId>,
    },
    /// The ask waits for its turn, and is to be sent again meanwhile. Said only to those who would wait.
    Waiting {
        /// The job whose turn is before, where it is one that is in the way.
        behind: Option<JobId>,
        /// What is in the way, for people.
        reason: String,
    },
    /// An older job waits for what is reserved for this member: unless the attempt is decided it is to be given up. Said
    /// only to those who have said when their own turn is.
    Wound {
        /// The older job.
        by: JobId,
    },
    /// They are held.
    Reserved(Grant),
    /// They are not held, or no longer.
    Refused {
        /// Why, for people.
        reason: String,
        /// How the host is now.
        record: Option<Box<HostRecord>>,
    },
    /// The attempt is decided; hold on to this grant.
    Confirm(Grant),
    /// It is held for the decided attempt.
    Confirmed,
    /// Everybody has confirmed: start.
    Start {
        /// Identity of the description.
        spec_hash: SpecHash,
        /// The description.
        spec: Arc<JobSpec>,
        /// Whose it is.
        by: By,
        /// Where all members are; `None` from a host of before there was such a list.
        gang: Option<Arc<Gang>>,
    },
    /// The container runs.
    Started,
    /// It does not, and will not in this attempt.
    StartRefused {
        /// Why.
        reason: String,
        /// Whether that host would refuse it again.
        lasting: bool,
    },
    /// Nothing of this member is wanted any more.
    Release,
    /// Nothing of it is left, and nothing of it will come.
    Released,
    /// The owner still has it.
    Alive {
        /// The owner's clock when it sent this; the answer hands it back.
        sent: Moment,
    },
    /// It is still wanted.
    Keep {
        /// What the owner's clock said in the message that this answers.
        sent: Moment,
    },
    /// These keep the job from now on.
    Keepers(Vec<HostId>),
    /// The submitting host has lost its memory of what it heard: say again how it is.
    Query,
    /// The container has ended.
    Ended(Exit),
}

impl Body {
    /// The word in logs and events.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reserve { .. } => "reserve",
            Self::Waiting { .. } => "waiting",
            Self::Wound { .. } => "wound",
            Self::Reserved(_) => "reserved",
            Self::Refused { .. } => "refused",
            Self::Confirm(_) => "confirm",
            Self::Confirmed => "confirmed",
            Self::Start { .. } => "start",
            Self::Started => "started",
            Self::StartRefused { .. } => "start-refused",
            Self::Release => "release",
            Self::Released => "released",
            Self::Alive { .. } => "alive",
            Self::Keep { .. } => "keep",
            Self::Keepers(_) => "keepers",
            Self::Query => "query",
            Self::Ended(_) => "ended",
        }
    }
}
