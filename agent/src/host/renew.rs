//! Keeping a promise for longer, for the one who made it or for an operator.

use std::time::Duration;

use kerf_types::LeaseId;
use kerf_types::lease::{Lease, LeaseState};

use super::grant::{expiry, refuse_foreign, user_of};
use super::{Host, HostError, now};
use crate::process::BootMoment;

impl Host {
    /// Keeps a promise for longer.
    pub(super) fn renew(&mut self, id: LeaseId, ttl: Duration) -> Result<(), HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        let mut row = self.leases.get(&id).ok_or_else(unknown)?.clone();
        match row.lease.state {
            LeaseState::Reserved => {
                row.lease.expires = Some(expiry(now(), ttl));
                row.until = Some(BootMoment::now().after(ttl));
                self.put(row)
            }
            LeaseState::Active => Ok(()),
            LeaseState::Releasing => Err(unknown()),
        }
    }

    /// Keeps a promise for longer for the one who made it (`by`) or an operator (`None`).
    pub(super) fn renew_by_request(
        &mut self,
        id: LeaseId,
        ttl: Duration,
        by: Option<u32>,
    ) -> Result<Lease, HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        let row = self.leases.get(&id).ok_or_else(unknown)?;
        refuse_foreign(row, by)?;
        if row.lease.state == LeaseState::Active {
            return Err(HostError::Busy {
                what: format!("lease {id}"),
                state: "active, and lasts as long as what has it".to_owned(),
                by: Some(user_of(&row.lease)),
            });
        }
        self.renew(id, ttl)?;
        self.publish();
        let row = self.leases.get(&id).ok_or_else(unknown)?;
        Ok(row.lease.clone())
    }
}
