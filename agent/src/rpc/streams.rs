//! Calls that answer with a stream.

use std::sync::Arc;
use std::time::Instant;

use kerf_api::v1;
use kerf_api::v1::apply_progress::{Applied, Event as ApplyEvent};
use kerf_telemetry::SelfMetrics;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Answers, documents};
use crate::events::Events;
use crate::host::{Command, HostHandle, LayoutRequest};

/// Answers that may wait for a slow client. Progress beyond it is dropped, other streams wait.
const BOUND: usize = 256;

/// A channel whose receiving end is the stream of answers.
pub fn channel<T: Send + 'static>() -> (mpsc::Sender<Result<T, Status>>, Answers<T>) {
    let (sender, receiver) = mpsc::channel(BOUND);
    (sender, Box::pin(ReceiverStream::new(receiver)))
}

/// Applies a layout and reports each step.
pub fn apply(
    host: HostHandle,
    request: LayoutRequest,
    metrics: Arc<SelfMetrics>,
) -> Answers<v1::ApplyProgress> {
    let (answers, stream) = channel();
    let (progress, steps) = mpsc::channel(BOUND);
    let forward = {
        let answers = answers.clone();
        async move {
            let mut steps = ReceiverStream::new(steps);
            while let Some(step) = steps.next().await {
                if answers.send(Ok(documents::progress(step))).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::spawn(async move {
        let begun = Instant::now();
        let work = host.ask(|reply| Command::Apply {
            request,
            progress,
            reply,
        });
        // The owner drops its end of the progress with the answer, so both end together.
        let (outcome, ()) = tokio::join!(work, forward);
        metrics
            .apply_duration
            .observe(begun.elapsed().as_secs_f64());
        let last = match outcome {
            Ok((generation, steps)) => Ok(v1::ApplyProgress {
                event: Some(ApplyEvent::Done(Applied {
                    generation,
                    steps: u32::try_from(steps).unwrap_or(u32::MAX),
                    microseconds: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                })),
            }),
            Err(error) => Err(Status::from(error)),
        };
        drop(answers.send(last).await);
    });
    stream
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
