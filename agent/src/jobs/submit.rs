//! Taking a job in. The client chooses the id, so that the same submit twice is one job.

use std::sync::Arc;

use kerf_api::json::job;
use kerf_types::JobId;
use kerf_types::job::{JobSpec, JobState};
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
        if let Some(known) = self.keep(&row, spec)? {
            return Ok(known);
        }
        self.inner.events.add("job", &id.to_string(), "submitted");
        tokio::spawn(run::resume(Arc::clone(&self.inner), id));
        Ok(row)
    }

    /// Writes a new job down, or gives the one that was submitted before under the same id. The store is
    /// held all the while: nobody is told of a job whose first write may still fail.
    fn keep(&self, row: &JobRow, spec: JobSpec) -> Result<Option<JobRow>, JobError> {
        tokio::task::block_in_place(|| {
            let mut store = self.inner.store();
            if let Some(known) = self.inner.row(row.id) {
                let same = known.spec_hash == row.spec_hash && known.uid == row.uid;
                return if same {
                    Ok(Some(known))
                } else {
                    Err(JobError::OtherSpec { id: row.id })
                };
            }
            let active = self.inner.active();
            if active >= ACTIVE_LIMIT {
                return Err(JobError::TooMany { active });
            }
            store.put_job(row)?;
            let entry = Entry {
                spec: Arc::new(spec),
                row: watch::Sender::new(row.clone()),
                terminal: None,
                cleared: watch::Sender::new(false),
            };
            self.inner.table().insert(row.id, entry);
            self.inner.count();
            Ok(None)
        })
    }
}
