//! From an archive's documents to a plan: which blobs go to containerd, and under which names.

use std::collections::BTreeMap;

use super::super::digest::Digest;
use super::super::documents::{ConfigFile, Descriptor, Index, Manifest, Platform};
use super::super::name;
use super::scan::{Contents, Region, parse};
use super::{ArchiveError, docker, verify};
use crate::launcher::config::ImportLimits;

/// Most images of one archive.
pub(super) const IMAGE_LIMIT: usize = 128;

/// Most layers of one image: the kernel's limit for the layers of an overlay mount is 500.
const LAYER_LIMIT: usize = 500;

/// Where the name of an image stands, most telling first. The second may be a bare tag.
const NAME_KEYS: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

/// Where a blob's bytes are.
#[derive(Debug)]
pub(in crate::launcher::image) enum Source {
    Archive(Region),
    Memory(Vec<u8>),
}

/// One blob on its way to containerd. Labels tell containerd's collector what it leads to.
#[derive(Debug)]
pub(in crate::launcher::image) struct Blob {
    pub descriptor: Descriptor,
    pub source: Source,
    pub labels: BTreeMap<String, String>,
}

/// One image on its way to containerd; every byte of it has been checked.
#[derive(Debug)]
pub(in crate::launcher::image) struct PlannedImage {
    pub names: Vec<String>,
    pub target: Descriptor,
    pub config: Digest,
    pub layers: Vec<Descriptor>,
    pub diff_ids: Vec<Digest>,
    pub blobs: Vec<Blob>,
}

/// All that one archive brings.
#[derive(Debug)]
pub(in crate::launcher::image) struct Plan {
    pub contents: Contents,
    pub images: Vec<PlannedImage>,
}

/// Reads and checks an archive. `wanted` names the image, over whatever the archive says.
pub(in crate::launcher::image) fn plan(
    contents: Contents,
    wanted: Option<&str>,
    limits: ImportLimits,
) -> Result<Plan, ArchiveError> {
    let mut images = if contents.find("index.json").is_some() {
        oci_images(&contents, limits)?
    } else if contents.find("manifest.json").is_some() {
        docker::images(&contents, limits)?
    } else {
        return Err(ArchiveError::NoImage);
    };
    if let Some(wanted) = wanted {
        let [image] = images.as_mut_slice() else {
            return Err(ArchiveError::Several {
                count: images.len(),
                name: wanted.to_owned(),
            });
        };
        image.names = vec![wanted.to_owned()];
    }
    if images.is_empty() {
        return Err(ArchiveError::NoImage);
    }
    for image in &images {
        if image.names.is_empty() {
            return Err(ArchiveError::NoName);
        }
        for name in &image.names {
            name::check(name)?;
        }
    }
    Ok(Plan { contents, images })
}

/// The images of an OCI layout; an image that is listed under several names comes once.
fn oci_images(
    contents: &Contents,
    limits: ImportLimits,
) -> Result<Vec<PlannedImage>, ArchiveError> {
    let index: Index = contents.json("index.json")?;
    if index.manifests.len() > IMAGE_LIMIT {
        return Err(ArchiveError::Entries);
    }
    let mut images: Vec<PlannedImage> = Vec::new();
    for entry in &index.manifests {
        let same = |image: &&mut PlannedImage| image.target.digest == entry.digest;
        if let Some(known) = images.iter_mut().find(same) {
            known.names.extend(name_of(entry));
        } else {
            images.push(oci_image(contents, entry, limits)?);
        }
    }
    Ok(images)
}

fn name_of(entry: &Descriptor) -> Option<String> {
    let [complete, reference] = NAME_KEYS.map(|key| entry.annotations.get(key));
    let reference = reference.filter(|name| name.contains(['/', ':']));
    let reference = reference.map(|name| name::full(name));
    complete.cloned().or(reference)
}

fn oci_image(
    contents: &Contents,
    entry: &Descriptor,
    limits: ImportLimits,
) -> Result<PlannedImage, ArchiveError> {
    let platform = Platform::host();
    let mut blobs = Vec::new();
    let manifest = if entry.is_index() {
        let (source, bytes) = verify::document(contents, entry)?;
        let index: Index = parse(&verify::path(&entry.digest), &bytes)?;
        let found = index.pick(&platform).ok_or_else(|| foreign(&platform))?;
        let labels = BTreeMap::from([content_label("m.0", &found.digest)]);
        blobs.push(blob(entry, source, labels));
        found.clone()
    } else {
        entry.clone()
    };
    if !manifest.is_manifest() {
        return Err(ArchiveError::NotAnImage {
            media_type: manifest.media_type,
        });
    }
    let (source, bytes) = verify::document(contents, &manifest)?;
    let Manifest { config, layers } = parse(&verify::path(&manifest.digest), &bytes)?;
    blobs.push(blob(&manifest, source, manifest_labels(&config, &layers)));
    let (source, bytes) = verify::document(contents, &config)?;
    let file: ConfigFile = parse(&verify::path(&config.digest), &bytes)?;
    if file.platform != platform {
        return Err(foreign(&platform));
    }
    let diff_ids = file.rootfs.diff_ids;
    check_count(layers.len(), diff_ids.len())?;
    blobs.push(blob(&config, source, BTreeMap::new()));
    let mut room = limits.unpacked;
    for (layer, diff_id) in layers.iter().zip(&diff_ids) {
        let region = verify::layer(contents, layer, diff_id, &mut room, limits.unpacked)?;
        blobs.push(layer_blob(layer, diff_id, region));
    }
    Ok(PlannedImage {
        names: name_of(entry).into_iter().collect(),
        target: entry.clone(),
        config: config.digest,
        layers,
        diff_ids,
        blobs,
    })
}

pub(super) fn blob(
    descriptor: &Descriptor,
    source: Source,
    labels: BTreeMap<String, String>,
) -> Blob {
    Blob {
        descriptor: descriptor.clone(),
        source,
        labels,
    }
}

/// The label with the digest of the unpacked layer saves containerd from unpacking it to find out.
pub(super) fn layer_blob(layer: &Descriptor, diff_id: &Digest, region: Region) -> Blob {
    let label = ("containerd.io/uncompressed".to_owned(), diff_id.to_string());
    blob(layer, Source::Archive(region), BTreeMap::from([label]))
}

pub(super) fn manifest_labels(
    config: &Descriptor,
    layers: &[Descriptor],
) -> BTreeMap<String, String> {
    let layers = layers
        .iter()
        .enumerate()
        .map(|(number, layer)| content_label(&format!("l.{number}"), &layer.digest));
    std::iter::once(content_label("config", &config.digest))
        .chain(layers)
        .collect()
}

fn content_label(what: &str, digest: &Digest) -> (String, String) {
    (
        format!("containerd.io/gc.ref.content.{what}"),
        digest.to_string(),
    )
}

pub(super) fn check_count(layers: usize, diff_ids: usize) -> Result<(), ArchiveError> {
    if layers == 0 || layers > LAYER_LIMIT || layers != diff_ids {
        return Err(ArchiveError::Layers { layers, diff_ids });
    }
    Ok(())
}

pub(super) fn foreign(platform: &Platform) -> ArchiveError {
    ArchiveError::Platform {
        wanted: format!("{}/{}", platform.os, platform.architecture),
    }
}
