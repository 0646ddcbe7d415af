//! Rows and containers of jobs that nobody can make sense of, for `kerf status`: they are told and left alone, and
//! kerfd goes on with the rest.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kerf_types::{JobId, Timestamp};

use crate::host::{Degraded, now};

/// How many are named in one line.
const NAMED: usize = 5;

/// Rows and containers that nobody can make sense of.
#[derive(Debug)]
pub struct Problems {
    since: Timestamp,
    /// Jobs of which some row cannot be read, with the reason.
    unreadable: Mutex<BTreeMap<String, String>>,
    /// Containers of jobs that this host does not know.
    strangers: Mutex<Vec<String>>,
}

impl Default for Problems {
    fn default() -> Self {
        Self::new()
    }
}

impl Problems {
    /// Nothing is known against anything.
    pub fn new() -> Self {
        Self {
            since: now(),
            unreadable: Mutex::default(),
            strangers: Mutex::default(),
        }
    }

    /// Takes note of a row that cannot be read.
    pub fn add_unreadable(&self, id: String, why: String) {
        tracing::error!(job.id = id, error = why, "unreadable job left out");
        lock(&self.unreadable).insert(id, why);
    }

    /// Whether the store has a row of that job which cannot be read.
    pub fn is_unreadable(&self, id: JobId) -> bool {
        lock(&self.unreadable).contains_key(&id.to_string())
    }

    /// Takes note of containers that belong to nobody.
    pub fn set_strangers(&self, containers: Vec<String>) {
        if !containers.is_empty() {
            let containers = containers.join(", ");
            tracing::warn!(containers, "containers of unknown jobs left alone");
        }
        *lock(&self.strangers) = containers;
    }

    /// What `kerf status` says, by what it concerns.
    pub fn list(&self) -> Vec<(String, Degraded)> {
        let mut list = Vec::new();
        let mut add = |what: &str, why: String, hint: &str| {
            let degraded = Degraded {
                why,
                hint: hint.to_owned(),
                since: self.since,
            };
            list.push((what.to_owned(), degraded));
        };
        let unreadable = lock(&self.unreadable);
        if let Some(why) = unreadable.values().next() {
            let names = named(unreadable.keys());
            add(
                "jobs",
                format!(
                    "of {} jobs the row cannot be read ({names}): {why}",
                    unreadable.len()
                ),
                "their containers are left alone; the rows are in state.db of the state folder",
            );
        }
        let strangers = lock(&self.strangers);
        if !strangers.is_empty() {
            let names = named(strangers.iter());
            add(
                "containers",
                format!(
                    "{} belong to jobs that this host does not know: {names}",
                    strangers.len()
                ),
                "they run on; end them with containerd's own tools if nobody needs them",
            );
        }
        list
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn named<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    let names: Vec<&str> = names.take(NAMED).map(String::as_str).collect();
    format!("{}{more}", names.join(", "))
}
