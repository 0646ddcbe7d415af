//! The guard of one member, as its task and the core see it.

use std::sync::Arc;
use std::time::Duration;

use kerf_scheduler::Settings;
use kerf_types::Moment;
use kerf_types::peer::Tag;

use super::guards::{GuardError, Post, Renewed};
use super::inner::Inner;
use super::orders::Orders;
use super::watch::RETRY;
use crate::errors::chain;
use crate::process::boot_ms;
use crate::store::RunRow;

/// Longest sleep: tokio's clock stands still while the host is suspended.
const LOOK: Duration = Duration::from_secs(10);

/// From here on a container must begin to end at `until` unless that is put off.
pub(super) fn expect(inner: &Inner, row: &RunRow, grace_seconds: u64, until: Moment) {
    if let Some(post) = post(inner, row, grace_seconds) {
        inner.guards.expect(row.tag, post, until);
    }
}

/// Returns once the container may be asked for: guarded, and not too late.
pub(super) async fn before_start(inner: &Inner, tag: Tag) -> Result<(), String> {
    stand(inner, tag).await.map_err(|error| chain(&error))?;
    if inner.guards.has_passed(tag) {
        return Err("its submitting host is silent".to_owned());
    }
    Ok(())
}

/// Returns when the time of a guarded member has passed, however often it is put off; never, where none is guarded. The
/// fence follows a second and the job's grace later, so that its container can end by itself.
pub(super) async fn passed(inner: &Inner, tag: Tag) {
    while let Some(until) = inner.guards.until(tag) {
        let left = until.since(Moment(boot_ms()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
    std::future::pending().await
}

/// Puts the end of a member off. It is the core's own call that does it and no task, so nothing that the member waits
/// for holds it back; only a fence that somebody has killed is made up for in a task.
pub(super) fn renew(inner: &Arc<Inner>, tag: Tag, until: Moment) {
    if inner.guards.renew(tag, until) == Renewed::Kept {
        return;
    }
    tracing::warn!(job.id = %tag.job, "the guard of a member was gone");
    let this = Arc::clone(inner);
    inner.spawn(async move {
        // The next renewal finds it missing again.
        if let Err(error) = stand(&this, tag).await {
            tracing::error!(job.id = %tag.job, error = chain(&error), "member without a guard");
        }
    });
}

/// Sees to the fence of a container that an earlier kerfd has started. As long as none can be had the member is not
/// taken up, and the core stops it in time.
pub(super) async fn take_up(inner: &Inner, row: &RunRow, orders: &mut Orders) {
    let tag = row.tag;
    let Some(spec) = inner.spec(tag) else {
        return;
    };
    if !Post::is_needed(row, &spec) {
        return;
    }
    let Some(post) = post(inner, row, spec.checkpoint_grace_seconds) else {
        return;
    };
    let most = Moment(boot_ms()).after(Settings::default().stop_after);
    inner.guards.resume(tag, post, most);
    while let Err(error) = stand(inner, tag).await {
        inner.note(tag, &chain(&error));
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            _ = orders.stopped() => return,
        }
    }
}

async fn stand(inner: &Inner, tag: Tag) -> Result<(), GuardError> {
    let processes = inner.launcher.config().processes.clone();
    inner.guards.stand(&processes, tag).await
}

/// Nothing for a name that no container can have: such a one is never started.
fn post(inner: &Inner, row: &RunRow, grace_seconds: u64) -> Option<Post> {
    let container = inner.launcher.container(&row.container).ok()?;
    Some(Post {
        folders: inner.launcher.cgroups(&container),
        container: container.id,
        grace: Duration::from_secs(grace_seconds),
    })
}
