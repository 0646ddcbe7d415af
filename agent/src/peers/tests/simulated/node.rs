//! A host with the scheduler's core over the real peers, on a model of its disk and its containers.
//!
//! The model outlives the host's crashes, as disk and containers do. It promises whatever is asked while it has room,
//! and writes down every container that ran.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_scheduler::core::{Core, Input, LocalCommand, LocalEvent, Output, Report, Saved};
use kerf_scheduler::{Liveness, Settings};
use kerf_types::peer::{Exit, Grant, Tag};
use kerf_types::{Fence, HostId, JobId, LeaseId, Moment};

use super::super::super::Event;
use super::super::Host;
use crate::process::boot_ms;

/// Members that fit on a host at once.
const ROOM: usize = 2;

/// How long a container of the model runs.
const RUNS: Duration = Duration::from_secs(3);

/// A container that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub tag: Tag,
    pub from: Moment,
    /// When it ended, or would end by itself.
    pub until: Moment,
}

/// What outlives a crash of the host's daemon.
#[derive(Debug, Default)]
pub struct Machine {
    pub starts: u64,
    saved: Saved,
    leases: BTreeMap<LeaseId, Tag>,
    /// Ends of containers that run, with their fences.
    running: BTreeMap<Tag, (Grant, Option<Moment>)>,
    /// Containers that have ended and of which nobody was told.
    ended: BTreeSet<Tag>,
    pub runs: Vec<Run>,
    pub reports: BTreeMap<JobId, Report>,
    fences: u64,
}

pub type Shared = Arc<Mutex<Machine>>;

impl Machine {
    /// Leases that stand.
    pub fn leases(&self) -> usize {
        self.leases.len()
    }

    /// Lets time pass for containers, also while no daemon is there: they end by themselves, and by their fences.
    pub fn pass(&mut self, now: Moment) {
        for (tag, (grant, fence)) in self.running.clone() {
            let run = self.runs.iter_mut().find(|run| run.tag == tag);
            let run = run.expect("it runs");
            if let Some(fence) = fence {
                run.until = run.until.min(fence.after(Duration::from_secs(1)));
            }
            if run.until <= now {
                self.running.remove(&tag);
                self.leases.remove(&grant.lease);
                self.ended.insert(tag);
            }
        }
    }

    fn reserve(&mut self, tag: Tag) -> LocalEvent {
        if self.leases.len() >= ROOM {
            return LocalEvent::Refused {
                reason: "no room".to_owned(),
                record: None,
            };
        }
        self.fences += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.fences.to_be_bytes());
        let lease = LeaseId::new(boot_ms(), random);
        self.leases.insert(lease, tag);
        let fence = Fence::new(1, self.fences);
        LocalEvent::Reserved(Grant { lease, fence })
    }

    fn start(&mut self, tag: Tag, grant: Grant, fence: Option<Moment>) -> LocalEvent {
        let again = self.runs.iter().any(|run| run.tag == tag);
        if again || !self.leases.contains_key(&grant.lease) {
            return LocalEvent::StartRefused {
                reason: "no lease".to_owned(),
                lasting: false,
            };
        }
        let from = Moment(boot_ms());
        let until = from.after(RUNS);
        self.runs.push(Run { tag, from, until });
        self.running.insert(tag, (grant, fence));
        LocalEvent::Started
    }

    fn find(&mut self, tag: Tag) -> LocalEvent {
        if self.running.contains_key(&tag) {
            return LocalEvent::Started;
        }
        if self.ended.remove(&tag) {
            return LocalEvent::Ended(exit());
        }
        LocalEvent::NotFound
    }

    fn stop(&mut self, tag: Tag) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.tag == tag) {
            run.until = run.until.min(Moment(boot_ms()));
        }
    }

    /// What a command comes to; none is answered later than at once.
    fn carry_out(&mut self, tag: Tag, command: LocalCommand) -> Option<LocalEvent> {
        match command {
            LocalCommand::Reserve { .. } => Some(self.reserve(tag)),
            LocalCommand::Renew { .. } => None,
            LocalCommand::Release { grant } => {
                self.leases.remove(&grant.lease);
                Some(LocalEvent::Released(grant))
            }
            LocalCommand::Start { grant, guard, .. } => Some(self.start(tag, grant, guard)),
            LocalCommand::Guard { until, .. } => {
                if let Some((_, fence)) = self.running.get_mut(&tag) {
                    *fence = Some(until);
                }
                None
            }
            LocalCommand::Stop { .. } => {
                self.stop(tag);
                None
            }
            LocalCommand::Find { .. } => Some(self.find(tag)),
        }
    }
}

fn exit() -> Exit {
    Exit {
        code: Some(0),
        timed_out: false,
        reason: "it ended".to_owned(),
    }
}

/// The daemon: a core, and the real peers.
pub struct Node {
    core: Core,
    host: Host,
    machine: Shared,
}

/// Time between two looks at containers.
const LOOK: Duration = Duration::from_millis(50);

impl Node {
    pub fn new(host: Host, machine: Shared, seed: u64) -> Self {
        let saved = machine.lock().expect("nobody panics").saved.clone();
        let now = Moment(boot_ms());
        let core = Core::recover(host.me.host, Settings::default(), seed, saved, now);
        Self {
            core,
            host,
            machine,
        }
    }

    /// Runs until it is crashed. What is submitted comes by the channel.
    pub async fn run(mut self, mut wishes: tokio::sync::mpsc::UnboundedReceiver<Input>) {
        let record = self
            .host
            .record(self.machine.lock().expect("nobody panics").starts);
        self.host.peers.publish(&record).expect("a record");
        self.feed(Input::Record(Arc::new(record)));
        self.feed(Input::Wake);
        let mut look = tokio::time::interval(LOOK);
        loop {
            let nap = self.core.next_wakeup();
            let nap = nap.map_or(LOOK, |due| due.since(Moment(boot_ms())));
            tokio::select! {
                Some(wish) = wishes.recv() => self.feed(wish),
                Some(event) = self.host.events.recv() => self.hear(event),
                _ = look.tick() => self.look(),
                () = tokio::time::sleep(nap.max(Duration::from_millis(1))) => self.feed(Input::Wake),
            }
        }
    }

    fn hear(&mut self, event: Event) {
        let input = match event {
            Event::Record(record) => Input::Record(record),
            Event::StillFresh(host) => Input::StillFresh(host),
            Event::Presence { host, liveness } => Input::Peer { host, liveness },
            Event::Forgotten(host) => Input::Forget(host),
            Event::Removed(host) => Input::Peer {
                host,
                liveness: Liveness::Left,
            },
            Event::Message { from, message } => Input::Message { from, message },
        };
        self.feed(input);
    }

    /// Tells of containers that have ended.
    fn look(&mut self) {
        let ended = {
            let mut machine = self.machine.lock().expect("nobody panics");
            machine.pass(Moment(boot_ms()));
            std::mem::take(&mut machine.ended)
        };
        for tag in ended {
            let event = LocalEvent::Ended(exit());
            self.feed(Input::Local { tag, event });
        }
    }

    /// Everything that follows from an input. The disk is quick here and never fails.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut out = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.core.step(Moment(boot_ms()), input, &mut out);
            for output in out.drain(..) {
                let mut machine = self.machine.lock().expect("nobody panics");
                match output {
                    Output::Persist { batch, changes } => {
                        for change in &changes {
                            machine.saved.apply(change);
                        }
                        inputs.push_back(Input::Persisted { batch });
                    }
                    Output::Send { to, message } => self.host.peers.send(to, message),
                    Output::Local { tag, command } => {
                        let event = machine.carry_out(tag, command);
                        inputs.extend(event.map(|event| Input::Local { tag, event }));
                    }
                    Output::Report(report) => drop(machine.reports.insert(report.job, report)),
                }
            }
        }
    }
}

/// The id of a host.
pub fn id(number: u8) -> HostId {
    HostId::from_bits(number.into())
}
