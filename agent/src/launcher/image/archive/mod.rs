//! An image archive of somebody else: received into a file, read, and checked as a whole.
//!
//! ```text
//!  bytes ─► stage (a file, bounded) ─► scan (names and places) ─► layout (what is to be imported)
//!                                                                     └► verify (every blob's bytes)
//! ```
//! Nothing is ever extracted: blobs are read from their place in the file, so paths in an archive are
//! only names. Nothing of an archive reaches containerd before all of it has been checked.

mod docker;
mod layout;
mod scan;
mod stage;
mod verify;

use std::io;
use std::time::Duration;

use kerf_types::{Bytes, ParseError};

pub(super) use layout::{Blob, Plan, PlannedImage, Source, plan};
pub(super) use scan::Contents;
pub(super) use stage::{stage, sweep};

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is larger than allowed.
    #[error("it is larger than {limit}")]
    TooLarge {
        /// The limit.
        limit: Bytes,
    },
    /// It cannot be received: the sender broke off, or the disk is full.
    #[error("it could not be received")]
    Receive(#[source] io::Error),
    /// Its sender says nothing, or hardly anything.
    #[error("less than {least} of it came in {} s", limit.as_secs())]
    Slow {
        /// What must come in that time.
        least: Bytes,
        /// The time.
        limit: Duration,
    },
    /// It is not a tar file, or a broken one.
    #[error("it is no tar file, or a damaged one")]
    Tar(#[source] io::Error),
    /// It is compressed and the compression is broken.
    #[error("{what} is not proper gzip data")]
    Gzip {
        /// The archive, or the layer.
        what: String,
        /// Where and why.
        #[source]
        source: io::Error,
    },
    /// An entry points out of the archive.
    #[error("it holds the path {path:?}, which leads out of it")]
    UnsafePath {
        /// The path.
        path: String,
    },
    /// Two entries have one name: which one is meant cannot be known.
    #[error("it holds {path:?} twice")]
    Twice {
        /// The path.
        path: String,
    },
    /// An entry is not a file, folder or link.
    #[error("it holds {path:?}, which is neither file nor folder nor link")]
    Kind {
        /// The path.
        path: String,
    },
    /// Far more entries than an image needs, or headers of absurd size.
    #[error("it has more or larger entries than an image archive can have")]
    Entries,
    /// It holds no image.
    #[error("it has neither an index.json nor a manifest.json")]
    NoImage,
    /// A document cannot be read.
    #[error("{document} in it cannot be read")]
    Document {
        /// Its path.
        document: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A document is larger than containerd allows.
    #[error("{document} in it is larger than 8 MiB")]
    DocumentSize {
        /// Its path.
        document: String,
    },
    /// A part of the image is not in the archive.
    #[error("it lacks {path}")]
    Missing {
        /// The path at which the part should be.
        path: String,
    },
    /// A blob has another size than its descriptor says.
    #[error("{path} has {found} bytes instead of {stated}")]
    Size {
        /// Its path.
        path: String,
        /// What the descriptor says.
        stated: u64,
        /// What is there.
        found: u64,
    },
    /// A blob's content is not what its name says.
    #[error("{path} has the digest {found}")]
    Digest {
        /// Its path, which names the digest that it should have.
        path: String,
        /// The digest that it has.
        found: String,
    },
    /// A layer does not unpack to what the configuration says.
    #[error("the layer {path} unpacks to {found} instead of {expected}")]
    Layer {
        /// Its path.
        path: String,
        /// What the configuration says.
        expected: String,
        /// What comes out.
        found: String,
    },
    /// The layers of an image are larger than allowed once they are unpacked.
    #[error("its layers unpack to more than {limit}")]
    Unpacked {
        /// The limit.
        limit: Bytes,
    },
    /// A layer is stored in a way that cannot be checked.
    #[error("it has a layer of the type {media_type}: plain and gzip layers are read")]
    LayerType {
        /// The media type.
        media_type: String,
    },
    /// No layers, too many, or another number than the configuration says.
    #[error("an image in it has {layers} layers, and its configuration names {diff_ids}")]
    Layers {
        /// Layers in the manifest.
        layers: usize,
        /// Layers in the configuration.
        diff_ids: usize,
    },
    /// The image is made for other machines.
    #[error("it has nothing for {wanted}")]
    Platform {
        /// This host's platform.
        wanted: String,
    },
    /// An entry of the index is neither an image nor a list of images.
    #[error("it lists something of the type {media_type}, which is no image")]
    NotAnImage {
        /// The media type.
        media_type: String,
    },
    /// An image without a name, and none was given.
    #[error("an image in it has no name: give one")]
    NoName,
    /// A name was given and there are several images.
    #[error("it holds {count} images, so they cannot all be called {name}")]
    Several {
        /// How many.
        count: usize,
        /// The name.
        name: String,
    },
    /// A name that containerd would not take.
    #[error("an image in it has a strange name")]
    Name(#[from] ParseError),
}

#[cfg(test)]
mod tests;
