//! Joining: seeds are asked until one answers; then the whole fleet is pulled from it at once.
//!
//! A hello changes nothing at the host that gets it: it becomes known by the SWIM announce that follows its
//! welcome. The welcome goes to where the hello came from, and is never longer.

use std::net::SocketAddr;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::Core;
use crate::timers::Task;
use crate::wire::{Message, Profile};
use crate::{DropReason, Faults, Identity, Output, Wanted};

/// The longest wait before the seeds are asked again.
const WAIT_LIMIT_MS: u64 = 60_000;

/// The search for a fleet.
#[derive(Debug)]
pub(super) struct Join {
    seeds: Vec<SocketAddr>,
    /// Nobody has answered since it began.
    is_open: bool,
    /// A task that asks is set.
    is_set: bool,
    first_wait_ms: u64,
    wait_ms: u64,
    rng: Xoshiro256PlusPlus,
}

impl Join {
    pub fn new(first_wait_ms: u64, seed: u64) -> Self {
        Self {
            seeds: Vec::new(),
            is_open: false,
            is_set: false,
            first_wait_ms,
            wait_ms: first_wait_ms,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }
}

impl<F: Faults> Core<F> {
    pub(super) fn join(&mut self, seeds: Vec<SocketAddr>) {
        let own = self.me().gossip;
        self.join.seeds = seeds;
        self.join.seeds.retain(|seed| *seed != own);
        self.join.wait_ms = self.join.first_wait_ms;
        self.look_for_fleet();
    }

    /// Asks the seeds as soon as may be, if there are any and it is not under way.
    pub(super) fn look_for_fleet(&mut self) {
        if self.join.seeds.is_empty() {
            return;
        }
        if !self.join.is_open {
            self.join.is_open = true;
            self.join.wait_ms = self.join.first_wait_ms;
        }
        if !self.join.is_set {
            self.join.is_set = true;
            self.timers.set(self.now, Task::Join);
        }
    }

    pub(super) fn ask_seeds(&mut self, out: &mut Vec<Output>) {
        self.join.is_set = false;
        if !self.join.is_open {
            return;
        }
        let hello = Message::Hello(Profile::of(self.me()));
        for seed in self.join.seeds.clone() {
            self.send(seed, &hello, out);
        }
        // Up to a half more, so that a fleet that starts all at once does not ask all at once for ever.
        let jitter = self.join.rng.next_u64() % (self.join.wait_ms / 2 + 1);
        let at = self.now.plus(self.join.wait_ms + jitter);
        self.join.wait_ms = (self.join.wait_ms * 2).min(WAIT_LIMIT_MS);
        self.join.is_set = true;
        self.timers.set(at, Task::Join);
    }

    pub(super) fn hello(
        &mut self,
        from: SocketAddr,
        sender: &Identity,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        if self.contradicts(sender) {
            return Err(DropReason::Contradiction);
        }
        let left = self.hellos_left.checked_sub(1);
        self.hellos_left = left.ok_or(DropReason::Busy)?;
        let welcome = Message::Welcome(Profile::of(self.me()));
        self.send(from, &welcome, out);
        Ok(())
    }

    /// An answer that nobody asked for changes nothing.
    pub(super) fn welcome(
        &mut self,
        from: SocketAddr,
        sender: Identity,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        if !self.join.is_open || !self.join.seeds.contains(&from) {
            return Err(DropReason::Stranger);
        }
        if self.contradicts(&sender) {
            return Err(DropReason::Contradiction);
        }
        self.join.is_open = false;
        self.request(sender.host, sender.api, Wanted::Everything, out);
        let outcome = self.swim.announce(sender);
        self.absorb(outcome, out);
        Ok(())
    }
}
