//! SHA-256 digests as images write them, `sha256:` and 64 lower-case hexadecimal digits.

use std::fmt;
use std::io::{self, Read};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::ImageError;

/// A digest; the text is always a well-formed one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Digest(String);

impl Digest {
    /// The 64 digits alone, the name of the blob's file in an OCI layout.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or_default()
    }

    /// The digest of bytes at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes))
    }

    /// The digest and length of everything that `reader` has; fails past `limit` bytes.
    pub fn read(reader: impl Read, limit: u64) -> io::Result<(Self, u64)> {
        let mut reader = HashingReader::new(reader, limit);
        io::copy(&mut reader, &mut io::sink())?;
        Ok(reader.finish())
    }

    /// The name of a stack of layers, the same everywhere (OCI image-spec, "Layer ChainID").
    pub fn chain(diff_ids: &[Self]) -> Vec<Self> {
        let mut chain: Vec<Self> = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let next = match chain.last() {
                None => diff_id.clone(),
                Some(parent) => Self::of(format!("{parent} {diff_id}").as_bytes()),
            };
            chain.push(next);
        }
        chain
    }

    fn finish(hasher: Sha256) -> Self {
        let hex: String = hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self(format!("sha256:{hex}"))
    }
}

/// Passes bytes on and remembers their digest; fails past a limit.
pub(super) struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
    length: u64,
    limit: u64,
}

impl<R: Read> HashingReader<R> {
    pub fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            length: 0,
            limit,
        }
    }

    /// The digest and number of the bytes that were read.
    pub fn finish(self) -> (Digest, u64) {
        (Digest::finish(self.hasher), self.length)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.length = self
            .length
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.length > self.limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl TryFrom<String> for Digest {
    type Error = ImageError;

    fn try_from(text: String) -> Result<Self, ImageError> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let clean = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != 64 || !hex.bytes().all(clean) {
            return Err(ImageError::Digest {
                found: text.chars().take(120).collect(),
            });
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
