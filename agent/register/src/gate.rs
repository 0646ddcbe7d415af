//! The gate before the world: nothing leaves while a change that was made before it is not durable.
//!
//! Whoever uses the register cannot forget it: an answer is not among the outputs before its batch was said to be
//! written.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::faults::Faults;
use crate::io::Output;
use crate::state::Change;

#[derive(Debug)]
pub(crate) struct Gate<K, V, F> {
    changes: Vec<Change<K, V>>,
    fresh: Vec<Output<K, V>>,
    waiting: VecDeque<(u64, Output<K, V>)>,
    batch: u64,
    durable: u64,
    faults: PhantomData<F>,
}

impl<K, V, F: Faults> Gate<K, V, F> {
    pub fn new() -> Self {
        Self {
            changes: Vec::new(),
            fresh: Vec::new(),
            waiting: VecDeque::new(),
            batch: 0,
            durable: 0,
            faults: PhantomData,
        }
    }

    pub fn save(&mut self, change: Change<K, V>) {
        self.changes.push(change);
    }

    pub fn say(&mut self, output: Output<K, V>) {
        self.fresh.push(output);
    }

    /// A batch is durable, and every one before it; one that was never made is not.
    pub fn persisted(&mut self, batch: u64) {
        self.durable = self.durable.max(batch.min(self.batch));
    }

    /// Whether something waits for the store: what time alone would add would only line up behind it.
    pub fn is_blocked(&self) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|(batch, _)| *batch > self.durable && !F::SEND_BEFORE_PERSISTED)
    }

    /// Makes a batch of what was changed, and lets out what depends on nothing that is not durable.
    pub fn flush(&mut self, out: &mut Vec<Output<K, V>>) {
        if !self.changes.is_empty() {
            self.batch += 1;
            out.push(Output::Persist {
                batch: self.batch,
                changes: std::mem::take(&mut self.changes),
            });
        }
        let batch = self.batch;
        self.waiting
            .extend(self.fresh.drain(..).map(|output| (batch, output)));
        while let Some((batch, _)) = self.waiting.front() {
            if *batch > self.durable && !F::SEND_BEFORE_PERSISTED {
                return;
            }
            out.extend(self.waiting.pop_front().map(|(_, output)| output));
        }
    }
}
