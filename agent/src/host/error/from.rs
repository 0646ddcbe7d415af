//! Errors of others, as those of the host.

use std::error::Error;

use kerf_planner::PlanError;

use super::HostError;
use crate::process::workers::ActError;

impl From<PlanError> for HostError {
    fn from(error: PlanError) -> Self {
        Self::Plan(Box::new(error))
    }
}

impl<E: Error + Into<Self> + 'static> From<ActError<E>> for HostError {
    fn from(error: ActError<E>) -> Self {
        match error {
            ActError::Act(error) => error.into(),
            ActError::Worker(error) => error.into(),
        }
    }
}
