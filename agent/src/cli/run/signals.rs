//! The signals that ask a followed job to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::RunError;

/// SIGINT, SIGTERM and SIGHUP, taken from now on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    seen: bool,
}

impl Signals {
    /// Takes the signals over.
    pub fn new() -> Result<Self, RunError> {
        let take = |kind| signal(kind).map_err(|source| RunError::Signals { source });
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: take(SignalKind::hangup())?,
            seen: false,
        })
    }

    /// Waits for the next one, and says whether it is the first. A wait that is given up has taken nothing.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
        !std::mem::replace(&mut self.seen, true)
    }

    /// Whether one has come.
    pub fn seen(&self) -> bool {
        self.seen
    }
}
