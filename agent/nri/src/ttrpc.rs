//! Calls and answers on one connection: frames of a length, a stream's number, a type and flags.
//!
//! Owns the frames and the messages in them. Knows no method. Streaming, which NRI does not use, is skipped.

use prost::Message;

/// Bytes of a message's header.
pub const HEADER: usize = 10;
/// Most bytes of a message without its header (`messageLengthMax` of containerd/ttrpc).
pub const MAX_MESSAGE: usize = 4 << 20;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// Codes of an answer that is a failure, of those of gRPC. A runtime takes `DEADLINE_EXCEEDED` and its like for a
/// plugin that is lost, and goes on without it; these make the call itself fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The call cannot be read.
    InvalidArgument = 3,
    /// Too much of it.
    ResourceExhausted = 8,
    /// It was refused, by the state of things.
    FailedPrecondition = 9,
    /// No such method.
    Unimplemented = 12,
}

/// Why a connection cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than any may be.
    #[error("a message of {length} bytes on stream {stream}, of at most {MAX_MESSAGE}")]
    TooLong {
        /// On which stream.
        stream: u32,
        /// How long it says to be.
        length: u32,
    },
    /// Not a message.
    #[error("the message on stream {stream} cannot be read")]
    Message {
        /// On which stream.
        stream: u32,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
}

/// A call or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Somebody calls.
    Request {
        /// Number of the stream, which the answer has too.
        stream: u32,
        /// Full name of the service.
        service: String,
        /// Name of the method.
        method: String,
        /// The message that goes with it.
        payload: Vec<u8>,
    },
    /// The answer to a call.
    Response {
        /// Number of the call's stream.
        stream: u32,
        /// The message, or the words of the failure.
        outcome: Result<Vec<u8>, String>,
    },
}

/// What ttrpc's messages look like.
mod wire {
    include!(concat!(env!("OUT_DIR"), "/ttrpc.rs"));
}

/// Puts frames together, however they come in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// Takes bytes of one connection and adds each message that is whole by them.
    pub fn push(&mut self, mut bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), FrameError> {
        loop {
            let header = Header::of(&self.buffer);
            let whole = match header {
                Some(header) => HEADER + header.length()?,
                None => HEADER,
            };
            if let Some(header) = header
                && self.buffer.len() >= whole
            {
                frames.extend(header.frame(self.buffer.get(HEADER..).unwrap_or_default())?);
                self.buffer.clear();
                continue;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let missing = whole.saturating_sub(self.buffer.len());
            let (head, rest) = bytes.split_at(missing.min(bytes.len()));
            self.buffer.extend_from_slice(head);
            bytes = rest;
        }
    }
}

#[derive(Clone, Copy)]
struct Header {
    length: u32,
    stream: u32,
    kind: u8,
}

impl Header {
    fn of(buffer: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, kind, _flags] = *buffer.first_chunk::<HEADER>()?;
        Some(Self {
            length: u32::from_be_bytes([a, b, c, d]),
            stream: u32::from_be_bytes([e, f, g, h]),
            kind,
        })
    }

    fn length(self) -> Result<usize, FrameError> {
        let bytes = usize::try_from(self.length).unwrap_or(usize::MAX);
        if bytes > MAX_MESSAGE {
            return Err(FrameError::TooLong {
                stream: self.stream,
                length: self.length,
            });
        }
        Ok(bytes)
    }

    /// What the message says; nothing where it is part of a stream.
    fn frame(self, message: &[u8]) -> Result<Option<Frame>, FrameError> {
        let stream = self.stream;
        let unread = |source| FrameError::Message { stream, source };
        Ok(match self.kind {
            REQUEST => {
                let request = wire::Request::decode(message).map_err(unread)?;
                Some(Frame::Request {
                    stream,
                    service: request.service,
                    method: request.method,
                    payload: request.payload,
                })
            }
            RESPONSE => {
                let response = wire::Response::decode(message).map_err(unread)?;
                let failure = response.status.filter(|status| status.code != 0);
                let words =
                    |status: wire::Status| format!("{} (code {})", status.message, status.code);
                Some(Frame::Response {
                    stream,
                    outcome: failure.map_or(Ok(response.payload), |status| Err(words(status))),
                })
            }
            _ => None,
        })
    }
}

/// A call, as bytes of a connection.
pub fn request(stream: u32, service: &str, method: &str, payload: Vec<u8>) -> Vec<u8> {
    let message = wire::Request {
        service: service.to_owned(),
        method: method.to_owned(),
        payload,
    };
    framed(stream, REQUEST, &message.encode_to_vec())
}

/// The answer to a call that succeeded.
pub fn success(stream: u32, payload: Vec<u8>) -> Vec<u8> {
    let message = wire::Response {
        status: None,
        payload,
    };
    framed(stream, RESPONSE, &message.encode_to_vec())
}

/// The answer to a call that failed.
pub fn failure(stream: u32, code: Code, words: &str) -> Vec<u8> {
    let status = wire::Status {
        code: code as i32,
        message: words.to_owned(),
    };
    let message = wire::Response {
        status: Some(status),
        payload: Vec::new(),
    };
    framed(stream, RESPONSE, &message.encode_to_vec())
}

fn framed(stream: u32, kind: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + message.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(message);
    bytes
}

#[cfg(test)]
mod tests;
