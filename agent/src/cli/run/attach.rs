//! Follows a job that has a terminal: keys and sizes go there, what it prints comes here.

use std::io;

use kerf_api::v1;
use kerf_api::v1::attach_input::{Input, Size};
use kerf_api::v1::attach_output::Output;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::follow::Patience;
use super::signals::Signals;
use super::terminal::{self, RawMode};
use super::{Failure, RunError};
use crate::cli::Context;
use crate::cli::client::Client;
use crate::cli::print;

/// Messages on their way to kerfd.
const IN_FLIGHT: usize = 16;

/// The key that ends the input of a terminal, Ctrl-D. What is piped in ends with it: a terminal that is closed
/// instead would be hung up before the job has read what came before.
const END_OF_INPUT: u8 = 4;

/// What the call is called when it fails.
const WHAT: &str = "attach to the job";

/// The two ends of what is relayed, which outlive a connection.
struct Relay {
    /// What is typed; `None` once it has ended, or when nothing is to be handed on.
    typed: Option<mpsc::Receiver<Vec<u8>>>,
    resized: Signal,
    /// A message that waits for room.
    waiting: Option<Input>,
}

/// Attaches to a job until it has ended; `None` when a second signal asks to leave it.
pub async fn attach(
    context: &Context,
    client: Client,
    id: &str,
    interactive: bool,
    signals: &mut Signals,
) -> Result<Option<v1::Job>, Failure> {
    let resized = signal(SignalKind::window_change());
    let mut relay = Relay {
        typed: interactive.then(terminal::typed),
        resized: resized.map_err(|source| RunError::Signals { source })?,
        waiting: None,
    };
    let mut patience = Patience::new(context, client, id);
    loop {
        match until_ended(&mut patience, &mut relay, interactive, signals).await {
            Err(failure) if failure.is_away() => patience.reconnect(failure).await?,
            other => return other,
        }
    }
}

async fn until_ended(
    patience: &mut Patience<'_>,
    relay: &mut Relay,
    interactive: bool,
    signals: &mut Signals,
) -> Result<Option<v1::Job>, Failure> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let message = |input| v1::AttachInput { input: Some(input) };
    // There is room for both: nothing was sent before.
    let first = [Some(Input::Job(patience.id.clone())), size()];
    for input in first.into_iter().flatten() {
        drop(sender.try_send(message(input)));
    }
    let mut client = patience.client.clone();
    let attaching = client.attach(ReceiverStream::new(receiver));
    tokio::pin!(attaching);
    // kerfd answers when the job has started. Until then the terminal is as it was and Ctrl-C is a signal.
    let mut output = loop {
        tokio::select! {
            answer = &mut attaching => break answer.map_err(Failure::call(WHAT))?.into_inner(),
            first = signals.next() => if !patience.interrupted(first).await? {
                return Ok(None);
            },
        }
    };
    let raw = if interactive { RawMode::enter()? } else { None };
    let ended = relayed(patience, relay, &sender, &mut output, signals).await;
    drop(raw);
    ended
}

async fn relayed(
    patience: &mut Patience<'_>,
    relay: &mut Relay,
    sender: &mpsc::Sender<v1::AttachInput>,
    output: &mut Streaming<v1::AttachOutput>,
    signals: &mut Signals,
) -> Result<Option<v1::Job>, Failure> {
    loop {
        let idle = relay.waiting.is_none();
        tokio::select! {
            answer = output.message() => match answer.map_err(Failure::call(WHAT))? {
                Some(v1::AttachOutput { output: Some(Output::Data(data)) }) => {
                    print::bytes(&mut io::stdout().lock(), &data)?;
                }
                Some(v1::AttachOutput { output: Some(Output::Ended(job)) }) => return Ok(Some(*job)),
                Some(v1::AttachOutput { output: None }) => {}
                None => return Err(Failure::Unfinished { what: WHAT }),
            },
            // What is typed waits here and not in the channel, so that output is read all the while: a job that
            // prints and does not read must not be stopped by what waits for it.
            room = sender.reserve(), if !idle => if let (Ok(room), Some(input)) = (room, relay.waiting.take()) {
                room.send(v1::AttachInput { input: Some(input) });
            },
            piece = next_typed(&mut relay.typed), if idle => match piece {
                Some(bytes) => relay.waiting = Some(Input::Stdin(bytes)),
                None => {
                    relay.typed = None;
                    relay.waiting = Some(Input::Stdin(vec![END_OF_INPUT]));
                }
            },
            _ = relay.resized.recv(), if idle => relay.waiting = size(),
            first = signals.next() => if !patience.interrupted(first).await? {
                return Ok(None);
            },
        }
    }
}

/// What is typed next. Nothing ever comes from an input that has ended.
async fn next_typed(typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

fn size() -> Option<Input> {
    terminal::size().map(|(columns, rows)| Input::Resize(Size { columns, rows }))
}
