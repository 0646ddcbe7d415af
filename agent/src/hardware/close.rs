//! Closing the way to the hardware: no worker is started, those that run end, and nobody is asked until it is opened
//! again. Kills no worker, since one may be in a driver call.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Hardware, HardwareError, worker};

impl Hardware {
    /// From now on nothing is asked of the hardware, and no worker is started. A call that is under way ends first.
    pub fn shut(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// [`Hardware::shut`], and lets go of the worker. Workers end by themselves, so this waits for all that are written
    /// down, those of an earlier kerfd too, and gives up on those that are still there after `patience`: they are stuck
    /// in the driver. One that has closed the driver and cannot end, because a thread of it is stuck in another device, is
    /// not waited for.
    pub async fn close(&self, patience: Duration) {
        self.shut();
        let until = tokio::time::Instant::now() + patience;
        let records = {
            let Ok(mut pool) = tokio::time::timeout_at(until, self.pool.lock()).await else {
                return;
            };
            pool.let_go()
        };
        for process in worker::running(&records) {
            let ended = worker::await_last_call(&process);
            if tokio::time::timeout_at(until, ended).await.is_err() {
                tracing::warn!(pid = process.pid, "worker is still in the driver");
            }
        }
    }

    /// Lets calls through again.
    pub fn reopen(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    pub(super) fn refuse_if_closed(&self) -> Result<(), HardwareError> {
        match self.closed.load(Ordering::SeqCst) {
            true => Err(HardwareError::Closed),
            false => Ok(()),
        }
    }
}
