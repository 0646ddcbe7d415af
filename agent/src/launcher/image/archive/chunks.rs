//! Pieces of bytes, as they come over gRPC, as one reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_stream::Stream;

/// Reads pieces one after the other; an error among them ends it, so that a sender who broke off is
/// told from one who came to the end.
pub(in crate::launcher) struct Chunks<S> {
    stream: S,
    piece: Vec<u8>,
    taken: usize,
}

impl<S> Chunks<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            piece: Vec::new(),
            taken: 0,
        }
    }
}

impl<S: Stream<Item = io::Result<Vec<u8>>> + Unpin> AsyncRead for Chunks<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An empty piece must not be taken for the end.
        while self.taken >= self.piece.len() {
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                None => return Poll::Ready(Ok(())),
                Some(next) => {
                    self.piece = next?;
                    self.taken = 0;
                }
            }
        }
        let rest = self.piece.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        self.taken += count;
        Poll::Ready(Ok(()))
    }
}
