//! Several connections over one: frames of a connection's number, a length and so many bytes.
//!
//! Owns the cutting of a stream into frames and back. Knows nothing of what they carry.

/// Number of the connection on which the runtime calls the plugin.
pub const PLUGIN: u32 = 1;
/// Number of the connection on which the plugin calls the runtime.
pub const RUNTIME: u32 = 2;

/// Bytes of a frame's header: two numbers of four bytes, the larger end first.
const HEADER: usize = 8;

/// Most bytes that a frame carries: one whole message of ttrpc (`maxPayloadSize` of containerd/nri).
pub const MAX_PAYLOAD: usize = crate::ttrpc::MAX_MESSAGE + crate::ttrpc::HEADER;

/// Most bytes of a frame that we send. The runtime reads through a buffer of 4,096 bytes and gives the connection up on
/// a frame that is longer than the room that it offers, which is never less than this where frames end with messages.
pub const CHUNK: usize = 4096;

/// A frame longer than any may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes on connection {connection}, of at most {MAX_PAYLOAD}")]
pub struct TooLong {
    /// On which connection.
    pub connection: u32,
    /// How long it says to be.
    pub length: u32,
}

/// Cuts a stream, however it comes in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    header: Vec<u8>,
    /// Connection and bytes to come of the frame that has begun.
    open: Option<(u32, usize)>,
}

impl Reader {
    /// Hands on what came, as pieces with the number of their connection. A piece is part of a frame, not a whole one.
    pub fn push<'a>(
        &mut self,
        mut bytes: &'a [u8],
        pieces: &mut Vec<(u32, &'a [u8])>,
    ) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            let Some((connection, left)) = self.open else {
                let missing = HEADER.saturating_sub(self.header.len());
                let (head, rest) = bytes.split_at(missing.min(bytes.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                self.begin()?;
                continue;
            };
            let (piece, rest) = bytes.split_at(left.min(bytes.len()));
            pieces.push((connection, piece));
            bytes = rest;
            let left = left.saturating_sub(piece.len());
            self.open = (left > 0).then_some((connection, left));
        }
        Ok(())
    }

    /// Begins a frame once its header is whole.
    fn begin(&mut self) -> Result<(), TooLong> {
        let Ok(header) = <[u8; HEADER]>::try_from(self.header.as_slice()) else {
            return Ok(());
        };
        self.header.clear();
        let [a, b, c, d, e, f, g, h] = header;
        let connection = u32::from_be_bytes([a, b, c, d]);
        let length = u32::from_be_bytes([e, f, g, h]);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > MAX_PAYLOAD {
            return Err(TooLong { connection, length });
        }
        self.open = (bytes > 0).then_some((connection, bytes));
        Ok(())
    }
}

/// Adds `bytes` to `out`, in frames of at most [`CHUNK`] bytes.
pub fn write(connection: u32, bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(CHUNK) {
        // A chunk is far below what four bytes can count.
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&connection.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests;
