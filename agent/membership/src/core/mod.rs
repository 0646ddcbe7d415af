//! The core: its state, and the way of an input through it.
//!
//! Each file of this folder is one part of the protocol, as methods of [`Core`]: `receive` opens datagrams,
//! `liveness` speaks with SWIM, `health` doubts this host itself, `suspicion` gives the suspected a second chance,
//! `confirm` counts who else got no answer, `forget` keeps out whom an operator removed, `join` and `leave` are the
//! ends of a membership, `own` is this host's record, `merge` takes others', `push` spreads what is fresh,
//! `exchange` and `delta` repair what pushes missed, `pull` asks in streams, `show` answers questions.

mod confirm;
mod delta;
mod exchange;
mod forget;
mod health;
mod join;
mod leave;
mod liveness;
mod merge;
mod own;
mod probes;
mod pull;
mod push;
mod receive;
mod send;
mod show;
mod suspicion;

pub use forget::ForgetError;

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use kerf_types::{HostId, HostName};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::config::Timing;
use crate::digest::Digest;
use crate::swim::Swim;
use crate::timers::{Task, Timers};
use crate::view::View;
use crate::wire::{OLDEST_VERSION, VERSION};
use crate::{
    ClusterId, Config, Faults, Identity, Input, Moment, NoFaults, Output, Sealer, Stats, Voucher,
};

/// Messages of others that are answered in one round beyond SWIM's. An honest fleet needs about four; a peer
/// that asks without end gets no more than this out of us.
const ANSWERS_PER_ROUND: u32 = 24;

/// Hellos that are answered in one round. A fleet of a thousand hosts that starts at once at three seeds is in
/// after two rounds; a flood of them costs 32 KiB a round at most.
const HELLOS_PER_ROUND: u32 = 256;

/// Datagrams of one sender that are read in one round. A host sends another a handful; one that was asked to probe
/// for many, some dozens. A member that has gone mad costs no more than opening what it sends.
const HEARD_PER_ROUND: u32 = 2_048;

/// The membership of one host.
#[derive(Debug)]
pub struct Core<F: Faults = NoFaults> {
    cluster: ClusterId,
    timing: Timing,
    max_hosts: usize,
    sealer: Box<dyn Sealer>,
    voucher: Box<dyn Voucher>,
    /// Datagrams that were read in this round, by sender.
    heard_in_round: BTreeMap<HostId, u32>,
    now: Moment,
    swim: Swim,
    view: View,
    digest: Digest,
    timers: Timers,
    own: own::Own,
    push: push::Push,
    pulls: pull::Pulls,
    join: join::Join,
    suspicions: BTreeMap<HostId, suspicion::Suspicion>,
    confirms: confirm::Confirms,
    health: health::Health,
    probes: probes::Probes,
    forgotten: forget::Forgotten,
    news_is_set: bool,
    newest_version: u8,
    renewal: liveness::Renewal,
    clashes: BTreeMap<HostName, BTreeSet<HostId>>,
    answers_left: u32,
    hellos_left: u32,
    rounds: u64,
    left: bool,
    /// Chooses peers.
    peers: Xoshiro256PlusPlus,
    stats: Stats,
    faults: PhantomData<fn() -> F>,
}

impl<F: Faults> Core<F> {
    /// A host that knows nobody yet. `me` carries an incarnation that no earlier start of it had; `seed` is
    /// random, and the same seed with the same inputs gives the same outputs.
    pub fn new(config: Config, me: Identity, seed: u64, now: Moment) -> Self {
        let mut seeds = Xoshiro256PlusPlus::seed_from_u64(seed);
        let sealer = config.security.into_sealer();
        let swim = Swim::new(me, &config.timing, sealer.overhead(), seeds.next_u64());
        let mut core = Self {
            cluster: config.cluster,
            max_hosts: config.max_hosts,
            sealer,
            voucher: config.vouching.into_voucher(),
            heard_in_round: BTreeMap::new(),
            now,
            swim,
            view: View::default(),
            digest: Digest::new(),
            timers: Timers::default(),
            own: own::Own::default(),
            push: push::Push::default(),
            pulls: pull::Pulls::default(),
            join: join::Join::new(config.timing.join_ms, seeds.next_u64()),
            suspicions: BTreeMap::new(),
            confirms: confirm::Confirms::default(),
            health: health::Health::default(),
            probes: probes::Probes::default(),
            forgotten: forget::Forgotten::default(),
            news_is_set: false,
            newest_version: config.newest_version.clamp(OLDEST_VERSION, VERSION),
            renewal: liveness::Renewal::default(),
            clashes: BTreeMap::new(),
            answers_left: ANSWERS_PER_ROUND,
            hellos_left: HELLOS_PER_ROUND,
            rounds: 0,
            left: false,
            peers: Xoshiro256PlusPlus::from_rng(&mut seeds),
            stats: Stats::default(),
            timing: config.timing,
            faults: PhantomData,
        };
        let name = core.me().name.clone();
        core.view.carry_name(&name, core.me().host);
        core.note_known(core.me().host);
        let phase = core.below(core.timing.round_ms);
        core.timers.set(now.plus(phase), Task::Round);
        core
    }

    /// Takes an input at `now` and appends what is to be done. Time that went back counts as standing still.
    pub fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Output>) {
        self.now = self.now.max(now);
        if self.left {
            return;
        }
        self.look_at_lateness();
        match input {
            Input::Datagram { from, bytes } => self.datagram(from, &bytes, out),
            Input::Join(seeds) => self.join(seeds),
            Input::Publish(payload) => self.publish(payload),
            Input::Pulled { from, answer } => self.pulled(from, answer, out),
            Input::PullFailed { from } => self.pull_failed(from),
            Input::Forget(host) => self.forget_for_good(host, out),
            Input::Leave => return self.leave(out),
            Input::Wakeup => {}
        }
        self.run_due(out);
    }

    /// When [`Input::Wakeup`] is wanted at the latest. `None` once this host has left.
    pub fn next_wakeup(&self) -> Option<Moment> {
        self.timers.next()
    }

    fn run_due(&mut self, out: &mut Vec<Output>) {
        while let Some((due, task)) = self.timers.take_due(self.now) {
            match task {
                Task::Swim(timer) => self.swim_timer(due, timer, out),
                Task::Round => self.round(out),
                Task::Push => self.push(out),
                Task::Join => self.ask_seeds(out),
                Task::Notice(host, left) => self.remind(host, left, out),
                Task::Silent(origin, silent) => self.tell_silent(origin, silent, out),
                Task::News => self.tell_news(out),
                Task::Forget(host, since) => self.forget(host, since, out),
                Task::PullDeadline(host, number) => self.pull_deadline(host, number),
                Task::Renew => self.renew(out),
            }
        }
    }

    /// One answer less in this round, if there is one left.
    fn may_answer(&mut self) -> Result<(), crate::DropReason> {
        let left = self.answers_left.checked_sub(1);
        self.answers_left = left.ok_or(crate::DropReason::Busy)?;
        Ok(())
    }

    /// A random number below `bound`, from the generator that chooses peers.
    fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        self.peers.next_u64() % bound
    }

    /// Up to `count` random living hosts.
    fn some_peers(&mut self, count: usize) -> Vec<HostId> {
        let active = self.view.iter().filter(|entry| entry.is_active());
        let mut hosts: Vec<HostId> = active.map(|entry| entry.identity.host).collect();
        let mut chosen = Vec::new();
        while chosen.len() < count && !hosts.is_empty() {
            let place = self.below(hosts.len() as u64);
            let place = usize::try_from(place).unwrap_or(0);
            chosen.push(hosts.swap_remove(place));
        }
        chosen
    }

    /// Brings the digest to what the view, or this host itself, says of a host.
    fn note_known(&mut self, host: HostId) {
        let known = if host == self.me().host {
            Some(self.known_of_me())
        } else {
            self.view.get(host).and_then(crate::view::Entry::known)
        };
        self.digest.set(host, known);
    }
}
