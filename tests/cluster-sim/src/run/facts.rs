//! What happens in the world, in words that every checker understands.

use kerf_scheduler::Saved;
use kerf_scheduler::core::Change;
use kerf_types::peer::{Grant, Tag};
use kerf_types::{JobId, PciAddress};

use super::store::Batch;
use crate::world::HostIndex;

/// A part of a GPU: units of its grid. A whole GPU is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The GPU.
    pub gpu: PciAddress,
    /// First unit.
    pub start: u8,
    /// Number of units.
    pub size: u8,
}

impl Share {
    /// Whether both have a unit in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |share: &Self| share.start.saturating_add(share.size);
        self.gpu == other.gpu && self.start < end(other) && other.start < end(self)
    }
}

/// To whom something belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// kerf made it for an ask.
    Kerf,
    /// An operator made it: kerf gives it and never destroys it.
    Operator,
    /// Something that kerf does not know.
    Stranger,
}

/// Something that has happened.
#[derive(Debug)]
pub enum Fact<'a> {
    /// A client hands a job over.
    Submitted {
        /// The job.
        job: JobId,
        /// Its members.
        members: u32,
    },
    /// A host has made a batch durable.
    Durable {
        /// The host.
        host: HostIndex,
        /// What.
        batch: &'a Batch,
    },
    /// A host's core was told that a batch is durable.
    Acknowledged {
        /// The host.
        host: HostIndex,
        /// Its number.
        batch: u64,
    },
    /// A host's store is gone.
    StoreLost {
        /// The host.
        host: HostIndex,
    },
    /// A core has begun from a store.
    Recovered {
        /// The host.
        host: HostIndex,
        /// What was read.
        saved: &'a Saved,
        /// Jobs that the core goes on with.
        jobs: Vec<JobId>,
        /// Members that it goes on with.
        members: Vec<Tag>,
    },
    /// kerfd has taken its first look: this many instances of its own are covered by no lease.
    FirstLook {
        /// The host.
        host: HostIndex,
        /// How many.
        orphans: usize,
    },
    /// A lease was given.
    Granted {
        /// The host.
        host: HostIndex,
        /// For whom.
        tag: Tag,
        /// The lease.
        grant: Grant,
        /// What.
        shares: &'a [Share],
    },
    /// A lease is gone.
    Released {
        /// The host.
        host: HostIndex,
        /// The lease.
        grant: Grant,
    },
    /// Nothing of an earlier user is left on a part of a GPU.
    Cleaned {
        /// The host.
        host: HostIndex,
        /// The part.
        share: Share,
    },
    /// An instance was destroyed.
    Destroyed {
        /// The host.
        host: HostIndex,
        /// Whose it was.
        owner: Owner,
    },
    /// The driver would not make what the planner chose.
    DriverRefused {
        /// The host.
        host: HostIndex,
        /// Why.
        why: &'a str,
    },
    /// A container starts.
    Started {
        /// The host.
        host: HostIndex,
        /// Which.
        tag: Tag,
        /// The lease that it comes with.
        grant: Grant,
        /// What it uses.
        shares: &'a [Share],
    },
    /// A container is gone.
    Ended {
        /// The host.
        host: HostIndex,
        /// Which.
        tag: Tag,
    },
    /// kerf kills a process.
    Killed {
        /// The host.
        host: HostIndex,
        /// Whether kerf started it.
        ours: bool,
    },
    /// A host was without power: whatever ran or was promised is gone.
    PowerLost {
        /// The host.
        host: HostIndex,
    },
    /// A datagram came that nobody of the fleet sealed.
    Forged {
        /// The host that it came to.
        host: HostIndex,
        /// What it changed there.
        changed: Option<String>,
    },
}

/// The changes of a batch that speak of decisions and members, in a form that is short to match.
pub fn changes<'a>(fact: &'a Fact<'_>) -> &'a [Change] {
    match fact {
        Fact::Durable { batch, .. } => &batch.changes,
        _ => &[],
    }
}
