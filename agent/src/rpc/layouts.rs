//! Layouts over the API: planned, applied with patience, and what the history tells of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_api::convert::ConvertError;
use kerf_api::v1;
use kerf_api::v1::apply_progress::{Applied, Event, Waiting};
use kerf_telemetry::SelfMetrics;
use kerf_types::MigUuid;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::auth::Peer;
use super::patience::Patience;
use super::streams::{BOUND, channel};
use super::{Answers, documents, status};
use crate::host::{Command, HoldFor, HostError, HostHandle, LayoutDone, LayoutRequest};

/// Most MIG devices that one call may give up; a host of 256 GPUs has not many more.
const FORCE_LIMIT: usize = 4_096;

/// What a caller wants of an apply.
#[derive(Debug)]
pub enum Wish {
    /// A layout.
    Apply {
        /// Which, and how.
        request: LayoutRequest,
        /// How long to wait for slices that are in use, in milliseconds.
        wait_ms: u64,
        /// Whether no new leases are given meanwhile.
        drain: bool,
    },
    /// Forget the one that is kept.
    Forget,
}

/// A request to plan.
pub fn planned(request: v1::PlanLayoutRequest) -> Result<LayoutRequest, Status> {
    let (layout, allow_reset) = (request.layout, request.allow_reset);
    let force = forced(&request.force_destroy)?;
    Ok(LayoutRequest {
        allow_reset,
        force,
        ..read(layout)?
    })
}

/// A request to apply.
pub fn applied(request: v1::ApplyLayoutRequest, peer: Peer) -> Result<Wish, Status> {
    if request.forget {
        return match request.layout {
            None => Ok(Wish::Forget),
            Some(_) => Err(Status::invalid_argument(
                "a layout is applied or forgotten, not both",
            )),
        };
    }
    Ok(Wish::Apply {
        request: LayoutRequest {
            allow_reset: request.allow_reset,
            expected_generation: request.expected_generation,
            force: forced(&request.force_destroy)?,
            by: Some(peer.into()),
            ..read(request.layout)?
        },
        wait_ms: request.wait_ms,
        drain: request.drain,
    })
}

fn read(layout: Option<v1::Layout>) -> Result<LayoutRequest, Status> {
    let layout = layout.unwrap_or_default();
    let layout = layout.try_into().map_err(|error: ConvertError| {
        let hint = "see `kerf schema layout` for what a layout may hold";
        status::refusal(Code::InvalidArgument, &error, hint)
    })?;
    Ok(LayoutRequest {
        layout,
        allow_reset: false,
        expected_generation: 0,
        force: BTreeSet::new(),
        by: None,
    })
}

fn forced(uuids: &[String]) -> Result<BTreeSet<MigUuid>, Status> {
    if uuids.len() > FORCE_LIMIT {
        let text = format!(
            "{} MIG devices to destroy, at most {FORCE_LIMIT} are allowed",
            uuids.len()
        );
        return Err(Status::invalid_argument(text));
    }
    let read = |text: &String| {
        text.parse().map_err(|error: kerf_types::ParseError| {
            status::refusal(
                Code::InvalidArgument,
                &error,
                "see the UUIDs in `kerf slices`",
            )
        })
    };
    uuids.iter().map(read).collect()
}

/// Applies a layout and reports each step.
pub fn apply(
    host: HostHandle,
    wish: Wish,
    metrics: Arc<SelfMetrics>,
) -> Answers<v1::ApplyProgress> {
    let (answers, stream) = channel();
    tokio::spawn(async move {
        let begun = Instant::now();
        let outcome = match wish {
            Wish::Forget => forget(&host).await,
            Wish::Apply {
                request,
                wait_ms,
                drain,
            } => {
                let patience = Patience::new(&host, &answers, wait_ms, waiting);
                patiently(&patience, &request, drain).await
            }
        };
        metrics
            .apply_duration
            .observe(begun.elapsed().as_secs_f64());
        let last = match outcome {
            Ok(done) => Ok(answer(Event::Done(ended(done, begun.elapsed())))),
            Err(error) => Err(Status::from(error)),
        };
        drop(answers.send(last).await);
    });
    stream
}

async fn forget(host: &HostHandle) -> Result<LayoutDone, HostError> {
    host.ask(|reply| Command::Forget { reply }).await?;
    let generation = host.view().generation;
    Ok(LayoutDone {
        generation,
        ..LayoutDone::default()
    })
}

fn answer(event: Event) -> v1::ApplyProgress {
    v1::ApplyProgress { event: Some(event) }
}

fn ended(done: LayoutDone, took: Duration) -> Applied {
    let waits = |pci| {
        format!("GPU {pci}: its MIG mode changes with a reset of the GPU or a restart of the host")
    };
    Applied {
        generation: done.generation,
        steps: u32::try_from(done.steps).unwrap_or(u32::MAX),
        microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        history: done.history.map_or(0, i64::unsigned_abs),
        after_reset: done.after_reset.into_iter().map(waits).collect(),
        after_reload: done
            .after_reload
            .into_iter()
            .map(|pci| format!("AMD GPU {pci}: its memory mode changes then"))
            .collect(),
    }
}

fn waiting(why: String, left_ms: u64) -> v1::ApplyProgress {
    answer(Event::Waiting(Waiting { why, left_ms }))
}

/// Applies at once, or when those who are in the way have gone: each new picture of the host is looked at, and only one
/// in which the layout can be had is brought before the owner.
async fn patiently(
    patience: &Patience<'_, v1::ApplyProgress>,
    request: &LayoutRequest,
    drain: bool,
) -> Result<LayoutDone, HostError> {
    let (host, answers) = (patience.host, patience.answers);
    let waits = Arc::new(());
    if drain {
        let gpus = host.named_by(&request.layout)?;
        let (waits, why) = (Arc::downgrade(&waits), HoldFor::Layout);
        host.tell(Command::Hold { gpus, waits, why }).await;
    }
    let attempt = |is_patient| async move {
        match host.plan(request.clone()).await {
            Err(error) if is_patient && error.is_busy() => Err(error),
            // What else is wrong the owner says, and writes down.
            _ => try_now(host, answers, request).await,
        }
    };
    patience.wait_until(attempt).await
}

async fn try_now(
    host: &HostHandle,
    answers: &mpsc::Sender<Result<v1::ApplyProgress, Status>>,
    request: &LayoutRequest,
) -> Result<LayoutDone, HostError> {
    let (progress, steps) = mpsc::channel(BOUND);
    let forward = async {
        let mut steps = ReceiverStream::new(steps);
        while let Some(step) = steps.next().await {
            let told = answers.send(Ok(documents::progress(step))).await;
            if told.is_err() {
                return;
            }
        }
    };
    let request = request.clone();
    let work = host.ask(|reply| Command::Apply {
        request,
        progress,
        reply,
    });
    // The owner drops its end of the progress with the answer, so both end together.
    let (outcome, ()) = tokio::join!(work, forward);
    outcome
}

/// What the history tells.
pub async fn history(
    host: &HostHandle,
    request: &v1::ListHistoryRequest,
) -> Result<v1::ListHistoryResponse, Status> {
    let (limit, number) = (request.limit, request.number);
    let found = host
        .ask(|reply| Command::History {
            limit,
            number,
            reply,
        })
        .await?;
    let entries = found
        .into_iter()
        .map(|(number, document)| v1::HistoryEntry { number, document });
    Ok(v1::ListHistoryResponse {
        entries: fitting(entries),
    })
}

/// The newest that fit into one answer; whoever wants older ones asks for them by their numbers.
fn fitting(entries: impl Iterator<Item = v1::HistoryEntry>) -> Vec<v1::HistoryEntry> {
    let mut left = super::serve::MESSAGE_LIMIT / 2;
    let mut kept = Vec::new();
    for entry in entries {
        let Some(less) = left.checked_sub(entry.document.len()) else {
            break;
        };
        left = less;
        kept.push(entry);
    }
    kept
}
