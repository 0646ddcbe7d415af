//! The engine: one queue of events in virtual time, the hosts that they happen to, and the checkers that see all.
//!
//! It owns time, the network and the order of things. What a host does with an event stands in the files beside this
//! one: `kerfd` (the core and its store), `launcher` and `containers`, `owner` (leases), `gossip`, `faults`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use kerf_scheduler::core::{Input, KeeperMessage, LocalEvent};
use kerf_types::peer::{Exit, PeerMessage, Tag};
use kerf_types::{HostId, HostRecord, JobId};

use super::checkers::Checkers;
use super::clock::Clock;
use super::dice::Dice;
use super::facts::{Fact, Owner};
use super::faults::Fault;
use super::gangs;
use super::gossip::Records;
use super::host::Host;
use super::jobs::{Job, Jobs};
use super::mutations::{Broken, Kind};
use super::protocol::{Recover, recover};
use super::report::{Meter, Outcome};
use super::setup::{Scenario, Setup, Shape};
use super::trace::Trace;
use crate::keys::Keys;
use crate::member::Packet;
use crate::network::Network;
use crate::world::{HostIndex, Micros, SECOND};

/// Something that happens.
#[derive(Debug)]
pub enum Event {
    /// A client hands a job over.
    Submit(JobId),
    /// A client wants a job to end.
    Cancel(JobId),
    /// A message of a peer comes.
    Deliver(HostIndex, HostIndex, PeerMessage),
    /// A message of a peer comes that keeps the same job.
    Keeper(HostIndex, HostIndex, Box<KeeperMessage>),
    /// Gossip comes: to whom, from whom.
    Packet(HostIndex, HostIndex, Packet),
    /// Something happens to one life of kerfd.
    Kerfd(HostIndex, u64, Happens),
    /// A container ends by itself, or by a signal: the host, the member, the container, its exit code.
    End(HostIndex, Tag, u64, Option<i32>),
    /// The guard of a container may have passed.
    Guard(HostIndex, Tag, u64),
    /// Something goes wrong, or is well again.
    Fault(Fault),
    /// The oracle looks.
    Look,
}

/// What happens to one life of kerfd.
#[derive(Debug)]
pub enum Happens {
    /// The disk has done what it was asked.
    Written,
    /// The next command of a member is due.
    Do(Tag),
    /// A command of a member has come to this.
    Answer(Tag, LocalEvent),
    /// The container of a member is asked for.
    Launch(Tag),
    /// The end of a container is seen.
    Tidy(Tag, Exit),
    /// The core is due.
    Wake,
    /// Once a second: leases that end by themselves, what the GPUs are like, what is told to the fleet.
    Tend,
    /// A record of a host is told, where membership is simulated.
    Learn(HostIndex, Arc<HostRecord>),
    /// The real membership is due.
    Gossip,
    /// A pull of the real membership did not reach its peer.
    PullFailed(HostIndex),
}

#[derive(Debug)]
struct Queued {
    at: Micros,
    number: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// Virtual time.
    pub now: Micros,
    /// What this run is.
    pub setup: Setup,
    /// The same in numbers.
    pub shape: Shape,
    /// What of a host is broken on purpose.
    pub broken: Broken,
    /// How a core begins.
    pub recover: Recover,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// Their numbers.
    pub places: BTreeMap<HostId, HostIndex>,
    /// The network.
    pub network: Network,
    /// What is submitted.
    pub jobs: Jobs,
    /// Random numbers.
    pub dice: Dice,
    /// What was told of each host, where only its name travels.
    pub records: Records,
    /// Keys of the fleet.
    pub keys: Keys,
    /// The checkers.
    pub checkers: Checkers,
    /// What is measured.
    pub meter: Meter,
    /// The lines.
    pub trace: Trace,
    queue: BinaryHeap<Reverse<Queued>>,
    count: u64,
}

impl World {
    /// The world of a run, before anything has happened.
    pub fn new(setup: Setup) -> Self {
        let shape = Shape::of(&setup);
        let mut dice = Dice::new(setup.seed);
        let (broken, begin) = match setup.mutation.map(|mutation| mutation.kind) {
            Some(Kind::Core(begin)) => (Broken::Nothing, begin),
            Some(Kind::Host(broken)) => (broken, recover::<kerf_scheduler::NoFaults> as Recover),
            None => (
                Broken::Nothing,
                recover::<kerf_scheduler::NoFaults> as Recover,
            ),
        };
        let mut hosts = Vec::new();
        for index in 0..setup.hosts {
            let high = u128::from(dice.seeds.next_u64()) << 64;
            let id = HostId::from_bits(high | u128::from(dice.seeds.next_u64()));
            let clock = Clock::new(
                dice.seeds.below(7_200_000),
                995_000 + dice.seeds.below(10_001),
            );
            hosts.push(Host::new(index, id, clock, shape.gpus));
        }
        let places = hosts.iter().map(|host| (host.id, host.index)).collect();
        let jobs = Jobs::draw(setup.scenario, &shape, setup.hosts, &mut dice.jobs);
        Self {
            now: 0,
            broken,
            recover: begin,
            network: Network::new(setup.hosts, shape.fair, dice.seeds.next_u64()),
            keys: Keys::new(crate::Fleet::<kerf_membership::NoFaults>::CLUSTER),
            records: Records::default(),
            checkers: Checkers::new(hosts.iter().map(|host| host.id).collect()),
            meter: Meter::default(),
            trace: Trace::new(setup.trace),
            queue: BinaryHeap::new(),
            count: 0,
            setup,
            shape,
            hosts,
            places,
            jobs,
            dice,
        }
    }

    /// Runs to the end.
    pub fn run(&mut self) {
        self.begin();
        while let Some(Reverse(next)) = self.queue.pop() {
            if next.at > self.shape.end {
                break;
            }
            self.now = next.at;
            self.meter.events += 1;
            self.handle(next.event);
        }
        self.now = self.shape.end;
        self.look(true);
    }

    fn begin(&mut self) {
        self.furnish();
        for host in 0..self.hosts.len() {
            self.start_kerfd(host);
        }
        let all: Vec<(JobId, Micros, Option<Micros>)> = self
            .jobs
            .all
            .iter()
            .map(|(id, job)| (*id, job.at, job.cancel))
            .collect();
        for (id, at, cancel) in all {
            self.at(at, Event::Submit(id));
            if let Some(cancel) = cancel {
                self.at(cancel, Event::Cancel(id));
            }
        }
        self.plan_faults();
        self.at(SECOND, Event::Look);
    }

    /// Some hosts have slices that an operator made, and some a stranger's.
    fn furnish(&mut self) {
        if self.setup.scenario == Scenario::Gang {
            return;
        }
        for host in &mut self.hosts {
            let dice = &mut self.dice.faults;
            let gpus = host.devices.addresses();
            let gpu = gpus[dice.index(gpus.len())];
            match dice.below(4) {
                0 => {
                    host.devices.settle(gpu, 19, 6, 1, Owner::Stranger);
                    host.add_stranger();
                }
                1 => {
                    host.devices.settle(gpu, 14, 0, 2, Owner::Operator);
                    host.devices.settle(gpu, 19, 2, 1, Owner::Operator);
                }
                _ => {}
            }
        }
    }

    /// Lets something happen at this time.
    pub fn at(&mut self, at: Micros, event: Event) {
        self.count += 1;
        let number = self.count;
        let at = at.max(self.now);
        self.queue.push(Reverse(Queued { at, number, event }));
    }

    /// Lets something happen after this time.
    pub fn after(&mut self, wait: Micros, event: Event) {
        self.at(self.now + wait, event);
    }

    /// Lets something happen to the present life of a host's kerfd.
    pub fn soon(&mut self, host: HostIndex, wait: Micros, happens: Happens) {
        let life = self.hosts[host].life;
        self.after(wait, Event::Kerfd(host, life, happens));
    }

    /// Tells the checkers.
    pub fn tell(&mut self, fact: Fact<'_>) {
        self.meter.see(self.now, &fact);
        self.checkers.see(self.now, &fact);
    }

    fn handle(&mut self, event: Event) {
        // What is for a kerfd that stands still waits for it.
        let held = match &event {
            Event::Deliver(host, ..)
            | Event::Keeper(host, ..)
            | Event::Packet(host, ..)
            | Event::Kerfd(host, ..) => self.hosts[*host].paused_until,
            _ => 0,
        };
        if held > self.now {
            return self.at(held, event);
        }
        self.trace.add(self.now, || super::words::of(&event));
        match event {
            Event::Submit(job) => self.submit(job),
            Event::Cancel(job) => self.cancel(job),
            Event::Deliver(to, from, message) => self.deliver(to, from, message),
            Event::Keeper(to, from, message) => {
                let from = self.hosts[from].id;
                self.step(to, Input::Keeper { from, message });
            }
            Event::Packet(to, from, packet) => self.packet(to, from, packet),
            Event::Kerfd(host, life, happens) => {
                if self.hosts[host].life == life {
                    self.happen(host, happens);
                }
            }
            Event::End(host, tag, number, code) => self.end_container(host, tag, number, code),
            Event::Guard(host, tag, number) => self.guard(host, tag, number),
            Event::Fault(fault) => self.fault(fault),
            Event::Look => {
                self.look(false);
                self.after(SECOND, Event::Look);
            }
        }
    }

    fn happen(&mut self, host: HostIndex, happens: Happens) {
        match happens {
            Happens::Written => self.written(host),
            Happens::Do(tag) => self.next_command(host, tag),
            Happens::Answer(tag, event) => self.answer(host, tag, event),
            Happens::Launch(tag) => self.launch(host, tag),
            Happens::Tidy(tag, exit) => self.tidy(host, tag, exit),
            Happens::Wake => self.wake(host),
            Happens::Tend => self.tend(host),
            Happens::Learn(of, record) => self.learn(host, of, record),
            Happens::Gossip => self.gossip(host),
            Happens::PullFailed(peer) => self.pull_failed(host, peer),
        }
    }

    /// What the run showed.
    pub fn outcome(self) -> Outcome {
        let mut violations = self.checkers.found.violations;
        for one in &mut violations {
            one.seed = self.setup.seed;
        }
        let jobs = || self.jobs.all.values();
        let count = |what: fn(&Job) -> bool| {
            u64::try_from(jobs().filter(|job| what(job)).count()).unwrap_or(u64::MAX)
        };
        let gang = self.setup.scenario == Scenario::Gang;
        let partial = violations
            .iter()
            .filter(|one| one.invariant == "I3")
            .count();
        Outcome {
            seeds: 1,
            events: self.meter.events,
            jobs_submitted: count(|job| job.accepted.is_some()),
            jobs_completed: count(|job| job.ended.is_some()),
            gangs_partial_starts: u64::try_from(partial).unwrap_or(u64::MAX),
            gangs_feasible: if gang { count(gangs::is_feasible) } else { 0 },
            gangs_in_time: if gang { count(gangs::is_in_time) } else { 0 },
            in_doubt: self.meter.in_doubt,
            trace: self.trace.into_lines(),
            violations,
        }
    }

    /// Lets the oracle look at everything.
    fn look(&mut self, last: bool) {
        let mut checkers = std::mem::take(&mut self.checkers);
        self.note_gangs();
        checkers.look(self, last);
        self.checkers = checkers;
    }
}
