//! Frames between kerfd and its partitioner: a 32-bit big-endian length, then one message of that many bytes.
//!
//! It owns the format and its limit, and does no IO: bytes go in, messages come out, however they were cut.

#[cfg(test)]
mod tests;

use prost::Message;

/// Most bytes of a message. The inventory of a GPU is some KiB; more than this is a broken peer, and the limit
/// keeps it from making us reserve memory for what it merely announces.
pub const FRAME_LIMIT: usize = 4 << 20;

/// Bytes of the length in front of a message.
const HEADER: usize = 4;

/// A frame that cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message is larger than a frame may be.
    #[error("a message of {bytes} bytes does not fit into a frame of at most {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// [`FRAME_LIMIT`].
        limit: usize,
    },
    /// The bytes of a frame are not the message that was expected.
    #[error("a frame of {bytes} bytes holds no such message")]
    Malformed {
        /// Length of the frame.
        bytes: usize,
        /// What the decoder found.
        source: prost::DecodeError,
    },
    /// The stream ended within a frame.
    #[error("the stream ended within a frame, after {bytes} bytes of it")]
    Truncated {
        /// Bytes that did come.
        bytes: usize,
    },
}

/// The frame of a message.
pub fn encode_frame<M: Message>(message: &M) -> Result<Vec<u8>, FrameError> {
    let bytes = message.encoded_len();
    let too_large = FrameError::TooLarge {
        bytes,
        limit: FRAME_LIMIT,
    };
    let length = match u32::try_from(bytes) {
        Ok(length) if bytes <= FRAME_LIMIT => length,
        _ => return Err(too_large),
    };
    let mut frame = Vec::with_capacity(HEADER + bytes);
    frame.extend_from_slice(&length.to_be_bytes());
    // The vector grows as needed, so the only error that encoding knows (no room) cannot happen.
    message.encode(&mut frame).map_err(|_| too_large)?;
    Ok(frame)
}

/// Puts frames together again.
///
/// After [`FrameError::TooLarge`] the stream cannot be followed any more and every pop fails alike; a malformed
/// frame is left behind, and the next one can be read.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that were read already.
    start: usize,
}

impl FrameDecoder {
    /// An empty decoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or `None` while its frame is not complete.
    pub fn pop<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let limit = FRAME_LIMIT;
        let bytes = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        if bytes > limit {
            return Err(FrameError::TooLarge { bytes, limit });
        }
        let Some(body) = rest.get(..bytes) else {
            return Ok(None);
        };
        let message = M::decode(body);
        self.start += HEADER + bytes;
        message
            .map(Some)
            .map_err(|source| FrameError::Malformed { bytes, source })
    }

    /// Says whether the stream may end here: not within a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.len() - self.start {
            0 => Ok(()),
            bytes => Err(FrameError::Truncated { bytes }),
        }
    }
}
