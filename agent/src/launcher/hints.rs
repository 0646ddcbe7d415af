//! Hints from containerd that a task has begun or ended, in whatever namespace.
//!
//! Events are not kept for who listens late, and none is promised to come. So they are only a reason to look, and the looks
//! that come anyway are what counts: whoever is told here looks at everything, whatever the event said, and is told once
//! for each new connection as well. Owns the subscription; never says what has happened.

use std::time::Duration;

use containerd_client::services::v1::SubscribeRequest;

use super::Launcher;

/// Events of the runs of containers; those of images and snapshots are the greater number.
const FILTER: &str = "topic~=\"^/tasks/(start|exit|delete)$\"";

/// After an event, so that those which come together are one look.
const GATHER: Duration = Duration::from_millis(50);

/// Time between two tries at first, and at most: a host without containerd costs next to nothing.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Launcher {
    /// Calls `look` for every hint, one after the other. Runs until it is dropped.
    pub async fn on_tasks<L>(&self, look: impl Fn() -> L)
    where
        L: Future<Output = ()>,
    {
        let mut pause = RETRY.0;
        loop {
            let request = SubscribeRequest {
                filters: vec![FILTER.to_owned()],
            };
            // containerd answers with the first event, and until then as well as never.
            match self.engine.events().subscribe(request).await {
                Ok(answer) => {
                    let mut events = answer.into_inner();
                    while let Ok(Some(_)) = events.message().await {
                        pause = RETRY.0;
                        tokio::time::sleep(GATHER).await;
                        // Those that came meanwhile are one look with it.
                        while let Ok(Ok(Some(_))) =
                            tokio::time::timeout(Duration::ZERO, events.message()).await
                        {
                        }
                        look().await;
                    }
                }
                Err(status) => {
                    tracing::debug!(error = %status, "no hints from containerd");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
            look().await;
        }
    }
}
