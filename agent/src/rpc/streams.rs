//! Calls that answer with a stream.

use kerf_api::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Answers, documents};
use crate::events::Events;

/// Answers that may wait for a slow client. Progress beyond it is dropped, other streams wait.
pub(super) const BOUND: usize = 256;

/// A channel whose receiving end is the stream of answers.
pub fn channel<T: Send + 'static>() -> (mpsc::Sender<Result<T, Status>>, Answers<T>) {
    let (sender, receiver) = mpsc::channel(BOUND);
    (sender, Box::pin(ReceiverStream::new(receiver)))
}

/// Events after a number, and on request those that come.
pub fn events(events: Events, request: v1::WatchEventsRequest) -> Answers<v1::Event> {
    let (answers, stream) = channel();
    tokio::spawn(async move {
        let mut newest = events.newest();
        let mut after = request.after;
        loop {
            newest.mark_unchanged();
            for event in events.after(after) {
                after = event.number;
                if answers.send(Ok(documents::event(event))).await.is_err() {
                    return;
                }
            }
            if !request.follow {
                return;
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                () = answers.closed() => return,
            }
        }
    });
    stream
}
