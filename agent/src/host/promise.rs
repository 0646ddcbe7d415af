//! Promises without a name: those to members of jobs, whose containers nothing but kerf-runtime makes.
//!
//! ```text
//!   reserve ──► promised, without a CDI name ──► kerf-runtime comes: the name is written, then it is active
//!                        └──► taken back: the row goes, and that is all
//! ```
//! Most of them are never more than a few milliseconds old, and one in a gang that finds no room elsewhere is given back at
//! once. Until kerf-runtime has come nobody was given anything: no process can have the devices by it, so there is nobody to
//! look for and nothing to make clean. What other promises owe (`carried`, `release`) they do not.

use kerf_types::LeaseId;
use kerf_types::lease::{Lease, LeaseState, Subject};

use super::{Host, HostError, attached};
use crate::errors::chain;
use crate::store::LeaseRow;

/// Whether a lease is a promise that is as it was made, on what stood before it and stays: nothing but its row ends with it.
pub(super) fn is_untouched(row: &LeaseRow) -> bool {
    let lease = &row.lease;
    let stands = |subject: &Subject| match subject {
        Subject::Slice { share, .. } | Subject::Gpu { share, .. } => share.is_none(),
    };
    row.is_nameless
        && lease.state == LeaseState::Reserved
        && row.cut.is_empty()
        && lease.imex.is_none()
        && lease.devices.is_empty()
        && lease.subjects.iter().all(stands)
}

impl Host {
    /// Ends an untouched promise; whether that could be written. It is shown once whoever waits has the answer.
    pub(super) fn end_untouched(&mut self, id: LeaseId, cause: &'static str) -> bool {
        let Some(row) = self.leases.get(&id) else {
            return false;
        };
        let lease = row.lease.clone();
        if self.forget(&lease).is_err() {
            return false;
        }
        self.metrics.lease_releases.inc([cause]);
        self.recovered(&format!("lease {id}"));
        self.recovered(&attached::named(id));
        self.events.add("lease", &id.to_string(), "ended");
        self.is_unshown = true;
        true
    }

    /// Gives a promise the CDI name that it has none of yet: its container comes.
    pub(super) async fn name_at_last(&mut self, lease: &Lease) -> Result<(), HostError> {
        let row = self.leases.get(&lease.id);
        if row.is_none_or(|row| !row.is_nameless) {
            return Ok(());
        }
        let device = self.lease_device(lease).await?;
        self.write_lease_name(lease, &device)
            .map_err(HostError::Cdi)
    }

    /// Takes the name away that a promise was about to get: its container did not come to it.
    pub(super) fn unname(&mut self, id: LeaseId) {
        if self.leases.get(&id).is_some_and(|row| row.is_nameless)
            && let Err(error) = self.cdi.remove_lease(&id.to_string())
        {
            self.degrade("cdi", chain(&error), "check paths.cdi_dir");
        }
    }
}

#[cfg(test)]
mod tests;
