//! The JSON documents of an image: index, manifest, configuration (OCI image-spec 1.1, Docker 2.2).
//!
//! They come from other people's files. Only the fields that are used are read, and sizes and
//! digests are believed only after they were compared with the bytes.

use std::collections::BTreeMap;

use containerd_client::types::Descriptor as WireDescriptor;
use serde::Deserialize;
use serde_json::{Value, json};

use super::digest::Digest;

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(super) const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Largest document: containerd's own limit for manifests.
pub(super) const DOCUMENT_LIMIT: u64 = 8 << 20;

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub fn is_index(&self) -> bool {
        self.media_type == OCI_INDEX || self.media_type == DOCKER_LIST
    }

    pub fn is_manifest(&self) -> bool {
        self.media_type == OCI_MANIFEST || self.media_type == DOCKER_MANIFEST
    }

    pub fn packing(&self) -> Option<Packing> {
        match self.media_type.as_str() {
            OCI_LAYER | DOCKER_LAYER => Some(Packing::Plain),
            OCI_LAYER_GZIP | DOCKER_LAYER_GZIP => Some(Packing::Gzip),
            _ => None,
        }
    }

    /// As containerd's services want it.
    pub fn wire(&self) -> WireDescriptor {
        WireDescriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.to_string(),
            // No blob of 2^63 bytes exists: sizes were compared with the archive or come from containerd.
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
            annotations: std::collections::HashMap::new(),
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": self.digest.to_string(),
            "size": self.size,
        })
    }
}

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
}

/// What machine a manifest is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    pub os: String,
    pub architecture: String,
}

impl Platform {
    /// The platform of this host, in the names that images use.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
        }
    }
}

/// A list of manifests.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Index {
    pub manifests: Vec<Descriptor>,
}

impl Index {
    /// The manifest for a machine; one that names no platform fits if it is the only one.
    pub fn pick(&self, platform: &Platform) -> Option<&Descriptor> {
        let exact = |found: &&Descriptor| found.platform.as_ref() == Some(platform);
        let only = match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        };
        self.manifests.iter().find(exact).or(only)
    }
}

/// One image for one platform.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// The configuration blob of an image.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ConfigFile {
    #[serde(flatten)]
    pub platform: Platform,
    #[serde(default)]
    pub config: Option<ImageConfig>,
    pub rootfs: Rootfs,
}

/// The layers by the digests of what they unpack to.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rootfs {
    pub diff_ids: Vec<Digest>,
}

/// What an image says about the process that runs in it; lists may be absent or null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::launcher) struct ImageConfig {
    pub user: Option<String>,
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub working_dir: Option<String>,
}
