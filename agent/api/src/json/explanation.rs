//! `kerf explain`: what was said of each host when a job was placed, or why it waits.
//!
//! The explanation is made once, by the host that placed the job, and kept as the text of this document; so it is
//! written and read, and reads what a later version adds to it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Serialize};

use super::{JobMember, schema_tag};
use crate::v1;

schema_tag!(ExplanationSchema, "kerf.v1.Explanation");
schema_tag!(JobExplanationSchema, "kerf.v1.JobExplanation");

/// What was said of each host when a job was last placed, or could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// Names this document.
    pub schema: ExplanationSchema,
    /// The member that finds no host; null where all are placed.
    pub unplaced: Option<Unplaced>,
    /// The hosts that were looked at: those that get members, those that could, those that cannot.
    pub hosts: Vec<HostVerdict>,
    /// Number of hosts that cannot serve, by constraint, those left out of the list too.
    pub refusals: BTreeMap<String, u64>,
    /// Hosts that cannot serve and were left out of the list, since it would be too long.
    pub not_listed: u64,
    /// Hosts that were not looked at, since enough others were found before.
    pub not_sampled: u64,
}

/// A member that finds no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unplaced {
    /// Its number, counted from 0.
    pub member: u32,
    /// How many members the job has.
    pub members: u32,
}

/// What was said of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostVerdict {
    /// Its id.
    pub id: String,
    /// Its name; two hosts may carry the same.
    pub name: String,
    /// What was said of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It gets members of the job.
    Chosen {
        /// Which, counted from 0.
        members: Vec<u32>,
        /// Its score for the last of them.
        score: Score,
        /// Why it gets no more of them; null where it could.
        full: Option<Refusal>,
    },
    /// It could serve, others are better.
    Feasible {
        /// Its score.
        score: Score,
    },
    /// It cannot serve.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// How good a host is: compared number by number in this order, less is better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Members that would not be on this host; 0 where they do not communicate.
    pub apart: u32,
    /// GPUs whose MIG mode would change.
    pub mode_changes: u32,
    /// Slices that would be cut.
    pub cuts: u32,
    /// Slices of any profile that the host could be cut into before and not after: fragmentation.
    pub options_lost: u32,
    /// Legal places of slices that the host had before and not after.
    pub places_lost: u32,
    /// GPUs on which nothing would be left.
    pub whole_gpus_left: u32,
    /// NUMA nodes that its devices are next to.
    pub numa_nodes: u32,
    /// Load of the host in tenths.
    pub load_tenths: u16,
    /// Price of the host in thousandths of a currency unit; null where it names none, which comes last.
    pub price_milli_per_hour: Option<u64>,
    /// Whether it is another host than the one that was asked.
    pub remote: bool,
    /// The same in words.
    pub text: String,
}

/// Why a host cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The constraint in a word, like `no_room`, `labels` or `cordoned`.
    pub constraint: String,
    /// Whether waiting can help without anybody changing the host.
    pub may_pass: bool,
    /// The constraint in words, with the facts.
    pub text: String,
}

/// How a job is, with its explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobExplanation {
    /// Names this document.
    pub schema: JobExplanationSchema,
    /// The job.
    pub job: String,
    /// `pending`, `starting`, `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    pub state: String,
    /// Why it is in that state.
    pub reason: String,
    /// Where its members are, or were when it ended; empty until it was placed.
    pub members: Vec<JobMember>,
    /// What was said of each host; null for a job that was never compared with any.
    pub explanation: Option<Explanation>,
}

impl TryFrom<&v1::JobExplanation> for JobExplanation {
    type Error = serde_json::Error;

    fn try_from(answer: &v1::JobExplanation) -> Result<Self, serde_json::Error> {
        let missing = || serde_json::Error::missing_field("job");
        let job = answer.job.clone().ok_or_else(missing)?;
        let explanation = answer.explanation_json.as_deref();
        Ok(Self {
            schema: JobExplanationSchema::V1,
            job: job.id,
            state: job.state,
            reason: job.reason,
            members: job.members.iter().map(Into::into).collect(),
            explanation: explanation.map(serde_json::from_str).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests;
