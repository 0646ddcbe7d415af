//! A response of two buffers, so that a page of a megabyte is not copied for every scrape.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use crate::render::Scrape;

/// The buffers that are still to be sent; their length is known, so the answer is not chunked.
#[derive(Debug)]
pub(super) struct TwoParts(VecDeque<Bytes>);

impl From<Scrape> for TwoParts {
    fn from(scrape: Scrape) -> Self {
        let parts = [scrape.head, scrape.tail];
        Self(parts.into_iter().filter(|part| !part.is_empty()).collect())
    }
}

impl HttpBody for TwoParts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length: usize = self.0.iter().map(Bytes::len).sum();
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
