//! Who is connected, in the order in which they have last asked for something.
//!
//! When every place is taken the one that has been silent for longest leaves: so nobody can keep others
//! away by connecting and saying nothing, and a scraper that is sent away connects anew.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All clients of one listener.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    next: u64,
    by_turn: BTreeMap<u64, Arc<Notify>>,
}

impl Turns {
    fn take(&mut self, leave: Arc<Notify>) -> u64 {
        self.next += 1;
        self.by_turn.insert(self.next, leave);
        self.next
    }
}

impl Clients {
    /// A place for a client that has just connected.
    pub(super) fn enter(self: &Arc<Self>) -> Client {
        let leave = Arc::new(Notify::new());
        let turn = self.turns().take(Arc::clone(&leave));
        Client {
            all: Arc::clone(self),
            turn: AtomicU64::new(turn),
            has_asked: AtomicBool::new(false),
            leave,
        }
    }

    /// Tells the one that has been silent for longest to leave; another one the next time.
    pub(super) fn send_one_away(&self) {
        if let Some((_, leave)) = self.turns().by_turn.pop_first() {
            leave.notify_one();
        }
    }

    /// The table is whole after every statement, so a panic elsewhere does not spoil it.
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client; it has left when this is dropped.
#[derive(Debug)]
pub(super) struct Client {
    all: Arc<Clients>,
    turn: AtomicU64,
    has_asked: AtomicBool,
    leave: Arc<Notify>,
}

impl Client {
    /// Notes that it asks for something.
    pub(super) fn asks(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
        let mut turns = self.all.turns();
        // One that was told to leave is not in the table any more and does not come back.
        if turns
            .by_turn
            .remove(&self.turn.load(Ordering::Relaxed))
            .is_some()
        {
            let turn = turns.take(Arc::clone(&self.leave));
            self.turn.store(turn, Ordering::Relaxed);
        }
    }

    /// Whether it has ever asked for something.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Ready when it is told to leave.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.all.turns().by_turn.remove(&turn);
    }
}
