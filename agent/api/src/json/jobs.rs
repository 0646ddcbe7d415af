//! `kerf jobs`: the jobs of a host.

use serde::Serialize;

use super::job::{JobSpecDocument, JobSpecError, read};
use super::{schema_tag, time};
use crate::v1;

schema_tag!(JobsSchema, "kerf.v1.Jobs");
schema_tag!(JobSchema, "kerf.v1.Job");

/// The jobs of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jobs {
    /// Names this document.
    pub schema: JobsSchema,
    /// The jobs.
    pub jobs: Vec<JobEntry>,
}

/// One job as a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Names this document.
    pub schema: JobSchema,
    /// The job.
    #[serde(flatten)]
    pub job: JobEntry,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobEntry {
    /// Its id.
    pub id: String,
    /// `pending`, `starting`, `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    pub state: String,
    /// Why it is in that state.
    pub reason: String,
    /// Its exit code; null until it has one.
    pub exit_code: Option<i32>,
    /// Its container.
    pub container: Option<String>,
    /// Its lease.
    pub lease: Option<String>,
    /// User who submitted it.
    pub uid: u32,
    /// When it was submitted.
    pub submitted_at: String,
    /// When its container was started.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// Where its members are, or were when it ended; empty until it was placed.
    pub members: Vec<JobMember>,
    /// SHA-256 of its description in canonical form, in hex.
    pub spec_hash: String,
    /// Its description.
    pub spec: JobSpecDocument,
}

/// Where one member of a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobMember {
    /// Its number, counted from 0.
    pub member: u32,
    /// The attempt that put it there, counted from 1.
    pub attempt: u32,
    /// Id of the host.
    pub host_id: String,
    /// Name of the host; two hosts may carry the same.
    pub host: String,
}

impl From<&v1::JobMember> for JobMember {
    fn from(member: &v1::JobMember) -> Self {
        Self {
            member: member.member,
            attempt: member.attempt,
            host_id: member.host_id.clone(),
            host: member.host.clone(),
        }
    }
}

impl TryFrom<&v1::Job> for JobEntry {
    type Error = JobSpecError;

    fn try_from(job: &v1::Job) -> Result<Self, JobSpecError> {
        Ok(Self {
            id: job.id.clone(),
            state: job.state.clone(),
            reason: job.reason.clone(),
            exit_code: job.exit_code,
            container: job.container.clone(),
            lease: job.lease.clone(),
            uid: job.uid,
            submitted_at: time(job.submitted_ms),
            started_at: job.started_ms.map(time),
            ended_at: job.ended_ms.map(time),
            restarts: job.restarts,
            members: job.members.iter().map(Into::into).collect(),
            spec_hash: job.spec_hash.clone(),
            // It was checked when it was submitted; a stricter check of today must not hide it.
            spec: read(&job.spec_json)?,
        })
    }
}

impl TryFrom<&v1::Job> for Job {
    type Error = JobSpecError;

    fn try_from(job: &v1::Job) -> Result<Self, JobSpecError> {
        Ok(Self {
            schema: JobSchema::V1,
            job: job.try_into()?,
        })
    }
}

impl TryFrom<&v1::ListJobsResponse> for Jobs {
    type Error = JobSpecError;

    fn try_from(response: &v1::ListJobsResponse) -> Result<Self, JobSpecError> {
        let jobs = response
            .jobs
            .iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            schema: JobsSchema::V1,
            jobs,
        })
    }
}
