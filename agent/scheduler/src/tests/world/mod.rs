//! Hosts, their disks and a network, in virtual time: each run is a function of its seed.

pub mod check;
pub mod local;
mod node;
mod older;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::JobSpec;
use kerf_types::peer::{Body, PeerMessage, Tag};
use kerf_types::{HostId, HostRecord, JobId, Moment, Timestamp};

use crate::core::{Change, Faults, Input, LocalCommand, LocalEvent, Output, Report, Settings};
use crate::fleet::Liveness;
use crate::rng::Rng;
use crate::tests::fixture::{BY, hash, host_id};
use check::{Checker, is_over};
use node::Node;

/// How bad the network is, in thousandths.
#[derive(Clone, Copy)]
pub struct Network {
    pub loss: u64,
    pub duplicate: u64,
    /// Messages that take seconds and not milliseconds.
    pub late: u64,
}

impl Network {
    pub const GOOD: Self = Self {
        loss: 0,
        duplicate: 0,
        late: 0,
    };
    pub const BAD: Self = Self {
        loss: 60,
        duplicate: 80,
        late: 40,
    };
}

pub enum Event {
    Deliver(usize, HostId, PeerMessage),
    Persisted(usize, u64, u64),
    /// The local host does the oldest thing that it was asked.
    Do(usize, u64),
    Answer(usize, u64, Tag, LocalEvent),
    Wake(usize, u64),
    /// A container comes to its end.
    End(usize, Tag),
    /// The guard of a container may have passed.
    Guard(usize, Tag),
    Gossip(usize),
    Learn(usize, Arc<HostRecord>),
    Notice(usize, HostId, Liveness),
    Crash(usize),
    PowerLoss(usize),
    Return(usize),
}

pub struct World<F: Faults> {
    pub now: Moment,
    pub settings: Settings,
    pub nodes: Vec<Node<F>>,
    pub network: Network,
    /// Pairs of hosts that do not hear each other.
    pub cut: BTreeSet<(usize, usize)>,
    pub checker: Checker,
    pub reports: BTreeMap<JobId, Report>,
    /// Jobs whose end is durable.
    pub ended: BTreeMap<JobId, u32>,
    pub rng: Rng,
    events: BTreeMap<(Moment, u64), Event>,
    count: u64,
    /// A host that dies right after so many of its outputs, and when it comes back.
    pub doom: Option<(usize, u64, Option<Duration>)>,
    pub died_at: Option<Moment>,
    /// Hosts of the version before.
    older: BTreeSet<usize>,
    /// Whether owners are heard late who tell a job to give way.
    pub late_wounds: bool,
    /// Whether nothing ever ends a gang that runs whole.
    pub calm: bool,
}

impl<F: Faults> World<F> {
    pub fn new(seed: u64, slices: &[usize]) -> Self {
        let settings = Settings::default();
        let mut world = Self {
            now: Moment(1_000),
            settings,
            nodes: Vec::new(),
            network: Network::GOOD,
            cut: BTreeSet::new(),
            checker: Checker::default(),
            reports: BTreeMap::new(),
            ended: BTreeMap::new(),
            rng: Rng::new(seed),
            events: BTreeMap::new(),
            count: 0,
            doom: None,
            died_at: None,
            older: BTreeSet::new(),
            late_wounds: false,
            calm: false,
        };
        for (at, slices) in slices.iter().enumerate() {
            let number = u8::try_from(at).expect("few hosts") + 1;
            world.nodes.push(Node::new(number, *slices));
        }
        for at in 0..slices.len() {
            world.boot(at);
            world.at(Duration::ZERO, Event::Gossip(at));
        }
        world.run_for(Duration::from_millis(200));
        world
    }

    pub fn id(at: usize) -> HostId {
        host_id(u8::try_from(at).expect("few hosts") + 1)
    }

    fn place_of(id: HostId) -> usize {
        usize::try_from(id.bits()).expect("few hosts") - 1
    }

    pub fn at(&mut self, wait: Duration, event: Event) {
        self.count += 1;
        self.events
            .insert((self.now.after(wait), self.count), event);
    }

    pub fn submit(&mut self, host: usize, job: JobId, spec: JobSpec) {
        self.checker.members.insert(job, spec.members);
        let spec_hash = hash(u64::from(spec.members));
        let spec = Arc::new(spec);
        self.step(
            host,
            Input::Submit {
                job,
                spec,
                spec_hash,
                by: BY,
                at: Timestamp(self.now.0),
            },
        );
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        self.run_until(end, |_| false);
    }

    /// Runs until `done` or `end`.
    pub fn run_until(&mut self, end: Moment, done: impl Fn(&Self) -> bool) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > end || done(self) {
                break;
            }
            let ((when, _), event) = self.events.pop_first().expect("there is one");
            self.now = self.now.max(when);
            self.handle(event);
        }
        if !done(self) {
            self.now = self.now.max(end);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver(to, from, message) => self.step(to, Input::Message { from, message }),
            Event::Persisted(host, life, batch) => {
                if self.nodes[host].life == life {
                    self.sync(host, batch);
                    self.step(host, Input::Persisted { batch });
                }
            }
            Event::Do(host, life) => {
                if self.nodes[host].life == life {
                    self.do_local(host, true);
                }
            }
            Event::Answer(host, life, tag, event) => {
                if self.nodes[host].life == life {
                    self.step(host, Input::Local { tag, event });
                }
            }
            Event::Wake(host, life) => {
                if self.nodes[host].life == life {
                    self.nodes[host].wake = None;
                    self.step(host, Input::Wake);
                }
            }
            Event::End(host, tag) => self.end_container(host, tag, None),
            Event::Guard(host, tag) => self.guard(host, tag),
            Event::Gossip(host) => self.gossip(host),
            Event::Learn(host, record) => self.step(host, Input::Record(record)),
            Event::Notice(host, about, liveness) => self.step(
                host,
                Input::Peer {
                    host: about,
                    liveness,
                },
            ),
            Event::Crash(host) => self.crash(host),
            Event::PowerLoss(host) => self.lose_power(host),
            Event::Return(host) => self.boot(host),
        }
    }

    /// Makes the batches up to this one durable.
    fn sync(&mut self, host: usize, batch: u64) {
        let node = &mut self.nodes[host];
        while node
            .disk
            .front()
            .is_some_and(|(number, _)| *number <= batch)
        {
            let (_, changes) = node.disk.pop_front().expect("there is one");
            for change in changes {
                self.checker.durable(&change);
                if let Change::EndJob(job, _) = &change {
                    *self.ended.entry(*job).or_default() += 1;
                }
                node.saved.apply(&change);
            }
        }
    }

    /// Tells a host something.
    pub fn tell(&mut self, host: usize, input: Input) {
        self.step(host, input);
    }

    fn step(&mut self, host: usize, input: Input) {
        let node = &mut self.nodes[host];
        let own = node.clock(self.now);
        let Some(core) = &mut node.core else {
            return;
        };
        let mut out = Vec::new();
        core.step(own, input, &mut out);
        for output in out {
            if self.nodes[host].core.is_none() {
                // It died in the middle: what was not done is not done.
                return;
            }
            self.carry_out(host, output);
            self.nodes[host].outputs += 1;
            if let Some((doomed, outputs, back)) = self.doom
                && doomed == host
                && self.nodes[host].outputs == outputs
            {
                self.doom = None;
                self.died_at = Some(self.now);
                self.crash(host);
                if let Some(back) = back {
                    self.at(back, Event::Return(host));
                }
            }
        }
        self.set_wake(host);
    }

    fn set_wake(&mut self, host: usize) {
        let node = &mut self.nodes[host];
        let Some(wakeup) = node.core.as_ref().and_then(|core| core.next_wakeup()) else {
            return;
        };
        let wakeup = node
            .world_time(wakeup)
            .max(self.now.after(Duration::from_millis(1)));
        if node.wake.is_none_or(|known| wakeup < known) {
            node.wake = Some(wakeup);
            let (life, wait) = (node.life, wakeup.since(self.now));
            self.at(wait, Event::Wake(host, life));
        }
    }

    fn carry_out(&mut self, host: usize, output: Output) {
        let life = self.nodes[host].life;
        match output {
            Output::Persist { batch, changes } => {
                self.nodes[host].disk.push_back((batch, changes));
                let wait = Duration::from_millis(1 + self.rng.below(15));
                self.at(wait, Event::Persisted(host, life, batch));
            }
            Output::Send { to, message } => self.send(host, Self::place_of(to), message),
            Output::Local { tag, command } => {
                let known = self.nodes[host].saved.memories.get(&tag.job);
                if matches!(command, LocalCommand::Reserve { .. })
                    && known.is_some_and(|memory| is_over(memory, tag))
                {
                    let text = format!("I8: {tag} is reserved where it is over");
                    self.checker.violations.push(text);
                }
                self.nodes[host].todo.push_back((tag, command));
                let wait = Duration::from_millis(1 + self.rng.below(40));
                self.at(wait, Event::Do(host, life));
            }
            Output::Report(report) => {
                self.reports.insert(report.job, report);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, message: PeerMessage) {
        let message = self.as_read(from, to, message);
        let chance = |rng: &mut Rng, of: u64| rng.below(1_000) < of;
        let network = self.network;
        if self.cut.contains(&(from.min(to), from.max(to))) || chance(&mut self.rng, network.loss) {
            return;
        }
        let copies = 1 + u64::from(chance(&mut self.rng, network.duplicate));
        for _ in 0..copies {
            let late_wound = self.late_wounds && matches!(message.body, Body::Wound { .. });
            let most_ms = if late_wound || chance(&mut self.rng, network.late) {
                20_000
            } else {
                30
            };
            let wait = Duration::from_millis(1 + self.rng.below(most_ms));
            self.at(wait, Event::Deliver(to, Self::id(from), message.clone()));
        }
    }

    /// Tells everybody how a host is, and the host itself; once a second.
    fn gossip(&mut self, host: usize) {
        self.at(Duration::from_secs(1), Event::Gossip(host));
        if self.nodes[host].core.is_none() {
            return;
        }
        self.nodes[host].local.expire(self.now);
        let record = self.nodes[host].local.record();
        for other in 0..self.nodes.len() {
            if other != host && self.cut.contains(&(host.min(other), host.max(other))) {
                continue;
            }
            let most_ms = if other == host { 1 } else { 500 };
            let wait = Duration::from_millis(self.rng.below(most_ms));
            self.at(wait, Event::Learn(other, Arc::clone(&record)));
        }
    }

    /// Everybody is told about a host after a while.
    pub fn notice(&mut self, about: usize, liveness: Liveness, wait: Duration) {
        for other in (0..self.nodes.len()).filter(|other| *other != about) {
            let jitter = Duration::from_millis(self.rng.below(1_000));
            self.at(
                wait + jitter,
                Event::Notice(other, Self::id(about), liveness),
            );
        }
    }

    pub fn tags_alive(&self) -> Vec<Tag> {
        let nodes = self.nodes.iter();
        nodes
            .flat_map(|node| node.local.containers.keys().copied())
            .collect()
    }

    /// Everything that must never have happened.
    pub fn violations(&self) -> Vec<String> {
        let local = self.nodes.iter().flat_map(|node| &node.local.violations);
        self.checker
            .violations
            .iter()
            .chain(local)
            .cloned()
            .collect()
    }

    pub fn reserved(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| node.local.reserved().count())
            .sum()
    }

    /// Containers of a job that were ever started, by attempt.
    pub fn starts(&self, job: JobId) -> u32 {
        let starts = self.nodes.iter().flat_map(|node| &node.local.starts);
        starts
            .filter(|(tag, _)| tag.job == job)
            .map(|(_, count)| count)
            .sum()
    }
}
