//! How much one peer may hold at a time, and how much all may together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::shared::lock;

/// Counts what is held, by who holds it. Clones share the count.
#[derive(Debug)]
pub(super) struct Quota<K: Ord> {
    held: Arc<Mutex<BTreeMap<K, usize>>>,
    each: usize,
    all: usize,
}

/// One thing that is held until this is dropped.
#[derive(Debug)]
pub(super) struct Held<K: Ord> {
    held: Arc<Mutex<BTreeMap<K, usize>>>,
    key: K,
}

impl<K: Ord + Clone> Quota<K> {
    pub fn new(each: usize, all: usize) -> Self {
        Self {
            held: Arc::default(),
            each,
            all,
        }
    }

    /// One more for `key`, if that is not too much.
    pub fn take(&self, key: K) -> Option<Held<K>> {
        let mut held = lock(&self.held);
        let sum: usize = held.values().sum();
        let own = held.get(&key).copied().unwrap_or(0);
        if own >= self.each || sum >= self.all {
            return None;
        }
        held.insert(key.clone(), own + 1);
        Some(Held {
            held: Arc::clone(&self.held),
            key,
        })
    }
}

impl<K: Ord> Drop for Held<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}
