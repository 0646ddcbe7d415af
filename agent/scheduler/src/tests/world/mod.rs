//! Hosts, their disks and a network, in virtual time: each run is a function of its seed.

pub mod check;
pub mod local;
mod net;
mod node;
mod older;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::JobSpec;
use kerf_types::peer::{PeerMessage, Tag};
use kerf_types::{HostId, HostRecord, JobId, Moment, Timestamp};

use crate::core::{
    Change, Faults, Input, KeeperMessage, LocalCommand, LocalEvent, Output, Report, Settings,
};
use crate::fleet::Liveness;
use crate::rng::Rng;
use crate::tests::fixture::{BY, hash, host_id};
use check::{Checker, is_over};
pub use net::Network;
use node::Node;

pub enum Event {
    Deliver(usize, HostId, PeerMessage),
    ToKeeper(usize, HostId, Box<KeeperMessage>),
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
    StoreLoss(usize),
    Return(usize),
}

pub struct World<F: Faults> {
    pub now: Moment,
    pub settings: Settings,
    /// Whether several hosts keep a job.
    pub keeps: bool,
    pub nodes: Vec<Node<F>>,
    pub network: Network,
    /// Pairs of hosts that do not hear each other.
    pub cut: BTreeSet<(usize, usize)>,
    pub checker: Checker,
    pub reports: BTreeMap<JobId, Report>,
    /// Jobs whose end is durable.
    pub ended: BTreeMap<JobId, u32>,
    said_end: BTreeSet<(usize, JobId)>,
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
        Self::begin(seed, slices, false)
    }

    /// A world in which three hosts keep each job.
    pub fn with_keepers(seed: u64, slices: &[usize]) -> Self {
        Self::begin(seed, slices, true)
    }

    fn begin(seed: u64, slices: &[usize], keeps: bool) -> Self {
        let settings = Settings::default();
        let mut world = Self {
            now: Moment(1_000),
            settings,
            keeps,
            nodes: Vec::new(),
            network: Network::GOOD,
            cut: BTreeSet::new(),
            checker: Checker::default(),
            reports: BTreeMap::new(),
            ended: BTreeMap::new(),
            said_end: BTreeSet::new(),
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
            Event::ToKeeper(to, from, message) => self.step(to, Input::Keeper { from, message }),
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
            Event::StoreLoss(host) => self.lose_store(host),
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
                self.checker.durable(host, &change);
                if let Change::EndJob(job, _) = &change {
                    // Each keeper says it once; after a crash again while its register is kept, in case it was not heard.
                    let row = node.saved.registers.get(job);
                    let again = row.is_some_and(|row| row.is_over);
                    if self.said_end.insert((host, *job)) || again {
                        self.ended.entry(*job).or_insert(1);
                    } else {
                        *self.ended.entry(*job).or_default() += 1;
                    }
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
            Output::Send { to, message } => self.send_message(host, Self::place_of(to), message),
            Output::ToKeeper { to, message } => {
                let is_of_register = matches!(*message, KeeperMessage::Register(_));
                self.nodes[host].told_keepers += u32::from(is_of_register);
                self.send(host, Self::place_of(to), false, |to, from| {
                    Event::ToKeeper(to, from, message.clone())
                });
            }
            Output::Handed { .. } | Output::Took { .. } => {}
            Output::Forced { job, by, given_up } => {
                self.nodes[host].forced.push((job, by, given_up));
            }
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
