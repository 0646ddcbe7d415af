//! A gzip stream of a cached body and a fresh tail, without compressing the body again.
//!
//! The body's deflate blocks end on a byte (a sync flush), so the tail can follow as stored blocks, and
//! the checksum goes on from the body's. It is one gzip member: some clients read only the first.

use axum::body::Bytes;
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress};

/// Magic, deflate, no name, no time, no extra flags, unknown operating system (RFC 1952).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Most bytes of a stored block (RFC 1951, 3.2.4).
const STORED_LIMIT: usize = 65_535;

/// The head of a gzip stream: header and deflate blocks of a body.
#[derive(Debug)]
pub(crate) struct Packed {
    /// The stream so far; more blocks must follow.
    pub(crate) head: Bytes,
    crc: Crc,
}

impl Packed {
    /// Compresses a body.
    pub(crate) fn new(body: &[u8]) -> Result<Self, CompressError> {
        let mut crc = Crc::new();
        crc.update(body);
        // Text of a page shrinks to a few hundredths already at the fastest level.
        let mut compress = Compress::new(Compression::fast(), false);
        let mut head = Vec::with_capacity(body.len() / 16 + 1_024);
        head.extend(HEADER);
        loop {
            let done = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let rest = body.get(done..).unwrap_or_default();
            compress.compress_vec(rest, &mut head, FlushCompress::Sync)?;
            let all_taken = compress.total_in() >= body.len() as u64;
            // Room that is left over says that the flush is complete.
            if all_taken && head.len() < head.capacity() {
                break;
            }
            head.reserve(head.capacity() / 2);
        }
        head.shrink_to_fit();
        let head = Bytes::from(head);
        Ok(Self { head, crc })
    }

    /// What ends the stream after `head`: the tail, checksum and length.
    pub(crate) fn end(&self, tail: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.combine(&self.crc);
        crc.update(tail);
        let blocks = tail.len() / STORED_LIMIT + 1;
        let mut end = Vec::with_capacity(tail.len() + blocks * 5 + 8);
        let mut rest = tail;
        loop {
            let (block, after) = rest.split_at(rest.len().min(STORED_LIMIT));
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            end.push(u8::from(after.is_empty()));
            end.extend(length.to_le_bytes());
            end.extend((!length).to_le_bytes());
            end.extend(block);
            if after.is_empty() {
                break;
            }
            rest = after;
        }
        end.extend(crc.sum().to_le_bytes());
        end.extend(crc.amount().to_le_bytes());
        end
    }
}

#[cfg(test)]
mod tests;
