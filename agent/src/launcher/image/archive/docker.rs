//! Archives as `docker save` before version 25 and `podman save` write them: a `manifest.json` that
//! names files, without digests. The documents of an OCI image are made for them.

use std::collections::BTreeMap;

use kerf_types::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::super::digest::Digest;
use super::super::documents::{
    ConfigFile, Descriptor, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST, Packing, Platform,
};
use super::super::name;
use super::layout::{
    IMAGE_LIMIT, PlannedImage, Source, blob, check_count, foreign, layer_blob, manifest_labels,
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
    if entries.len() > IMAGE_LIMIT {
        return Err(ArchiveError::Entries);
    }
    let mut checked = Checked {
        contents,
        limits,
        layers: BTreeMap::new(),
    };
    entries
        .iter()
        .map(|entry| image(&mut checked, entry))
        .collect()
}

/// The layers of an archive, each read once however many images name it.
struct Checked<'a> {
    contents: &'a Contents,
    limits: ImportLimits,
    layers: BTreeMap<String, Checklist>,
}

/// What a layer is and what it unpacks to.
#[derive(Clone)]
struct Checklist {
    region: Region,
    descriptor: Descriptor,
    unpacked: (Digest, u64),
}

impl Checked<'_> {
    /// The layer at a path, which must unpack to `diff_id` and fit into the `room` of its image.
    fn layer(
        &mut self,
        path: &str,
        diff_id: &Digest,
        room: &mut Bytes,
    ) -> Result<(Descriptor, Region), ArchiveError> {
        let limit = self.limits.unpacked;
        let known = match self.layers.get(path) {
            Some(known) => known.clone(),
            None => {
                let missing = || ArchiveError::Missing {
                    path: path.to_owned(),
                };
                let region = self.contents.find(path).ok_or_else(missing)?;
                let packing = verify::packing(self.contents, region)?;
                let (digest, unpacked) = verify::unpack(self.contents, region, packing, *room)?;
                let unpacked = verify::unpacked(path, unpacked, limit)?;
                let known = Checklist {
                    region,
                    descriptor: descriptor(packing, digest, region),
                    unpacked,
                };
                self.layers.insert(path.to_owned(), known.clone());
                known
            }
        };
        let (found, size) = &known.unpacked;
        verify::check_diff_id(path, diff_id, found)?;
        let left = room.0.checked_sub(*size);
        *room = Bytes(left.ok_or(ArchiveError::Unpacked { limit })?);
        Ok((known.descriptor, known.region))
    }
}

fn image(checked: &mut Checked<'_>, entry: &Entry) -> Result<PlannedImage, ArchiveError> {
    let contents = checked.contents;
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
    let mut room = checked.limits.unpacked;
    for (path, diff_id) in entry.layers.iter().zip(&diff_ids) {
        let (layer, region) = checked.layer(path, diff_id, &mut room)?;
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
    // By its place and not by its bytes: the archive may hold a hundred of 8 MiB.
    let region = contents
        .find(&entry.config)
        .ok_or_else(|| ArchiveError::Missing {
            path: entry.config.clone(),
        })?;
    blobs.push(blob(&config, Source::Archive(region), BTreeMap::new()));
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
