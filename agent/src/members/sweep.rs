//! The containers that an earlier kerfd did not come to take away, and the guards of those that are gone.
//!
//! The end of a member is written down before its container goes, so a kerfd that ends in between leaves a container
//! that no task looks after. Containers of members that this host does not know are left alone and named in
//! `kerf status`: neither the store nor a copy in the run folder says what they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::container::clear_up;
use super::inner::Inner;
use super::watch::RETRY;
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
    let strangers = views.iter().filter(|view| !is_known(&inner, view));
    let strangers = strangers.map(|view| view.container.id.clone()).collect();
    inner.problems.set_strangers(strangers);
    let mut there = BTreeSet::new();
    for view in views {
        let over = is_known(&inner, &view) && is_over(&inner, &view.container.id);
        if !over || !clear_up(&inner, &view.container.id).await {
            there.insert(view.container.id);
        }
    }
    let may_be_there = |name: &str| there.contains(name) || !is_over(&inner, name);
    inner.guards.clear(may_be_there);
}

/// Whether its member is or was here.
fn is_known(inner: &Inner, view: &ContainerView) -> bool {
    let table = inner.table();
    let member = member_of(&view.container.id);
    view.job
        .is_some_and(|job| table.contains_key(&(job, member)))
}

/// The member that a container's name is of: the first one's has no number.
fn member_of(container: &str) -> u32 {
    let number = container.rsplit_once("-m").map(|(_, number)| number);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Whether it is no container of a member that goes on.
fn is_over(inner: &Inner, container: &str) -> bool {
    let table = inner.table();
    !table.values().any(|entry| {
        let row = entry.row.borrow();
        row.is_active() && row.container == container
    })
}
