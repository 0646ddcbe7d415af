//! Versions of peers' calls: which of them a host speaks, to whom, and what it says to one with which it has none in common.
//!
//! As in gossip, each call says in which version it is written and up to which its sender reads. A host speaks to another in the
//! older of both sides' newest, and in its oldest to one of which it has not heard yet: so releases N and N-1 understand
//! each other, whichever is updated first.

use tonic::Status;

/// Versions that a host reads, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The oldest: of the release before.
    pub oldest: u32,
    /// The newest. Lower than that of [`Versions::OURS`] a host speaks as an earlier release.
    pub newest: u32,
}

impl Versions {
    /// Those of this release.
    pub const OURS: Self = Self {
        oldest: 1,
        newest: 1,
    };

    /// The version for a call to a host that reads up to `reads`; 0 where that is not known.
    pub(super) fn for_reader(self, reads: u32) -> i32 {
        let version = reads.clamp(self.oldest, self.newest);
        i32::try_from(version).unwrap_or(i32::MAX)
    }

    /// Refuses a call that is not in one of these; the text names both sides' versions.
    pub(super) fn check(self, version: i32, reads: u32) -> Result<(), Status> {
        let Self { oldest, newest } = self;
        let spoken = u32::try_from(version).unwrap_or(0);
        if (oldest..=newest).contains(&spoken) {
            return Ok(());
        }
        let reads = reads.max(spoken);
        Err(Status::unimplemented(format!(
            "the call is of version {version} and its sender reads up to {reads}, this host understands {oldest} to {newest}: \
             the older of the two hosts is to be updated"
        )))
    }
}
