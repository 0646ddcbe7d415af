//! Framing: a length in four big-endian bytes, then that many bytes of JSON.
//!
//! Blocking helpers over any reader and writer, for the shim, and the same steps apart for a reader that
//! is asynchronous (kerfd): [`body_length`] of the four bytes, then [`decode`] of the body.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest body, in bytes. A grant of a whole host with its mounts takes some 30 KiB; without a bound a
/// wrong peer could make the other side reserve 4 GiB.
pub const MAX_FRAME: usize = 1024 * 1024;

/// A frame that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed before a whole frame had come.
    #[error("the connection was closed before the end of the frame")]
    Closed,
    /// The announced or the encoded body is longer than [`MAX_FRAME`].
    #[error("a frame of {length} bytes is longer than the limit of {MAX_FRAME}")]
    TooLong {
        /// Length of the body in bytes.
        length: u64,
    },
    /// The body is not the document that was expected.
    #[error("the frame does not hold the expected document")]
    Json(#[source] serde_json::Error),
    /// The socket failed; [`io::ErrorKind::WouldBlock`] or `TimedOut` where a deadline passed.
    #[error("the frame could not be transferred")]
    Io(#[source] io::Error),
}

/// The whole frame of a document: length and body.
pub fn encode<T: Serialize>(document: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, document).map_err(FrameError::Json)?;
    let length = frame.len() - 4;
    let too_long = || FrameError::TooLong {
        length: u64::try_from(length).unwrap_or(u64::MAX),
    };
    let header = u32::try_from(length).map_err(|_| too_long())?;
    if length > MAX_FRAME {
        return Err(too_long());
    }
    frame
        .iter_mut()
        .zip(header.to_be_bytes())
        .for_each(|(to, from)| *to = from);
    Ok(frame)
}

/// The length of the body that `header` announces, if it is within the limit.
pub fn body_length(header: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(header);
    match usize::try_from(length) {
        Ok(fits) if fits <= MAX_FRAME => Ok(fits),
        _ => Err(FrameError::TooLong {
            length: length.into(),
        }),
    }
}

/// The document in a frame's body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(FrameError::Json)
}

/// Reads one frame, blocking.
pub fn decode_from<T: DeserializeOwned>(reader: &mut impl Read) -> Result<T, FrameError> {
    let mut header = [0; 4];
    read_all(reader, &mut header)?;
    let mut body = vec![0; body_length(header)?];
    read_all(reader, &mut body)?;
    decode(&body)
}

/// Writes one frame, blocking.
pub fn write_to<T: Serialize>(writer: &mut impl Write, document: &T) -> Result<(), FrameError> {
    writer.write_all(&encode(document)?).map_err(FrameError::Io)
}

fn read_all(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), FrameError> {
    reader
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => FrameError::Closed,
            _ => FrameError::Io(error),
        })
}
