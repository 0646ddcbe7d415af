//! Jobs that were submitted to another host, which is dead, and that this one coordinates now.

use kerf_api::json::job;
use kerf_scheduler::core;
use kerf_types::JobId;
use kerf_types::job::JobState;

use super::Jobs;
use super::inner::Entry;
use crate::errors::chain;
use crate::host::now;
use crate::launcher::{Submitter, UserIds};
use crate::store::{JobRow, Placed};

impl Jobs {
    /// Shows such a job from here on: whoever asks this host sees how it goes on. One that is known already stays as it
    /// is.
    pub fn take_over(&self, taken: &core::JobRow, home: &str) {
        let id = taken.job;
        let row = self.row_of(taken, home);
        let kept = tokio::task::block_in_place(|| {
            let mut store = self.inner.store.lock();
            if self.inner.row(id).is_some() {
                return Ok(false);
            }
            store.put_job(&row)?;
            self.inner.copies.keep(&row);
            let entry = Entry::new((*taken.spec).clone(), row);
            self.inner.table().insert(id, entry);
            Ok::<_, crate::store::StoreError>(true)
        });
        match kept {
            Ok(true) => {
                let text = format!("taken over: {home}, where it was submitted, is silent");
                self.inner.events.add("job", &id.to_string(), &text);
                self.inner.count();
            }
            Ok(false) => {}
            Err(error) => {
                // The scheduler goes on with it all the same.
                tracing::warn!(job.id = %id, error = chain(&error), "job that was taken over not shown");
            }
        }
    }

    /// Says of a job that its register was forced at a host, without others: what these alone had agreed on is lost.
    pub fn forced(&self, id: JobId, by: &str, given_up: &[String]) {
        let given_up = given_up.join(", ");
        tracing::warn!(job.id = %id, by, given_up, "an operator has given keepers of a job up");
        self.inner.metrics.job_registers_forced.inc();
        let text = format!(
            "goes on by force of an operator at {by}, without {given_up} and what they alone had agreed on"
        );
        self.inner.events.add("job", &id.to_string(), &text);
    }

    /// Counts the members that are held here for attempts of which nobody says how they were decided.
    pub fn doubt(&self, members: usize) {
        self.inner.metrics.members_in_doubt.set([], members);
    }

    fn row_of(&self, taken: &core::JobRow, home: &str) -> JobRow {
        // A number of another host's user is somebody else here, unless all hosts have one list of users.
        let by = taken.by;
        let shared = self.inner.config().peers.same_users;
        let ids = UserIds {
            uid: by.uid,
            gid: by.gid,
        };
        JobRow {
            id: taken.job,
            submitter: Submitter {
                ids: if shared { ids } else { UserIds::NOBODY },
                admin: false,
            },
            spec: job::canonical_json(&taken.spec),
            spec_hash: job::hash_text(&taken.spec_hash.0),
            state: JobState::Pending,
            reason: format!("{home}, where it was submitted, is silent"),
            exit_code: None,
            container: None,
            lease: None,
            // No clock of another host is compared with this one's.
            submitted: now(),
            started: None,
            ended: None,
            restarts: taken.restarts,
            cancel_requested: taken.cancelled,
            placed: None::<Placed>,
            explanation: None,
        }
    }
}
