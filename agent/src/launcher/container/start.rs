//! Makes and starts a container, or leaves nothing.
//!
//! Order matters: snapshot, files, record, task. Each is taken away again, last first, when a later
//! one fails.

use std::collections::HashMap;
use std::time::Duration;

use containerd_client::services::v1::GetContainerRequest;
use containerd_client::services::v1::snapshots::{PrepareSnapshotRequest, RemoveSnapshotRequest};
use containerd_client::types::Mount;
use tonic::Code;

use super::super::config::LauncherConfig;
use super::super::engine::{Engine, GcLease, QUICK, optional};
use super::super::error::{LauncherError, chain};
use super::super::image::{self, LocalImage};
use super::super::policy::{Admitted, admit};
use super::task::Io;
use super::{StartRequest, Started, end};

/// How long half-made things of a start are kept if kerfd dies in the middle of it.
const LEASE_LIFE: Duration = Duration::from_secs(2 * 3600);

/// Starts a container. The caller sees to it that no other start of the same name is under way.
pub(in crate::launcher) async fn start(
    engine: &Engine,
    config: &LauncherConfig,
    request: StartRequest,
) -> Result<Started, LauncherError> {
    let (spec, submitter) = (&request.spec, request.submitter);
    let found = image::find(engine, &spec.image, submitter).await?;
    let admitted = admit(&config.policy, &found.name, spec, request.lease, submitter)?;
    let snapshotter = image::snapshotter(engine, config).await?;
    check_free(engine, &request).await?;
    let lease = engine.gc_lease("start", LEASE_LIFE).await?;
    let launch = Launch {
        plain: engine,
        engine: lease.engine(),
        config,
        request: &request,
        image: &found,
        admitted: &admitted,
        snapshotter: &snapshotter,
    };
    let result = launch.run(&lease).await;
    if let Err(error) = lease.end(false).await {
        let error = chain(&error);
        tracing::warn!(error, "lease of a start not ended, it expires by itself");
    }
    if result.is_ok() {
        tracing::info!(
            container.id = request.container.id,
            job.id = %request.job,
            image.name = found.name,
            "container started"
        );
    }
    result
}

async fn check_free(engine: &Engine, request: &StartRequest) -> Result<(), LauncherError> {
    let get = GetContainerRequest {
        id: request.container.id.clone(),
    };
    let mut containers = engine.containers();
    let found = engine.ask("look for the container", QUICK, containers.get(get));
    match optional(found.await)? {
        Some(_) => Err(exists(request)),
        None => Ok(()),
    }
}

pub(super) fn exists(request: &StartRequest) -> LauncherError {
    LauncherError::Exists {
        container: request.container.clone(),
    }
}

/// All that a start knows from its beginning.
pub(super) struct Launch<'a> {
    /// For what outlives the start.
    pub plain: &'a Engine,
    /// For the start itself, under a lease of containerd.
    pub engine: Engine,
    pub config: &'a LauncherConfig,
    pub request: &'a StartRequest,
    pub image: &'a LocalImage,
    pub admitted: &'a Admitted,
    pub snapshotter: &'a str,
}

impl Launch<'_> {
    async fn run(&self, lease: &GcLease) -> Result<Started, LauncherError> {
        let parent = image::ensure_unpacked(lease, self.snapshotter, self.image).await?;
        match self.make(parent).await {
            Ok(started) => Ok(started),
            // Another client of containerd took the name meanwhile: what is there is not ours.
            Err(error @ LauncherError::Exists { .. }) => Err(error),
            Err(error) => {
                let left =
                    end::remove_all(&self.engine, self.config, self.request, self.snapshotter);
                let left = left.await;
                if !left.is_empty() {
                    let (id, left) = (&self.request.container.id, left.join("; "));
                    tracing::error!(
                        container.id = id,
                        left,
                        "failed start left something behind"
                    );
                }
                Err(error)
            }
        }
    }

    async fn make(&self, parent: String) -> Result<Started, LauncherError> {
        let mounts = self.snapshot(parent).await?;
        let io = Io::make(self.plain, self.request)?;
        self.record(&mounts).await?;
        self.create_task(&mounts, &io).await?;
        let pid = self.start_task().await?;
        Ok(io.started(self.image.name.clone(), pid))
    }

    /// A writable snapshot on top of the image. One that is left from a start of which kerfd did not
    /// see the end belongs to no container and is made anew.
    async fn snapshot(&self, parent: String) -> Result<Vec<Mount>, LauncherError> {
        let key = &self.request.container.id;
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.clone(),
            parent,
            labels: HashMap::new(),
        };
        match image::prepare_snapshot(&self.engine, request.clone()).await {
            Err(error) if error.has_code(Code::AlreadyExists) => {}
            other => return other,
        }
        let remove = RemoveSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.clone(),
        };
        let mut snapshots = self.engine.snapshots();
        let removed = snapshots.remove(remove);
        self.engine.ask("remove a snapshot", QUICK, removed).await?;
        image::prepare_snapshot(&self.engine, request).await
    }
}
