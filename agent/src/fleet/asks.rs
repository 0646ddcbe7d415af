//! What an operator asks of the scheduler and is answered at once.

use kerf_scheduler::core::{ForcePlan, ForceRefusal, Input};
use kerf_types::{HostId, JobId};
use tokio::sync::{mpsc, oneshot};

use super::driver::Driver;

/// Asks that may wait; nobody sends two at a time.
pub(super) const WAITING: usize = 8;

/// One ask.
#[derive(Debug)]
pub(super) struct Ask {
    job: JobId,
    give_up: Vec<HostId>,
    dry_run: bool,
    answer: oneshot::Sender<Result<ForcePlan, ForceRefusal>>,
}

/// The way to the scheduler; clones share it.
#[derive(Debug, Clone)]
pub struct Asks(pub(super) mpsc::Sender<Ask>);

/// kerfd ends, and its scheduler has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the scheduler has ended: kerfd is about to stop")]
pub struct Gone;

impl Asks {
    /// Gives keepers of a job up, which are a majority and gone for good, and says who keeps it from then on. With
    /// `dry_run` it only says so. Whether the new keepers take it, the events of this host tell.
    pub async fn force(
        &self,
        job: JobId,
        give_up: Vec<HostId>,
        dry_run: bool,
    ) -> Result<Result<ForcePlan, ForceRefusal>, Gone> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            job,
            give_up,
            dry_run,
            answer,
        };
        self.0.send(ask).await.map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
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
        let plan = self.core().force_plan(job, &give_up);
        if plan.is_ok() && !dry_run {
            self.feed(Input::Force { job, give_up });
        }
        // Who asked may have gone; what was asked for is done.
        let _gone = answer.send(plan);
    }
}
