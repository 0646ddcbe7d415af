//! containerd leases: what is made under one is not collected as garbage before it ends.
//!
//! These are containerd's own and have nothing to do with kerf's leases on slices.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use containerd_client::services::v1::{AddResourceRequest, CreateRequest, DeleteRequest, Resource};
use kerf_types::Timestamp;

use super::super::error::LauncherError;
use super::{Engine, QUICK, Scope, UNPACK, header};

/// Makes leases of one process differ.
static COUNTER: AtomicU32 = AtomicU32::new(0);

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
            "kerf-{purpose}-{}-{}-{number}",
            now.as_millis(),
            std::process::id()
        );
        let expiry = u64::try_from((now + life).as_millis()).unwrap_or(u64::MAX);
        let expiry = Timestamp(expiry).to_string();
        let request = CreateRequest {
            id: id.clone(),
            labels: HashMap::from([("containerd.io/gc.expire".to_owned(), expiry)]),
        };
        self.ask("make a lease", QUICK, self.leases().create(request))
            .await?;
        Ok(GcLease {
            plain: self.clone(),
            id,
        })
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
