//! Waiting for those who use GPUs now: something is tried with each new picture of the host, until a moment.
//!
//! Ends nobody's work, and waits for nothing but users: what else is wrong is answered at once.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tonic::Status;

use crate::errors::chain;
use crate::host::{HostError, HostHandle};

/// Longest wait for what is in use: a maintenance window. Whoever wants more asks again.
const LIMIT: Duration = Duration::from_secs(24 * 3_600);

/// Somebody who waits until a moment, and is told for what.
pub struct Patience<'a, T> {
    /// The host.
    pub host: &'a HostHandle,
    /// Where they hear of it; a requester that goes away waits no longer.
    pub answers: &'a mpsc::Sender<Result<T, Status>>,
    /// The answer that says why they wait, and for how many milliseconds at most from now.
    pub waiting: fn(why: String, left_ms: u64) -> T,
    until: Instant,
}

impl<'a, T> Patience<'a, T> {
    /// Waits for so long from now.
    pub fn new(
        host: &'a HostHandle,
        answers: &'a mpsc::Sender<Result<T, Status>>,
        wait_ms: u64,
        waiting: fn(String, u64) -> T,
    ) -> Self {
        Self {
            host,
            answers,
            waiting,
            until: Instant::now() + Duration::from_millis(wait_ms).min(LIMIT),
        }
    }

    /// Tries until it succeeds, something else than users is in the way, or the time is over. An attempt is told whether
    /// there is time for another.
    pub async fn wait_until<O, F: Future<Output = Result<O, HostError>>>(
        &self,
        attempt: impl Fn(bool) -> F,
    ) -> Result<O, HostError> {
        let mut views = self.host.watch();
        let mut said = String::new();
        loop {
            views.mark_unchanged();
            let is_patient = Instant::now() < self.until;
            let refusal = match attempt(is_patient).await {
                Err(error) if is_patient && error.is_busy() => error,
                outcome => return outcome,
            };
            let why = chain(&refusal);
            if why != said {
                self.say(&why).await;
                said = why;
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return Err(HostError::Ended) },
                () = tokio::time::sleep_until(self.until.into()) => {}
                () = self.answers.closed() => return Err(refusal),
            }
        }
    }

    async fn say(&self, why: &str) {
        let left = self.until.saturating_duration_since(Instant::now());
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let answer = (self.waiting)(why.to_owned(), left_ms);
        drop(self.answers.send(Ok(answer)).await);
    }
}
