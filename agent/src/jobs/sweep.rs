//! The containers that an earlier kerfd did not come to take away.
//!
//! A job's end is written down before its container goes, so a kerfd that ends in between leaves a container
//! that no task looks after. Containers of jobs that this host does not know are left alone and named in
//! `kerf status`: neither the store nor a copy in the run folder says what they are.

use std::sync::Arc;

use super::container::clear_up;
use super::inner::Inner;
use super::run::RETRY;
use crate::launcher::ContainerView;

/// Takes them away, as soon as containerd answers.
pub(super) async fn sweep(inner: Arc<Inner>) {
    let views = loop {
        match inner.launcher.list().await {
            Ok(views) => break views,
            Err(error) => {
                tracing::debug!(%error, "containers of ended jobs not looked for yet");
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    match inner.launcher.reclaim().await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "leftovers of an earlier kerfd taken away"),
        Err(error) => tracing::warn!(%error, "leftovers in containerd remain"),
    }
    let strangers = views
        .iter()
        .filter(|view| view.job.is_none_or(|job| inner.row(job).is_none()));
    let strangers = strangers.map(|view| view.container.id.clone()).collect();
    inner.problems.set_strangers(strangers);
    for view in views {
        let Some(job) = view.job else { continue };
        if is_over(&inner, &view) {
            clear_up(&inner, job, &view.container.id).await;
        }
    }
}

/// Whether its job has ended or has gone on to another container.
fn is_over(inner: &Inner, view: &ContainerView) -> bool {
    let row = view.job.and_then(|job| inner.row(job));
    row.is_some_and(|row| row.state.is_final() || view.restarts < row.restarts)
}
