//! Keeps the logs of running members within their bound.

use std::sync::Arc;
use std::time::Duration;

use super::inner::Inner;
use crate::errors::chain;
use crate::launcher::logs;
use crate::store::RunState;

/// Time between two looks. What a job can write in it is what it can be over its bound for a moment.
const LOOK: Duration = Duration::from_secs(1);

/// Looks after the logs of all running members, for ever.
pub(super) async fn bound(inner: Arc<Inner>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let limit = inner.config().launch.log_limit;
        let folders: Vec<_> = {
            let table = inner.table();
            let running = table
                .iter()
                .filter(|(_, entry)| entry.row.borrow().state == RunState::Running);
            running.map(|(key, _)| *key).collect()
        };
        let folders: Vec<_> = folders.into_iter().map(|key| inner.log_dir(key)).collect();
        let cut = tokio::task::spawn_blocking(move || {
            for folder in folders {
                if let Err(error) = logs::bound(&folder, limit) {
                    let error = chain(&error);
                    tracing::warn!(path = %folder.display(), error, "log not cut");
                }
            }
        });
        if cut.await.is_err() {
            tracing::error!("the look at logs panicked");
        }
    }
}
