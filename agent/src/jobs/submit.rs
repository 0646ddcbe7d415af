//! Taking a job in. The client chooses the id, so that the same submit twice is one job.

use std::sync::Arc;

use kerf_api::json::job;
use kerf_types::JobId;
use kerf_types::job::JobState;
use tokio::sync::watch;

use super::{ACTIVE_LIMIT, Entry, JobError, Jobs, run};
use crate::host::now;
use crate::store::JobRow;

impl Jobs {
    /// Accepts a job: once this returns, it is in the store and outlives kerfd.
    pub fn submit(&self, uid: u32, id: JobId, document: &str) -> Result<JobRow, JobError> {
        let spec = job::parse(document).map_err(JobError::Spec)?;
        if spec.members != 1 {
            return Err(JobError::Members {
                members: spec.members,
            });
        }
        let spec_hash = job::hash_text(&job::spec_hash(&spec));
        let row = JobRow {
            id,
            uid,
            spec: job::canonical_json(&spec),
            spec_hash,
            state: JobState::Pending,
            reason: "submitted".to_owned(),
            exit_code: None,
            container: None,
            lease: None,
            submitted: now(),
            started: None,
            ended: None,
            restarts: 0,
            cancel_requested: false,
        };
        {
            let mut table = self.inner.table();
            if let Some(known) = table.get(&id) {
                let known = known.row.borrow().clone();
                let same = known.spec_hash == row.spec_hash && known.uid == uid;
                return if same {
                    Ok(known)
                } else {
                    Err(JobError::OtherSpec { id })
                };
            }
            let active = table
                .values()
                .filter(|entry| !entry.row.borrow().state.is_final())
                .count();
            if active >= ACTIVE_LIMIT {
                return Err(JobError::TooMany { active });
            }
            let entry = Entry {
                spec: Arc::new(spec),
                row: watch::Sender::new(row.clone()),
                terminal: None,
            };
            table.insert(id, entry);
        }
        if let Err(error) = self.inner.update(id, |_| {}) {
            self.inner.table().remove(&id);
            return Err(error);
        }
        self.inner.events.add("job", &id.to_string(), "submitted");
        tokio::spawn(run::resume(Arc::clone(&self.inner), id));
        Ok(row)
    }
}
