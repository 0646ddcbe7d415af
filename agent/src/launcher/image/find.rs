//! Finds an image in containerd and reads what a launch needs to know of it.

use containerd_client::services::v1::{GetImageRequest, ReadContentRequest};
use serde::de::DeserializeOwned;

use super::super::engine::{Engine, QUICK, optional};
use super::super::error::LauncherError;
use super::super::policy::Submitter;
use super::digest::Digest;
use super::documents::{
    ConfigFile, DOCUMENT_LIMIT, Descriptor, ImageConfig, Index, Manifest, Platform,
};
use super::{ImageError, name, owner};

/// An image that containerd has.
#[derive(Debug, Clone)]
pub(in crate::launcher) struct LocalImage {
    /// Its full name in containerd.
    pub name: String,
    /// What it says about its process.
    pub config: ImageConfig,
    /// The blob of its configuration.
    pub(super) config_digest: Digest,
    /// Its layers, lowest first.
    pub(super) layers: Vec<Descriptor>,
    /// What they unpack to.
    pub(super) diff_ids: Vec<Digest>,
}

/// Finds an image by the name that somebody wrote: as it stands, in its full form, or without the
/// digest, which must then be that of the image. What others imported for themselves hides nothing.
pub(in crate::launcher) async fn find(
    engine: &Engine,
    wanted: &str,
    submitter: Submitter,
) -> Result<LocalImage, LauncherError> {
    let mut missing = LauncherError::NoImage {
        image: wanted.to_owned(),
    };
    // A text that cannot be a name is not looked for.
    if name::check(wanted).is_err() {
        return Err(missing);
    }
    let (path, pinned) = match wanted.split_once('@') {
        Some((path, digest)) => (path, Some(digest)),
        None => (wanted, None),
    };
    let mut candidates = vec![wanted.to_owned(), name::full(wanted)];
    if pinned.is_some() {
        candidates.extend([path.to_owned(), name::full(path)]);
    }
    candidates.dedup();
    for candidate in candidates {
        let request = GetImageRequest {
            name: candidate.clone(),
        };
        let mut images = engine.images();
        let answer = engine.ask("look for the image", QUICK, images.get(request));
        let Some(record) = optional(answer.await)?.and_then(|answer| answer.image) else {
            continue;
        };
        if let Some(uid) = owner::owner(&record)
            && !owner::may_use(&record, submitter)
        {
            missing = LauncherError::OthersImage {
                image: candidate,
                uid: uid.to_owned(),
            };
            continue;
        }
        let target = record.target.unwrap_or_default();
        if pinned.is_none_or(|digest| digest == target.digest) {
            let read = read(engine, &candidate, target.digest, target.media_type).await;
            return read.map_err(|error| named(error, wanted));
        }
    }
    Err(missing)
}

/// Why an image could not be read: containerd's fault or the image's.
enum Fault {
    Engine(LauncherError),
    Image(ImageError),
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

fn named(fault: Fault, image: &str) -> LauncherError {
    match fault {
        Fault::Engine(error) => error,
        Fault::Image(source) => LauncherError::BadImage {
            image: image.to_owned(),
            source,
        },
    }
}

async fn read(
    engine: &Engine,
    name: &str,
    target: String,
    media_type: String,
) -> Result<LocalImage, Fault> {
    let platform = Platform::host();
    let foreign = || ImageError::Platform {
        wanted: format!("{}/{}", platform.os, platform.architecture),
    };
    let mut descriptor = Descriptor {
        media_type,
        digest: Digest::try_from(target)?,
        size: 0,
        platform: None,
        annotations: std::collections::BTreeMap::new(),
    };
    if descriptor.is_index() {
        let index: Index = document(engine, "index", &descriptor.digest).await?;
        descriptor = index.pick(&platform).cloned().ok_or_else(foreign)?;
    }
    let Manifest { config, layers } = document(engine, "manifest", &descriptor.digest).await?;
    let file: ConfigFile = document(engine, "configuration", &config.digest).await?;
    if file.platform != platform {
        return Err(foreign().into());
    }
    let diff_ids = file.rootfs.diff_ids;
    if layers.is_empty() || layers.len() != diff_ids.len() {
        return Err(Fault::Image(ImageError::Layers {
            layers: layers.len(),
            diff_ids: diff_ids.len(),
        }));
    }
    Ok(LocalImage {
        name: name.to_owned(),
        config: file.config.unwrap_or_default(),
        config_digest: config.digest,
        layers,
        diff_ids,
    })
}

/// Reads a document from containerd's content store, which checked its digest when it came in.
async fn document<T: DeserializeOwned>(
    engine: &Engine,
    document: &'static str,
    digest: &Digest,
) -> Result<T, Fault> {
    let bytes = match content(engine, document, digest).await {
        Err(Fault::Engine(error)) if error.has_code(tonic::Code::NotFound) => {
            return Err(Fault::Image(ImageError::Missing {
                document,
                digest: digest.to_string(),
            }));
        }
        other => other?,
    };
    serde_json::from_slice(&bytes)
        .map_err(|source| Fault::Image(ImageError::Document { document, source }))
}

async fn content(
    engine: &Engine,
    document: &'static str,
    digest: &Digest,
) -> Result<Vec<u8>, Fault> {
    const OPERATION: &str = "read the image";
    let request = ReadContentRequest {
        digest: digest.to_string(),
        offset: 0,
        size: 0,
    };
    let mut client = engine.content();
    let mut stream = engine
        .ask(OPERATION, QUICK, client.read(request))
        .await
        .map_err(Fault::Engine)?;
    let mut bytes = Vec::new();
    loop {
        let next = async { stream.message().await.map(tonic::Response::new) };
        let next = engine.ask(OPERATION, QUICK, next).await;
        let Some(part) = next.map_err(Fault::Engine)? else {
            return Ok(bytes);
        };
        bytes.extend_from_slice(&part.data);
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > DOCUMENT_LIMIT {
            return Err(Fault::Image(ImageError::DocumentSize { document }));
        }
    }
}
