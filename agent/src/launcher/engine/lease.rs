//! containerd leases: what is made under one is not collected as garbage before it ends.
//!
//! These are containerd's own and have nothing to do with kerf's leases on slices.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use containerd_client::services::v1::{
    AddResourceRequest, CreateRequest, DeleteRequest, ListRequest, Resource,
};
use kerf_types::Timestamp;

use super::super::error::LauncherError;
use super::{Engine, QUICK, Scope, UNPACK, header, optional};

/// Makes leases of one process differ.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// How the names of kerf's leases begin.
const PREFIX: &str = "kerf-";

/// Leases that something in this process still works under.
#[derive(Clone, Default)]
pub(super) struct Live(Arc<Mutex<BTreeSet<String>>>);

impl Live {
    fn ids(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lease of containerd. It ends with [`GcLease::end`], or by itself after its life when kerfd dies
/// before: then containerd collects whatever half-made things it held.
pub(in crate::launcher) struct GcLease {
    plain: Engine,
    id: String,
}

impl Engine {
    /// Makes a lease that ends by itself after `life`.
    pub(in crate::launcher) async fn gc_lease(
        &self,
        purpose: &str,
        life: Duration,
    ) -> Result<GcLease, LauncherError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let id = format!(
            "{PREFIX}{purpose}-{}-{}-{number}",
            now.as_millis(),
            std::process::id()
        );
        let expiry = u64::try_from((now + life).as_millis()).unwrap_or(u64::MAX);
        let expiry = Timestamp(expiry).to_string();
        let request = CreateRequest {
            id: id.clone(),
            labels: HashMap::from([("containerd.io/gc.expire".to_owned(), expiry)]),
        };
        // Known before it exists, so that a look at stale ones in between spares it.
        self.leases.ids().insert(id.clone());
        let lease = GcLease {
            plain: self.clone(),
            id,
        };
        self.ask("make a lease", QUICK, self.leases().create(request))
            .await?;
        Ok(lease)
    }

    /// Ends the leases of starts and imports that did not come to their end, in this process or in
    /// one before it, and lets containerd collect what they held. Gives how many there were.
    pub(in crate::launcher) async fn reclaim(&self) -> Result<usize, LauncherError> {
        let request = ListRequest {
            filters: vec![format!("id~=^{PREFIX}")],
        };
        let mut leases = self.leases();
        let found = self
            .ask("list its leases", QUICK, leases.list(request))
            .await?;
        let live = self.leases.ids().clone();
        let stale = found.leases.into_iter().map(|lease| lease.id);
        // The filter is containerd's; that only kerf's own are ended is checked here.
        let stale: Vec<String> = stale
            .filter(|id| id.starts_with(PREFIX) && !live.contains(id))
            .collect();
        for (number, id) in stale.iter().enumerate() {
            let request = DeleteRequest {
                id: id.clone(),
                sync: number + 1 == stale.len(),
            };
            let ended = self.ask("end a lease", UNPACK, leases.delete(request));
            optional(ended.await)?;
        }
        Ok(stale.len())
    }
}

impl Drop for GcLease {
    fn drop(&mut self) {
        self.plain.leases.ids().remove(&self.id);
    }
}

impl GcLease {
    /// The name of the lease, unique on this host.
    pub(in crate::launcher) fn id(&self) -> &str {
        &self.id
    }

    /// A handle whose requests all belong to the lease.
    pub(in crate::launcher) fn engine(&self) -> Engine {
        let scope = Scope {
            lease: Some(header(&self.id)),
            ..self.plain.scope.clone()
        };
        Engine {
            scope,
            ..self.plain.clone()
        }
    }

    /// Holds something that exists already: `content` or `snapshots/<snapshotter>`.
    pub(in crate::launcher) async fn hold(
        &self,
        kind: String,
        id: &str,
    ) -> Result<(), LauncherError> {
        let request = AddResourceRequest {
            id: self.id.clone(),
            resource: Some(Resource {
                id: id.to_owned(),
                r#type: kind,
            }),
        };
        let mut leases = self.plain.leases();
        self.plain
            .ask("extend a lease", QUICK, leases.add_resource(request))
            .await
    }

    /// Ends the lease. With `collect` everything that nothing else holds is gone on return.
    pub(in crate::launcher) async fn end(self, collect: bool) -> Result<(), LauncherError> {
        let request = DeleteRequest {
            id: self.id.clone(),
            sync: collect,
        };
        let limit = if collect { UNPACK } else { QUICK };
        let mut leases = self.plain.leases();
        self.plain
            .ask("end a lease", limit, leases.delete(request))
            .await
    }
}
