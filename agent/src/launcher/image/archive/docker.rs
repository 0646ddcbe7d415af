//! Archives as `docker save` before version 25 and `podman save` write them: a `manifest.json` that
//! names files, without digests. The documents of an OCI image are made for them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::super::digest::Digest;
use super::super::documents::{
    ConfigFile, Descriptor, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST, Packing, Platform,
};
use super::super::name;
use super::layout::{
    PlannedImage, Source, blob, check_count, foreign, layer_blob, manifest_labels,
};
use super::scan::{Contents, Region, parse};
use super::{ArchiveError, verify};
use crate::launcher::config::ImportLimits;

/// One image of a `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The images that the list names.
pub(super) fn images(
    contents: &Contents,
    limits: ImportLimits,
) -> Result<Vec<PlannedImage>, ArchiveError> {
    let entries: Vec<Entry> = contents.json("manifest.json")?;
    let images = entries.iter().map(|entry| image(contents, entry, limits));
    images.collect()
}

fn image(
    contents: &Contents,
    entry: &Entry,
    limits: ImportLimits,
) -> Result<PlannedImage, ArchiveError> {
    let config_bytes = contents.document(&entry.config)?;
    let file: ConfigFile = parse(&entry.config, &config_bytes)?;
    let platform = Platform::host();
    if file.platform != platform {
        return Err(foreign(&platform));
    }
    let diff_ids = file.rootfs.diff_ids;
    check_count(entry.layers.len(), diff_ids.len())?;
    let config = made(OCI_CONFIG, &config_bytes);
    let mut layers = Vec::new();
    let mut blobs = Vec::new();
    let mut room = limits.unpacked;
    for (path, diff_id) in entry.layers.iter().zip(&diff_ids) {
        let region = contents
            .find(path)
            .ok_or_else(|| ArchiveError::Missing { path: path.clone() })?;
        let packing = verify::packing(contents, region)?;
        let (digest, unpacked) = verify::unpack(contents, region, packing, room)?;
        let size = verify::check_layer(path, diff_id, unpacked, limits.unpacked)?;
        room.0 = room.0.saturating_sub(size);
        let layer = descriptor(packing, digest, region);
        blobs.push(layer_blob(&layer, diff_id, region));
        layers.push(layer);
    }
    let manifest_bytes = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.json(),
        "layers": layers.iter().map(Descriptor::json).collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes();
    let target = made(OCI_MANIFEST, &manifest_bytes);
    let labels = manifest_labels(&config, &layers);
    blobs.push(blob(&target, Source::Memory(manifest_bytes), labels));
    let source = Source::Memory(config_bytes);
    blobs.push(blob(&config, source, BTreeMap::new()));
    let tags = entry.repo_tags.iter().flatten();
    Ok(PlannedImage {
        names: tags.map(|tag| name::full(tag)).collect(),
        target,
        config: config.digest,
        layers,
        diff_ids,
        blobs,
    })
}

fn descriptor(packing: Packing, digest: Digest, region: Region) -> Descriptor {
    let media_type = match packing {
        Packing::Plain => OCI_LAYER,
        Packing::Gzip => OCI_LAYER_GZIP,
    };
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size: region.size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

fn made(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        // A document of at most 8 MiB.
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        platform: None,
        annotations: BTreeMap::new(),
    }
}
