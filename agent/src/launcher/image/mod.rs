//! Images: from an archive or a registry into containerd, and from containerd into a container.
//!
//! [`archive`] reads files of other people and talks to nobody; the rest talks to containerd and
//! gets from it only what was checked. An image is used only as a root file system and for the few
//! words of its configuration that `ImageConfig` lists; its labels and volumes are ignored.

mod archive;
mod digest;
mod documents;
mod find;
mod import;
mod name;
mod owner;
mod pull;
mod snapshotter;
mod unpack;
mod upload;

use std::io;

pub use archive::ArchiveError;
pub(super) use documents::ImageConfig;
pub(super) use find::{LocalImage, find};
pub(super) use import::{import, prepare};
pub(super) use pull::pull;
pub(super) use snapshotter::{prepare_snapshot, snapshotter};
pub(super) use unpack::ensure_unpacked;

/// What is wrong with an image that is in containerd.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Not a SHA-256 digest.
    #[error("{found:?} is no SHA-256 digest")]
    Digest {
        /// What stood in its place.
        found: String,
    },
    /// One of its documents cannot be read.
    #[error("its {document} cannot be read")]
    Document {
        /// Which one: index, manifest, configuration.
        document: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// One of its documents is larger than containerd allows.
    #[error("its {document} is larger than 8 MiB")]
    DocumentSize {
        /// Which one.
        document: &'static str,
    },
    /// A part of it is not in containerd.
    #[error("its {document} {digest} is not in containerd")]
    Missing {
        /// Which part.
        document: &'static str,
        /// Its digest.
        digest: String,
    },
    /// It is made for other machines.
    #[error("it has nothing for {wanted}")]
    Platform {
        /// This host's platform.
        wanted: String,
    },
    /// It has no layers, too many, or another number than its configuration says.
    #[error("it has {layers} layers, and its configuration names {diff_ids}")]
    Layers {
        /// Layers in the manifest.
        layers: usize,
        /// Layers in the configuration.
        diff_ids: usize,
    },
    /// A layer does not unpack to what the configuration says.
    #[error("layer {layer} unpacks to {found} instead of {expected}")]
    Layer {
        /// The layer's own digest.
        layer: String,
        /// What the configuration says.
        expected: String,
        /// What came out.
        found: String,
    },
    /// Neither the job nor the image says what to run.
    #[error("it names no command, and neither does the job")]
    NoCommand,
    /// Its user is not one of its own.
    #[error("its user {user:?} is neither a number nor in its /etc/passwd and /etc/group")]
    User {
        /// The user as the image writes it.
        user: String,
    },
    /// The files that name its users cannot be read.
    #[error("its {path} cannot be read to find its user")]
    UserFile {
        /// The path inside of the image, or the folder where it was looked at.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
