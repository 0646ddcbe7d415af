//! What was counted: every datagram that came, every one that was dropped and why, every refusal.

use std::collections::BTreeMap;

use crate::seal::OpenError;
use crate::vouch::ProofError;
use crate::wire::Malformed;

/// Why a datagram was dropped, whole and without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DropReason {
    /// Longer than any datagram of ours.
    #[error("it is too long")]
    Oversized,
    /// Another protocol's.
    #[error("it is not gossip of kerf")]
    NotGossip,
    /// A layout that is not read here.
    #[error("its version is not read here")]
    Version,
    /// Of another fleet.
    #[error("it belongs to another cluster")]
    ForeignCluster,
    /// It could not be opened.
    #[error("it cannot be opened: {0}")]
    Sealed(OpenError),
    /// Its body is not a message.
    #[error("its body is malformed")]
    Malformed(#[from] Malformed),
    /// It comes in this host's own name, or says things of this host that this host never said.
    #[error("it speaks in this host's name")]
    OwnName,
    /// A known host in a known life with another name or address.
    #[error("it contradicts who its sender is")]
    Contradiction,
    /// The sender is no living member, and what it sends is for members.
    #[error("its sender is no member")]
    Stranger,
    /// It was sent to another host, or to an earlier life of this one.
    #[error("it is for somebody else")]
    NotForUs,
    /// SWIM refused it.
    #[error("SWIM refuses it")]
    Swim,
    /// This host has left, or answered as much as it does in one round.
    #[error("nothing more is answered in this round")]
    Busy,
    /// Its sender has said more in this round than any host has to say.
    #[error("its sender talks too much")]
    Rate,
}

impl DropReason {
    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::NotGossip => "not_gossip",
            Self::Version => "version",
            Self::ForeignCluster => "foreign_cluster",
            Self::Sealed(why) => why.label(),
            Self::Malformed(_) => "malformed",
            Self::OwnName => "own_name",
            Self::Contradiction => "contradiction",
            Self::Stranger => "stranger",
            Self::NotForUs => "not_for_us",
            Self::Swim => "swim",
            Self::Busy => "busy",
            Self::Rate => "rate",
        }
    }
}

/// How a probe of another host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeEnd {
    /// It answered.
    Answered,
    /// It answered others that had been asked to help, and nothing came from itself.
    Helped,
    /// Nobody heard of it in time.
    Unanswered,
}

impl ProbeEnd {
    /// The end as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Helped => "helped",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Counts since the core was made. They only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Datagrams received, dropped ones included.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Datagrams dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Probes of other hosts that have ended, by how.
    pub probes: BTreeMap<ProbeEnd, u64>,
    /// Records that came and were not newer than what was kept.
    pub records_old: u64,
    /// Records that came for a host that is no member.
    pub records_unknown: u64,
    /// Records that claimed to be ours and newer than ours.
    pub records_forged: u64,
    /// Records that were newer and did not show that they are their writer's, by reason.
    pub records_unproven: BTreeMap<ProofError, u64>,
    /// Members and updates that were left out since the view is full.
    pub members_refused: u64,
    /// Answers to pulls that came when nobody waited for them any more. What they hold is used all the same.
    pub pulls_late: u64,
    /// Pulls that failed or ran out of time.
    pub pulls_failed: u64,
    /// Times that the fleet held this host for dead while it lived.
    pub renewals: u64,
    /// Messages that were made and could not be sent: a defect of ours.
    pub unsendable: u64,
    /// Messages that could not be sealed: this life has used all its nonces, or there is no key.
    pub unsealed: u64,
}

impl Stats {
    /// How many datagrams were dropped, whatever the reason.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.values().sum()
    }
}
