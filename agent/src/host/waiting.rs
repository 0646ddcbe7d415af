//! Those who wait for room: a launch, a promise or a bare process that finds none may wait until a lease ends.
//!
//! Owns the queue. With each change of what is on offer everybody in it is tried, in the order in which they came:
//! of two who wait for the same the first gets it, and one that does not fit holds up nobody behind it. Whoever has
//! gone is forgotten, and never leaves a lease behind. What can never be served here does not wait at all.

use std::collections::VecDeque;
use std::time::Duration;

use kerf_runtime::frame::{Grant, LaunchRequest};
use kerf_types::Ask;
use kerf_types::lease::Lease;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::exec::{Exec, Held};
use super::{Host, HostError, LaunchPeer, Reserve, Wanted};
use crate::errors::chain;

/// Most that wait at one time. Each of them may keep one of the runtime socket's connections, and half of those must
/// stay free for launches that find room.
const BOUND: usize = 128;

/// Most of one user over the API: everybody else's and launches' places stay.
const BOUND_OF_USER: usize = BOUND / 4;

type Reply<T> = oneshot::Sender<Result<T, HostError>>;

/// Something that may have to wait.
#[derive(Debug)]
pub(super) enum Wish {
    /// A promise.
    Reserve {
        request: Reserve,
        reply: Reply<Lease>,
    },
    /// A container.
    Launch {
        request: Box<LaunchRequest>,
        peer: LaunchPeer,
        reply: Reply<Grant>,
    },
    /// A bare process.
    Exec { request: Exec, reply: Reply<Held> },
}

/// What came of a wish.
enum Got {
    Lease { lease: Lease, is_new: bool },
    Grant(Box<Grant>),
    Held { held: Held, is_new: bool },
}

impl Wish {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Reserve { reply, .. } => reply.is_closed(),
            Self::Launch { reply, .. } => reply.is_closed(),
            Self::Exec { reply, .. } => reply.is_closed(),
        }
    }

    /// The user who asks over the API; none for launches.
    fn user(&self) -> Option<u32> {
        match self {
            Self::Reserve { request, .. } => request.by,
            Self::Launch { .. } => None,
            Self::Exec { request, .. } => Some(request.uid),
        }
    }

    /// The ask, where it is one that any device may serve.
    fn ask(&self) -> Option<Ask> {
        let wanted = match self {
            Self::Reserve { request, .. } => Some(&request.wanted),
            Self::Launch { request, .. } => return request.ask.as_ref()?.parse().ok(),
            Self::Exec { request, .. } => request.wanted(),
        };
        match wanted? {
            Wanted::Ask(ask) => Some(ask.clone()),
            Wanted::Slice(_) | Wanted::Gpu(_) | Wanted::Device(_) => None,
        }
    }

    fn refuse(self, error: HostError) {
        match self {
            Self::Reserve { reply, .. } => drop(reply.send(Err(error))),
            Self::Launch { reply, .. } => drop(reply.send(Err(error))),
            Self::Exec { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// One in the queue.
#[derive(Debug)]
struct Waiting {
    wish: Wish,
    since: Instant,
    until: Instant,
}

/// The queue, the first first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// The state of what is on offer that all of them were tried with.
    seen: u64,
}

impl Queue {
    /// When the first of them has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|one| one.until).min()
    }

    /// Whether one more may not wait.
    fn is_full_for(&self, wish: &Wish) -> bool {
        let user = wish.user();
        let same = self.waiting.iter().filter(|one| one.wish.user() == user);
        self.waiting.len() >= BOUND || (user.is_some() && same.count() >= BOUND_OF_USER)
    }

    /// Whether anybody waits.
    pub(super) fn is_any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Host {
    /// Carries out a wish now, or later where there is no room and it may wait.
    pub(super) async fn admit(&mut self, wish: Wish) {
        if wish.is_abandoned() {
            tracing::debug!("a requester has gone before its turn");
            return;
        }
        // What came free by the way belongs to those who came before.
        self.serve_changed().await;
        let error = match self.attempt(&wish).await {
            Ok(got) => return self.hand_over(wish, got).await,
            Err(error) => error,
        };
        let patience = self.patience_of(&wish);
        if patience.is_zero() || !may_pass(&error) {
            return wish.refuse(error);
        }
        if let Some(never) = self.never_served(&wish) {
            return wish.refuse(never);
        }
        self.waiting.waiting.retain(|one| !one.wish.is_abandoned());
        if self.waiting.is_full_for(&wish) {
            tracing::warn!(
                waiting = self.waiting.waiting.len(),
                "one more may not wait for room"
            );
            return wish.refuse(error);
        }
        tracing::info!(error = chain(&error), "waits for room");
        let since = Instant::now();
        self.waiting.seen = self.capacity;
        self.waiting.waiting.push_back(Waiting {
            wish,
            since,
            until: since + patience,
        });
    }

    /// Tries everybody who waits, where something has changed since they were tried last.
    pub(super) async fn serve_changed(&mut self) {
        if self.waiting.seen != self.capacity && !self.waiting.waiting.is_empty() {
            self.serve_waiting().await;
        }
    }

    /// Tries everybody who waits, and refuses whose time is over.
    pub(super) async fn serve_waiting(&mut self) {
        let due = std::mem::take(&mut self.waiting.waiting);
        for one in due {
            if one.wish.is_abandoned() {
                continue;
            }
            match self.attempt(&one.wish).await {
                Ok(got) => self.hand_over(one.wish, got).await,
                Err(error) if may_pass(&error) && Instant::now() < one.until => {
                    self.waiting.waiting.push_back(one);
                }
                Err(error) => one.wish.refuse(after_waiting(error, one.since.elapsed())),
            }
        }
        self.publish_found();
        self.waiting.seen = self.capacity;
    }

    /// Lets everybody go who waits: kerfd ends, and the next one is asked.
    pub(super) fn let_waiting_go(&mut self) {
        for one in std::mem::take(&mut self.waiting.waiting) {
            one.wish.refuse(HostError::Draining);
        }
    }

    async fn attempt(&mut self, wish: &Wish) -> Result<Got, HostError> {
        match wish {
            Wish::Reserve { request, .. } => {
                let known: Vec<_> = self.leases.keys().copied().collect();
                let lease = self.reserve(request).await?;
                // Whoever has the answer looks for it in the picture.
                self.publish_found();
                let is_new = !known.contains(&lease.id);
                Ok(Got::Lease { lease, is_new })
            }
            Wish::Launch { request, peer, .. } => {
                let grant = self.launch(request, peer).await?;
                Ok(Got::Grant(Box::new(grant)))
            }
            Wish::Exec { request, .. } => {
                let held = self.exec(request).await?;
                self.publish_found();
                let is_new = request.wanted().is_some();
                Ok(Got::Held { held, is_new })
            }
        }
    }

    /// Tells what was got. A promise that nobody hears of would be kept for nobody until it runs out.
    async fn hand_over(&mut self, wish: Wish, got: Got) {
        let unheard = match (wish, got) {
            (Wish::Reserve { request, reply }, Got::Lease { lease, is_new }) => {
                let id = lease.id;
                // A promise to a job is its own to give back, also after a restart.
                let may_go = is_new && request.by.is_some();
                let is_heard = reply.send(Ok(lease)).is_ok();
                (may_go && !is_heard).then_some(id)
            }
            // What a runtime or a process has ends with it: both are watched from now on.
            (Wish::Launch { reply, .. }, Got::Grant(grant)) => {
                drop(reply.send(Ok(*grant)));
                // Whoever writes the answer out goes first: what follows is a picture for others.
                tokio::task::yield_now().await;
                None
            }
            (Wish::Exec { reply, .. }, Got::Held { held, is_new }) => {
                let id = held.lease.id;
                let is_heard = reply.send(Ok(held)).is_ok();
                (is_new && !is_heard).then_some(id)
            }
            _ => None,
        };
        if let Some(id) = unheard {
            self.events
                .add("lease", &id.to_string(), "its requester has gone");
            self.release(id, "requester_gone").await;
        }
    }

    fn patience_of(&self, wish: &Wish) -> Duration {
        match wish {
            Wish::Reserve { request, .. } => request.wait,
            Wish::Launch { .. } => self.config.launch.wait_for_slice,
            Wish::Exec { request, .. } => request.wait(),
        }
    }

    /// The refusal that stands also when nobody uses anything.
    fn never_served(&self, wish: &Wish) -> Option<HostError> {
        match self.could_ever(&wish.ask()?) {
            Err(HostError::NoRoom { ask, why }) => {
                let why = format!("{why}, also when nobody uses anything");
                Some(HostError::NoRoom { ask, why })
            }
            Err(error @ HostError::Unknown { .. }) => Some(error),
            // Whatever else stands in the way may pass.
            Err(_) | Ok(()) => None,
        }
    }
}

/// Whether the end of somebody else's lease may do away with a refusal.
fn may_pass(error: &HostError) -> bool {
    match error {
        HostError::NoRoom { .. } => true,
        HostError::Busy { state, .. } => {
            matches!(
                state.as_str(),
                "leased" | "reserved" | "draining" | "in use"
            )
        }
        _ => false,
    }
}

fn after_waiting(error: HostError, waited: Duration) -> HostError {
    match error {
        HostError::NoRoom { ask, why } => {
            let why = format!("{why}; it waited {} ms for some", waited.as_millis());
            HostError::NoRoom { ask, why }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
