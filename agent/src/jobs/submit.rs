//! Taking a job in. The client chooses the id, so that the same submit twice is one job.

use std::sync::Arc;

use kerf_api::json::job;
use kerf_types::job::{JobSpec, JobState};
use kerf_types::peer::{By, SpecHash};
use kerf_types::{Bytes, JobId};

use super::inner::{Entry, Inner};
use super::{JobError, Jobs, Wish};
use crate::host::now;
use crate::host::policy::may_ask;
use crate::launcher::Submitter;
use crate::store::JobRow;

/// Jobs that have not ended. Each has a task and, once it waits, a try per change of the host.
const ACTIVE_LIMIT: usize = 4_096;

/// Bound on the descriptions of all jobs that have not ended: kerfd keeps them in memory, and 4,096 of the
/// largest would be a gigabyte.
const ACTIVE_SPECS: Bytes = Bytes(64 << 20);

/// What jobs that have not ended amount to.
#[derive(Debug, Default)]
struct Load {
    jobs: usize,
    /// Those of the same user.
    own: usize,
    /// Bytes of their descriptions.
    specs: usize,
}

impl Jobs {
    /// Accepts a job: once this returns, it is in the store and outlives kerfd.
    pub fn submit(
        &self,
        submitter: Submitter,
        id: JobId,
        document: &str,
    ) -> Result<JobRow, JobError> {
        let spec = job::parse(document).map_err(JobError::Spec)?;
        if spec.terminal && spec.members != 1 {
            return Err(JobError::Terminals {
                members: spec.members,
            });
        }
        self.check_ask(&spec)?;
        let spec_hash = job::hash_text(&job::spec_hash(&spec));
        let row = JobRow {
            id,
            submitter,
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
            placed: None,
            explanation: None,
        };
        let spec_hash = SpecHash(job::spec_hash(&spec));
        if let Some(known) = self.keep(&row, spec.clone())? {
            return Ok(known);
        }
        self.inner.events.add("job", &id.to_string(), "submitted");
        self.inner.wish(Wish::Submit {
            job: id,
            spec: Arc::new(spec),
            spec_hash,
            by: by(row.submitter),
            at: row.submitted,
        });
        Ok(row)
    }

    /// Jobs are containers of kerf's own namespace, and what `[launch.asks]` says of that binds them too.
    fn check_ask(&self, spec: &JobSpec) -> Result<(), JobError> {
        let launch = &self.inner.config().launch;
        match &spec.accelerator {
            Some(ask) if !may_ask(&launch.asks, &launch.namespace, &ask.to_string()) => {
                Err(JobError::NotAllowed {
                    namespace: launch.namespace.clone(),
                    ask: ask.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Writes a new job down, or gives the one that was submitted before under the same id. The store is
    /// held all the while: nobody is told of a job whose first write may still fail.
    fn keep(&self, row: &JobRow, spec: JobSpec) -> Result<Option<JobRow>, JobError> {
        tokio::task::block_in_place(|| {
            let mut store = self.inner.store.lock();
            if let Some(known) = self.inner.row(row.id) {
                let same = known.spec_hash == row.spec_hash && known.uid() == row.uid();
                return if same {
                    Ok(Some(known))
                } else {
                    Err(JobError::OtherSpec { id: row.id })
                };
            }
            if self.inner.problems.is_unreadable(row.id) {
                return Err(JobError::Unreadable { id: row.id });
            }
            self.check_load(row)?;
            store.put_job(row)?;
            self.inner.copies.keep(row);
            let entry = Entry::new(spec, row.clone());
            self.inner.table().insert(row.id, entry);
            self.inner.count();
            Ok(None)
        })
    }

    /// One user must not take all the room that there is for jobs.
    fn check_load(&self, row: &JobRow) -> Result<(), JobError> {
        let load = load(&self.inner, row.uid());
        if load.jobs >= ACTIVE_LIMIT {
            return Err(JobError::TooMany { active: load.jobs });
        }
        let most = self.inner.config().launch.max_jobs_per_user;
        if load.own >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(JobError::TooManyOfUser {
                uid: row.uid(),
                most,
            });
        }
        let specs = u64::try_from(load.specs + row.spec.len()).unwrap_or(u64::MAX);
        if specs > ACTIVE_SPECS.0 {
            return Err(JobError::TooMuch {
                limit: ACTIVE_SPECS,
            });
        }
        Ok(())
    }
}

fn load(inner: &Inner, uid: u32) -> Load {
    let mut load = Load::default();
    for entry in inner.table().values() {
        let row = entry.row.borrow();
        if !row.state.is_final() {
            load.jobs += 1;
            load.own += usize::from(row.uid() == uid);
            load.specs += row.spec.len();
        }
    }
    load
}

/// Who submitted a job, in the words of the scheduler.
pub fn by(submitter: Submitter) -> By {
    By {
        uid: submitter.ids.uid,
        gid: submitter.ids.gid,
        admin: submitter.admin,
    }
}
