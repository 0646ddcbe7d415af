//! A host with the scheduler's core over the real peers, on a model of its disk and its containers.
//!
//! The model outlives the host's crashes, as disk and containers do. It promises whatever is asked while it has room,
//! and writes down every container that ran.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_scheduler::core::{Core, Input, LocalCommand, LocalEvent, Output, Report, Saved};
use kerf_scheduler::{Liveness, Settings};
use kerf_types::job::JobSpec;
use kerf_types::peer::{Exit, Grant, Tag};
use kerf_types::{Fence, JobId, LeaseId, Moment};

use super::super::super::Event;
use super::super::Host;
use crate::process::boot_ms;

/// Members that fit on a host at once.
const ROOM: usize = 2;

/// The epoch of every store: none is ever lost.
const EPOCH: u64 = 1;

/// How long a fence takes to end a container.
const KILL: Duration = Duration::from_secs(1);

/// A container that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub tag: Tag,
    pub from: Moment,
    /// How long it runs if nobody ends it.
    pub time: Duration,
    /// When it ended, or would end by itself.
    pub until: Moment,
}

impl Run {
    /// Whether it ran to its own end.
    pub fn is_whole(&self) -> bool {
        self.until == self.from.after(self.time)
    }

    fn exit(&self) -> Exit {
        let killed = !self.is_whole();
        Exit {
            code: Some(if killed { 137 } else { 0 }),
            timed_out: false,
            reason: if killed { "it was ended" } else { "it ended" }.to_owned(),
        }
    }
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
    ended: BTreeMap<Tag, Exit>,
    pub runs: Vec<Run>,
    pub reports: BTreeMap<JobId, Report>,
    /// Jobs that this host has taken over from another.
    pub took: usize,
    /// What a core must never ask.
    pub wrong: Vec<String>,
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
            let end = fence.map_or(run.until, |fence| run.until.min(fence.after(KILL)));
            if end <= now {
                run.until = end;
                self.running.remove(&tag);
                self.leases.remove(&grant.lease);
                let exit = run.exit();
                self.ended.insert(tag, exit);
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

    fn start(
        &mut self,
        tag: Tag,
        grant: Grant,
        spec: &JobSpec,
        fence: Option<Moment>,
    ) -> LocalEvent {
        let again = self.runs.iter().any(|run| run.tag == tag);
        if again || self.leases.get(&grant.lease) != Some(&tag) {
            let text = format!("{tag:?} is started with {grant:?}; again: {again}");
            self.wrong.push(text);
            return LocalEvent::StartRefused {
                reason: "no lease".to_owned(),
                lasting: false,
            };
        }
        let from = Moment(boot_ms());
        let time = time_of(spec);
        self.runs.push(Run {
            tag,
            from,
            time,
            until: from.after(time),
        });
        self.running.insert(tag, (grant, fence));
        LocalEvent::Started
    }

    fn find(&mut self, tag: Tag) -> LocalEvent {
        if self.running.contains_key(&tag) {
            return LocalEvent::Started;
        }
        self.ended
            .remove(&tag)
            .map_or(LocalEvent::NotFound, LocalEvent::Ended)
    }

    fn stop(&mut self, tag: Tag) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.tag == tag) {
            run.until = run.until.min(Moment(boot_ms()));
        }
    }

    /// What a command comes to, at once.
    fn carry_out(&mut self, tag: Tag, command: LocalCommand) -> Option<LocalEvent> {
        match command {
            LocalCommand::Reserve { .. } => Some(self.reserve(tag)),
            LocalCommand::Renew { .. } => None,
            LocalCommand::Release { grant } => {
                self.leases.remove(&grant.lease);
                Some(LocalEvent::Released(grant))
            }
            LocalCommand::Start {
                grant, spec, guard, ..
            } => Some(self.start(tag, grant, &spec, guard)),
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

/// How long a job's containers run: it is their only argument, in seconds.
fn time_of(spec: &JobSpec) -> Duration {
    let seconds = spec.args.first().and_then(|word| word.parse().ok());
    Duration::from_secs(seconds.expect("a number"))
}

/// The daemon: a core, and the real peers.
pub struct Node {
    core: Core,
    host: Host,
    machine: Shared,
    revision: u64,
}

/// Time between two looks at containers.
const LOOK: Duration = Duration::from_millis(50);

/// Time between two records of a host, of which others believe only a fresh one.
const RECORD: Duration = Duration::from_secs(5);

impl Node {
    pub fn new(host: Host, machine: Shared, seed: u64) -> Self {
        let (saved, starts) = {
            let machine = machine.lock().expect("nobody panics");
            (machine.saved.clone(), machine.starts)
        };
        let now = Moment(boot_ms());
        let settings = Settings {
            store_epoch: EPOCH,
            ..Settings::default()
        };
        let core = Core::recover(host.me.host, settings, seed, saved, now);
        Self {
            core,
            host,
            machine,
            // Each life has numbers above those of the one before.
            revision: starts * 1_000_000,
        }
    }

    /// Runs until it is crashed. What is submitted comes by the channel.
    pub async fn run(mut self, mut wishes: tokio::sync::mpsc::UnboundedReceiver<Input>) {
        // The store is read before a peer is heard.
        self.feed(Input::Wake);
        let mut records = tokio::time::interval(RECORD);
        let mut look = tokio::time::interval(LOOK);
        loop {
            let nap = self.core.next_wakeup();
            let nap = nap.map_or(LOOK, |due| due.since(Moment(boot_ms())));
            tokio::select! {
                Some(wish) = wishes.recv() => self.feed(wish),
                Some(event) = self.host.events.recv() => self.hear(event),
                _ = look.tick() => self.look(),
                _ = records.tick() => self.publish(),
                () = tokio::time::sleep(nap.max(Duration::from_millis(1))) => self.feed(Input::Wake),
            }
        }
    }

    fn publish(&mut self) {
        self.revision += 1;
        let record = self.host.record(self.revision);
        self.host.peers.publish(&record).expect("a record");
        self.feed(Input::Record(Arc::new(record)));
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
            Event::Keeper { from, message } => Input::Keeper { from, message },
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
        for (tag, exit) in ended {
            let event = LocalEvent::Ended(exit);
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
                    Output::ToKeeper { to, message } => {
                        self.host.peers.send_keeper(to, &message);
                    }
                    // Of interest to those who show jobs.
                    Output::Took { .. } => machine.took += 1,
                    Output::Handed { .. } => {}
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
