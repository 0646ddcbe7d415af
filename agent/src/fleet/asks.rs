//! What an operator asks of the scheduler, and is answered when it is done.

use std::time::Duration;

use kerf_scheduler::core::{ForcePlan, ForceRefusal, Input};
use kerf_types::{HostId, JobId};
use tokio::sync::{mpsc, oneshot};

use super::driver::Driver;

/// Asks that may wait; nobody sends two at a time.
pub(super) const WAITING: usize = 8;

/// How long the hosts that are to keep a job may take to say that they do.
const PATIENCE: Duration = Duration::from_secs(10);

/// One ask.
#[derive(Debug)]
pub(super) struct Ask {
    job: JobId,
    give_up: Vec<HostId>,
    dry_run: bool,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<ForcePlan, ForceRefusal>>;

/// A force that is under way.
#[derive(Debug)]
pub(super) struct Forcing {
    job: JobId,
    plan: ForcePlan,
    answer: Answer,
}

/// The way to the scheduler; clones share it.
#[derive(Debug, Clone)]
pub struct Asks(pub(super) mpsc::Sender<Ask>);

/// Why an ask has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// kerfd ends, and its scheduler has ended.
    #[error("the scheduler has ended: kerfd is about to stop")]
    Gone,
    /// A majority of the new keepers has not said yet that it keeps the job.
    #[error("the hosts that are to keep the job have not all answered within {PATIENCE:?}")]
    NotYet,
    /// It was refused.
    #[error("the register is not forced: {0:?}")]
    Refused(ForceRefusal),
}

impl Asks {
    /// Gives keepers of a job up, which are a majority and gone for good, and says who keeps it from then on, once that is
    /// on this host's disk. With `dry_run` it only says so.
    pub async fn force(
        &self,
        job: JobId,
        give_up: Vec<HostId>,
        dry_run: bool,
    ) -> Result<ForcePlan, AskError> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            job,
            give_up,
            dry_run,
            answer,
        };
        self.0.send(ask).await.map_err(|_| AskError::Gone)?;
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        let answered = answered.map_err(|_| AskError::NotYet)?;
        let plan = answered.map_err(|_| AskError::Gone)?;
        plan.map_err(AskError::Refused)
    }
}

impl Driver {
    pub(super) fn asked(&mut self, ask: Ask) {
        let Ask {
            job,
            give_up,
            dry_run,
            answer,
        } = ask;
        match self.core().force_plan(job, &give_up) {
            Ok(plan) if !dry_run => {
                self.forcing.retain(|one| !one.answer.is_closed());
                self.forcing.push(Forcing { job, plan, answer });
                self.feed(Input::Force { job, give_up });
            }
            // Who asked may have gone.
            plan => drop(answer.send(plan)),
        }
    }

    /// A register was forced: whoever asked for it here is told.
    pub(super) fn was_forced(&mut self, job: JobId) {
        let done = self.forcing.extract_if(.., |one| one.job == job);
        for forcing in done {
            drop(forcing.answer.send(Ok(forcing.plan)));
        }
    }
}
