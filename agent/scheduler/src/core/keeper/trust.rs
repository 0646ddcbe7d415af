//! What is believed of another keeper: all that it says of a job but whose job it is and what it runs.
//!
//! Any member of the fleet can speak of any register. So a register of a job that was taken in here begins here alone, and
//! nothing that others say changes a job's description or its owner: else a member could have its own program run as
//! anybody on every other host.

use kerf_register::{Body, Message};
use kerf_types::JobId;

use crate::core::kept::Kept;
use crate::core::{Core, Faults};

impl<F: Faults> Core<F> {
    /// A message about a register as far as it is believed; `None` where it is not heard.
    pub(super) fn believed(
        &self,
        mut message: Box<Message<JobId, Kept>>,
    ) -> Option<Box<Message<JobId, Kept>>> {
        let is_home = message.root.host == self.id;
        let own = self.keeper.kept(message.key);
        if own.is_none() && is_home {
            // It was never founded, or has ended and is forgotten: nothing of it begins anew. That it has ended may be told.
            let begins = matches!(message.body, Body::Prepare { .. } | Body::Accept { .. });
            return Some(message).filter(|_| !begins);
        }
        let told = match &mut message.body {
            Body::Promise { accepted, .. } => accepted.as_mut().map(|one| &mut one.state.value),
            Body::Nack { forced, .. } => forced.as_mut().map(|one| &mut one.state.value),
            Body::Accept { state, .. } => Some(&mut state.value),
            Body::Retired { last, .. } => Some(&mut last.state.value),
            _ => None,
        };
        let Some(told) = told else {
            return Some(message);
        };
        // Nobody is an admin of another host; here the job is whose it was when it was taken in.
        told.row.by.admin = false;
        let Some(own) = own else {
            return Some(message);
        };
        let (by, known) = (&mut told.row.by, own.row.by);
        let is_same = (by.uid, by.gid) == (known.uid, known.gid)
            && told.row.spec_hash == own.row.spec_hash
            && told.row.spec == own.row.spec;
        by.admin = is_home && known.admin;
        Some(message).filter(|_| is_same)
    }
}
