//! Layers into snapshots: prepare, apply, commit, one layer on the other.
//!
//! The name of a committed snapshot is the chain id of its layers, which every client of containerd
//! uses alike: what one of them has unpacked the others find.

use std::collections::HashMap;

use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest,
};
use tonic::Code;

use super::super::engine::{Engine, GcLease, QUICK, UNPACK, optional};
use super::super::error::{LauncherError, chain};
use super::digest::Digest;
use super::documents::Descriptor;
use super::find::LocalImage;
use super::{ImageError, snapshotter, upload};

/// Sees to it that an image is unpacked, and gives the name of its topmost snapshot.
pub(in crate::launcher) async fn ensure_unpacked(
    lease: &GcLease,
    snapshotter: &str,
    image: &LocalImage,
) -> Result<String, LauncherError> {
    let top = Digest::chain(&image.diff_ids).pop();
    let top = top.map(|digest| digest.to_string()).unwrap_or_default();
    if hold(lease, snapshotter, &top).await? {
        return Ok(top);
    }
    let layers = Layers {
        image: &image.name,
        config: &image.config_digest,
        layers: &image.layers,
        diff_ids: &image.diff_ids,
    };
    unpack(lease, snapshotter, &layers).await
}

/// What is to be unpacked: an image's layers, lowest first, and what they unpack to.
pub(super) struct Layers<'a> {
    pub image: &'a str,
    pub config: &'a Digest,
    pub layers: &'a [Descriptor],
    pub diff_ids: &'a [Digest],
}

/// Unpacks what is not unpacked yet. The image's configuration is labelled with the topmost
/// snapshot, which keeps all of them as long as the image is there.
pub(super) async fn unpack(
    lease: &GcLease,
    snapshotter: &str,
    image: &Layers<'_>,
) -> Result<String, LauncherError> {
    let engine = lease.engine();
    let chain_ids = Digest::chain(image.diff_ids);
    let mut top = String::new();
    let steps = chain_ids.iter().zip(image.diff_ids).zip(image.layers);
    for ((chain_id, diff_id), layer) in steps {
        let name = chain_id.to_string();
        if !hold(lease, snapshotter, &name).await? {
            let step = Step {
                engine: &engine,
                snapshotter,
                key: format!("{}-{}", lease.id(), chain_id.hex()),
                parent: &top,
                name: &name,
            };
            let found = step.apply(layer).await?;
            if found != diff_id.to_string() {
                step.remove().await;
                return Err(LauncherError::BadImage {
                    image: image.image.to_owned(),
                    source: ImageError::Layer {
                        layer: layer.digest.to_string(),
                        expected: diff_id.to_string(),
                        found,
                    },
                });
            }
            step.commit().await?;
        }
        top = name;
    }
    let label = format!("containerd.io/gc.ref.snapshot.{snapshotter}");
    let labels = HashMap::from([(label, top.clone())]);
    upload::label(&engine, &image.config.to_string(), labels).await?;
    Ok(top)
}

/// Whether a snapshot is there; if so the lease holds it from now on.
async fn hold(lease: &GcLease, snapshotter: &str, name: &str) -> Result<bool, LauncherError> {
    let request = StatSnapshotRequest {
        snapshotter: snapshotter.to_owned(),
        key: name.to_owned(),
    };
    // Held first and looked for then: in the other order it could be collected in between.
    lease.hold(format!("snapshots/{snapshotter}"), name).await?;
    let engine = lease.engine();
    let mut snapshots = engine.snapshots();
    let found = engine.ask("look for a snapshot", QUICK, snapshots.stat(request));
    Ok(optional(found.await)?.is_some())
}

/// One layer on its way.
struct Step<'a> {
    engine: &'a Engine,
    snapshotter: &'a str,
    key: String,
    parent: &'a str,
    name: &'a str,
}

impl Step<'_> {
    /// Applies the layer to a new snapshot, and gives the digest of what it unpacked to.
    async fn apply(&self, layer: &Descriptor) -> Result<String, LauncherError> {
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: self.key.clone(),
            parent: self.parent.to_owned(),
            labels: HashMap::new(),
        };
        let mounts = snapshotter::prepare_snapshot(self.engine, request).await?;
        let request = ApplyRequest {
            diff: Some(layer.wire()),
            mounts,
            payloads: HashMap::new(),
            sync_fs: false,
        };
        let mut diff = self.engine.diff();
        let applied = self
            .engine
            .ask("unpack a layer", UNPACK, diff.apply(request))
            .await;
        match applied {
            Ok(answer) => Ok(answer.applied.unwrap_or_default().digest),
            Err(error) => {
                self.remove().await;
                Err(error)
            }
        }
    }

    /// Gives the snapshot its name. Somebody else may have unpacked the same layer meanwhile.
    async fn commit(&self) -> Result<(), LauncherError> {
        let request = CommitSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            name: self.name.to_owned(),
            key: self.key.clone(),
            labels: HashMap::new(),
        };
        let mut snapshots = self.engine.snapshots();
        let done = self
            .engine
            .ask("commit a snapshot", UNPACK, snapshots.commit(request));
        match done.await {
            Err(error) if error.has_code(Code::AlreadyExists) => {
                self.remove().await;
                Ok(())
            }
            Err(error) => {
                self.remove().await;
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Removes a snapshot that did not come to its end; what stays ends with the lease.
    async fn remove(&self) {
        let request = RemoveSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: self.key.clone(),
        };
        let mut snapshots = self.engine.snapshots();
        let removed = self
            .engine
            .ask("remove a snapshot", QUICK, snapshots.remove(request));
        if let Err(error) = removed.await {
            tracing::debug!(error = chain(&error), "snapshot stays until its lease ends");
        }
    }
}
