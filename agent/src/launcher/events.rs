//! containerd's events, as hints that a look is worth while.
//!
//! Events can be lost, and none comes for what happened while nobody listened: the truth is
//! [`list`](super::Launcher::list). So a hint carries no state, and every new connection is a hint
//! to look at everything.

use std::time::Duration;

use containerd_client::events::{TaskExit, TaskOom};
use containerd_client::services::v1::SubscribeRequest;
use containerd_client::types::Envelope;
use kerf_types::ContainerRef;
use prost::Message;
use tokio::sync::mpsc;

use super::engine::Engine;

/// Hints on their way to a slow listener; past it the connection waits, and containerd drops.
const IN_FLIGHT: usize = 64;

/// Pause before the next attempt to connect.
const RETRY: Duration = Duration::from_secs(1);

const EXIT: &str = "/tasks/exit";
const OOM: &str = "/tasks/oom";

/// Something may have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Events may have been missed: look at all containers.
    Resync,
    /// A container has ended.
    Exited(ContainerRef),
    /// A container met its memory limit.
    OutOfMemory(ContainerRef),
}

/// Listens to the containers of all namespaces, for as long as the receiver is there.
pub(super) fn listen(engine: Engine) -> mpsc::Receiver<Hint> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(async move {
        loop {
            if sender.send(Hint::Resync).await.is_err() {
                return;
            }
            // containerd answers a subscription with its first event and not before, so the call
            // itself can last for ever; it is given up when nobody listens any more.
            tokio::select! {
                () = listen_once(&engine, &sender) => {}
                () = sender.closed() => return,
            }
            tokio::time::sleep(RETRY).await;
        }
    });
    receiver
}

async fn listen_once(engine: &Engine, sender: &mpsc::Sender<Hint>) {
    let request = SubscribeRequest {
        filters: vec![format!("topic=={EXIT:?}"), format!("topic=={OOM:?}")],
    };
    let mut events = engine.events();
    let Ok(stream) = events.subscribe(request).await else {
        return;
    };
    let mut stream = stream.into_inner();
    while let Ok(Some(envelope)) = stream.message().await {
        if let Some(hint) = hint(&envelope)
            && sender.send(hint).await.is_err()
        {
            return;
        }
    }
}

/// The hint in an event; one that cannot be read is none.
fn hint(envelope: &Envelope) -> Option<Hint> {
    let bytes = envelope.event.as_ref()?.value.as_slice();
    let container = |id: &str| ContainerRef::try_new(&envelope.namespace, id).ok();
    match envelope.topic.as_str() {
        EXIT => {
            let event = TaskExit::decode(bytes).ok()?;
            // Only the first process has the container's own name; others were exec'ed into it.
            let first = event.id == event.container_id;
            container(&event.container_id)
                .filter(|_| first)
                .map(Hint::Exited)
        }
        OOM => {
            let event = TaskOom::decode(bytes).ok()?;
            container(&event.container_id).map(Hint::OutOfMemory)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
