//! Compares the bytes in an archive with what its documents say about them.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use kerf_types::Bytes;

use super::super::digest::{Digest, HashingReader};
use super::super::documents::{DOCUMENT_LIMIT, Descriptor, Packing};
use super::ArchiveError;
use super::layout::Source;
use super::scan::{Contents, Region};

/// Where an OCI layout has the blob with a digest.
pub(super) fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A document with its bytes; its size and digest are right.
pub(super) fn document(
    contents: &Contents,
    descriptor: &Descriptor,
) -> Result<(Source, Vec<u8>), ArchiveError> {
    let path = path(&descriptor.digest);
    if descriptor.size > DOCUMENT_LIMIT {
        return Err(ArchiveError::DocumentSize { document: path });
    }
    let region = region(contents, descriptor)?;
    let bytes = contents.document(&path)?;
    check_digest(&path, &descriptor.digest, &Digest::of(&bytes))?;
    Ok((Source::Archive(region), bytes))
}

/// Where a layer lies; its size, its digest and what it unpacks to are right. `room` is what may
/// still be unpacked of the `limit` for the image.
pub(super) fn layer(
    contents: &Contents,
    descriptor: &Descriptor,
    diff_id: &Digest,
    room: &mut Bytes,
    limit: Bytes,
) -> Result<Region, ArchiveError> {
    let path = path(&descriptor.digest);
    let packing = descriptor
        .packing()
        .ok_or_else(|| ArchiveError::LayerType {
            media_type: descriptor.media_type.clone(),
        })?;
    let region = region(contents, descriptor)?;
    let (digest, unpacked) = unpack(contents, region, packing, *room)?;
    check_digest(&path, &descriptor.digest, &digest)?;
    let size = check_layer(&path, diff_id, unpacked, limit)?;
    room.0 = room.0.saturating_sub(size);
    Ok(region)
}

/// What a layer unpacks to, and how much that is.
pub(super) type Unpacked = io::Result<(Digest, u64)>;

/// Reads a layer once: the digest of it as it is stored, and what it unpacks to. That a layer is
/// damaged shows in both, so the second is a result of its own.
pub(super) fn unpack(
    contents: &Contents,
    region: Region,
    packing: Packing,
    room: Bytes,
) -> Result<(Digest, Unpacked), ArchiveError> {
    let mut stored = HashingReader::new(contents.reader(region), u64::MAX);
    let unpacked = match packing {
        Packing::Plain => Digest::read(&mut stored, room.0),
        Packing::Gzip => Digest::read(MultiGzDecoder::new(&mut stored), room.0),
    };
    // The decoder stops at the end of the last member or at a fault; the digest is of the whole.
    io::copy(&mut stored, &mut io::sink()).map_err(ArchiveError::Tar)?;
    Ok((stored.finish().0, unpacked))
}

/// Compares what a layer unpacked to with what the configuration says; gives its size.
pub(super) fn check_layer(
    path: &str,
    diff_id: &Digest,
    unpacked: Unpacked,
    limit: Bytes,
) -> Result<u64, ArchiveError> {
    let (found, size) = self::unpacked(path, unpacked, limit)?;
    check_diff_id(path, diff_id, &found)?;
    Ok(size)
}

/// What a layer unpacked to, or why it could not be.
pub(super) fn unpacked(
    path: &str,
    unpacked: Unpacked,
    limit: Bytes,
) -> Result<(Digest, u64), ArchiveError> {
    unpacked.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => ArchiveError::Unpacked { limit },
        _ => ArchiveError::Gzip {
            what: path.to_owned(),
            source,
        },
    })
}

/// Compares what a layer unpacks to with what the configuration says.
pub(super) fn check_diff_id(
    path: &str,
    expected: &Digest,
    found: &Digest,
) -> Result<(), ArchiveError> {
    if expected == found {
        return Ok(());
    }
    Err(ArchiveError::Layer {
        path: path.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn region(contents: &Contents, descriptor: &Descriptor) -> Result<Region, ArchiveError> {
    let path = path(&descriptor.digest);
    let Some(region) = contents.find(&path) else {
        return Err(ArchiveError::Missing { path });
    };
    if region.size != descriptor.size {
        return Err(ArchiveError::Size {
            path,
            stated: descriptor.size,
            found: region.size,
        });
    }
    Ok(region)
}

fn check_digest(path: &str, stated: &Digest, found: &Digest) -> Result<(), ArchiveError> {
    if stated == found {
        return Ok(());
    }
    Err(ArchiveError::Digest {
        path: path.to_owned(),
        found: found.to_string(),
    })
}

/// The first bytes of a region, to see how it is packed.
pub(super) fn packing(contents: &Contents, region: Region) -> Result<Packing, ArchiveError> {
    let mut head = Vec::new();
    contents
        .reader(region)
        .take(2)
        .read_to_end(&mut head)
        .map_err(ArchiveError::Tar)?;
    Ok(if head == [0x1f, 0x8b] {
        Packing::Gzip
    } else {
        Packing::Plain
    })
}
