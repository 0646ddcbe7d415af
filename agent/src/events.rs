//! The newest events of this host, numbered, for `kerf events`. They live in memory: what must outlast a
//! restart is in the store and in the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use kerf_types::Timestamp;
use tokio::sync::watch;

/// Events kept. At a launch and an end a second this is more than half an hour.
const KEPT: usize = 4_096;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number; numbers grow by one.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// `gpu`, `device`, `slice`, `lease`, `job`, `plan`, `health`, `maintenance`, `store`, `config` or `peer`.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// What happened.
    pub text: String,
}

/// The ring of events; clones share it.
#[derive(Debug, Clone)]
pub struct Events {
    ring: Arc<Mutex<VecDeque<Event>>>,
    newest: Arc<watch::Sender<u64>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            ring: Arc::default(),
            newest: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Events {
    /// Adds one.
    pub fn add(&self, kind: &'static str, subject: &str, text: &str) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let number = ring.back().map_or(1, |event| event.number + 1);
        let (subject, text) = (subject.to_owned(), text.to_owned());
        ring.push_back(Event {
            number,
            time: crate::host::now(),
            kind,
            subject,
            text,
        });
        if ring.len() > KEPT {
            ring.pop_front();
        }
        self.newest.send_replace(number);
    }

    /// Events with a higher number than `after`, oldest first.
    pub fn after(&self, after: u64) -> Vec<Event> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter()
            .filter(|event| event.number > after)
            .cloned()
            .collect()
    }

    /// Changes with each new event.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}
