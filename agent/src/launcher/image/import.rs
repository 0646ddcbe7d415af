//! An archive into containerd: all of it, or nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::{
    CreateImageRequest, GetImageRequest, Image, UpdateImageRequest,
};
use prost_types::FieldMask;
use tokio::io::AsyncRead;
use tonic::Code;

use super::super::config::LauncherConfig;
use super::super::engine::{Engine, GcLease, QUICK, optional};
use super::super::error::{LauncherError, chain};
use super::super::policy::{Submitter, restricts_images};
use super::archive::{self, Contents, Plan, PlannedImage};
use super::unpack::{Layers, unpack};
use super::{name, owner, snapshotter, upload};

/// How long what an import has made is kept if kerfd dies in the middle of it.
const LEASE_LIFE: Duration = Duration::from_secs(24 * 3600);

const CHECK: &str = "check an image archive";
const IMPORT: &str = "import an image";

/// Where archives are received.
fn folder(config: &LauncherConfig) -> PathBuf {
    config.state_dir.join("import")
}

/// Makes the folder for archives, without what a kerfd that was killed left in it.
pub(in crate::launcher) fn prepare(config: &LauncherConfig) -> Result<(), LauncherError> {
    archive::sweep(&folder(config))
}

/// Receives, checks and imports an archive; gives the names of its images. With `name` the archive
/// must hold one image, which is called that.
pub(in crate::launcher) async fn import(
    engine: &Engine,
    config: &LauncherConfig,
    reader: &mut (impl AsyncRead + Unpin),
    name: Option<&str>,
    by: Submitter,
) -> Result<Vec<String>, LauncherError> {
    let staged = archive::stage(reader, &folder(config), config.import.archive).await?;
    let (limits, name) = (config.import, name.map(str::to_owned));
    let check = tokio::task::spawn_blocking(move || -> Result<Plan, LauncherError> {
        let contents = Contents::open(staged.open(limits.archive)?)?;
        Ok(archive::plan(contents, name.as_deref(), limits)?)
    });
    let plan = check.await.map_err(|_| stopped(CHECK))??;
    if !by.admin {
        may_import(engine, config, &plan, by).await?;
    }
    let (engine, config) = (engine.clone(), config.clone());
    // A task of its own: a caller that goes away must not leave half an image.
    let work = tokio::spawn(async move { store(&engine, &config, plan, by).await });
    work.await.map_err(|_| stopped(IMPORT))?
}

fn stopped(operation: &'static str) -> LauncherError {
    LauncherError::Stopped { operation }
}

async fn store(
    engine: &Engine,
    config: &LauncherConfig,
    plan: Plan,
    by: Submitter,
) -> Result<Vec<String>, LauncherError> {
    let snapshotter = snapshotter(engine, config).await?;
    let lease = engine.gc_lease("import", LEASE_LIFE).await?;
    let result = store_all(&lease, &snapshotter, plan, by).await;
    // On success the image's record holds everything; on failure nothing does, and it is collected.
    if let Err(error) = lease.end(result.is_err()).await {
        tracing::warn!(
            error = chain(&error),
            "lease of an import not ended, it expires in a day"
        );
    }
    result
}

async fn store_all(
    lease: &GcLease,
    snapshotter: &str,
    plan: Plan,
    by: Submitter,
) -> Result<Vec<String>, LauncherError> {
    let archive = Arc::new(plan.contents.into_file());
    for image in &plan.images {
        for blob in &image.blobs {
            upload::upload(lease, &archive, blob).await?;
        }
        let layers = Layers {
            image: image.names.first().map_or("", String::as_str),
            config: &image.config,
            layers: &image.layers,
            diff_ids: &image.diff_ids,
        };
        unpack(lease, snapshotter, &layers).await?;
    }
    // Records come last: an image that has one is whole.
    let mut names = Vec::new();
    for image in &plan.images {
        for name in &image.names {
            record(&lease.engine(), name, image, by).await?;
            tracing::info!(image.name = name, image.digest = %image.target.digest, "image imported");
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// What a submitter may import: new names alone, and none where the host has a list of images. Whoever chose
/// what a listed name stands for would have the list say what they want.
async fn may_import(
    engine: &Engine,
    config: &LauncherConfig,
    plan: &Plan,
    by: Submitter,
) -> Result<(), LauncherError> {
    for image in &plan.images {
        let digest = image.target.digest.to_string();
        for wanted in &image.names {
            if restricts_images(&config.policy) {
                return Err(LauncherError::RestrictedImage {
                    image: wanted.clone(),
                });
            }
            // Short and full names of one image are looked for alike, so neither may hide the other.
            for known in [wanted.clone(), name::full(wanted)] {
                let found = existing(engine, &known).await?;
                if found.is_some_and(|found| !serves(&found, &digest, by)) {
                    return Err(LauncherError::TakenImage { image: known });
                }
            }
        }
    }
    Ok(())
}

/// What a name stands for in containerd.
async fn existing(engine: &Engine, name: &str) -> Result<Option<Image>, LauncherError> {
    let request = GetImageRequest {
        name: name.to_owned(),
    };
    let mut images = engine.images();
    let answer = engine.ask("look for the image", QUICK, images.get(request));
    Ok(optional(answer.await)?.and_then(|answer| answer.image))
}

/// Whether an image is the same as one that is brought, and for jobs of who brings it.
fn serves(image: &Image, digest: &str, by: Submitter) -> bool {
    let target = image.target.as_ref();
    target.is_some_and(|target| target.digest == digest) && owner::may_use(image, by)
}

/// Writes an image's record. An older image of that name is replaced for an admin, and for nobody else: it
/// may have come since the names were checked.
async fn record(
    engine: &Engine,
    name: &str,
    image: &PlannedImage,
    by: Submitter,
) -> Result<(), LauncherError> {
    let digest = image.target.digest.to_string();
    let image = Image {
        name: name.to_owned(),
        target: Some(image.target.wire()),
        labels: owner::labels(by),
        ..Image::default()
    };
    let request = CreateImageRequest {
        image: Some(image.clone()),
        source_date_epoch: None,
    };
    let mut images = engine.images();
    let created = engine.ask("record the image", QUICK, images.create(request));
    match created.await {
        Err(error) if error.has_code(Code::AlreadyExists) => {}
        other => return other.map(drop),
    }
    if !by.admin {
        let found = existing(engine, name).await?;
        let same = found.is_some_and(|found| serves(&found, &digest, by));
        let taken = || LauncherError::TakenImage {
            image: name.to_owned(),
        };
        return same.then_some(()).ok_or_else(taken);
    }
    let request = UpdateImageRequest {
        image: Some(image),
        update_mask: Some(FieldMask {
            // An admin's image is for all, whoever had the name.
            paths: vec![
                "target".to_owned(),
                format!("labels.{}", owner::IMPORTED_BY),
            ],
        }),
        source_date_epoch: None,
    };
    let updated = engine.ask("record the image", QUICK, images.update(request));
    updated.await.map(drop)
}
