//! `kerf force`: a job that goes on without keepers that are gone for good.

use serde::Serialize;

use super::schema_tag;
use crate::v1;

schema_tag!(ForcedJobSchema, "kerf.v1.ForcedJob");

/// A job whose keepers were exchanged by force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForcedJob {
    /// Names this document.
    pub schema: ForcedJobSchema,
    /// The job.
    pub id: String,
    /// The hosts that keep it from now on, in the order of ids.
    pub keepers: Vec<JobKeeper>,
    /// Those that were given up, as they were named.
    pub given_up: Vec<JobKeeper>,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// A host that keeps a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobKeeper {
    /// Its id.
    pub id: String,
    /// Its name; its id where it is not known.
    pub name: String,
    /// Whether it is the one that answers.
    pub here: bool,
}

impl From<&v1::ForcedJob> for ForcedJob {
    fn from(forced: &v1::ForcedJob) -> Self {
        Self {
            schema: ForcedJobSchema::V1,
            id: forced.id.clone(),
            keepers: forced.keepers.iter().map(Into::into).collect(),
            given_up: forced.given_up.iter().map(Into::into).collect(),
            dry_run: forced.dry_run,
        }
    }
}

impl From<&v1::JobKeeper> for JobKeeper {
    fn from(keeper: &v1::JobKeeper) -> Self {
        Self {
            id: keeper.id.clone(),
            name: keeper.name.clone(),
            here: keeper.here,
        }
    }
}
