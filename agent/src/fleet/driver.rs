//! The driver of the scheduler's core: one task that feeds it and carries out what it wants.
//!
//! ```text
//!   jobs ──wishes──►┐                    ┌──► store (one transaction a batch)
//!   members ──told──►│  kerf_scheduler    ├──► peers
//!   peers ──events──►│  Core::step        ├──► members
//!   owner ──record──►┘                    └──► jobs (reports)
//! ```
//! It owns the clock of the core and the order of what is carried out. It never decides anything, never opens a
//! device, and never waits for a peer or a container: those answer as inputs of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kerf_scheduler::core::{Change, Core, Input, LocalEvent, Output};
use kerf_types::peer::Tag;
use kerf_types::{HostId, Moment};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::Parts;
use super::own::Own;
use super::view::{self, FleetView};
use crate::errors::chain;
use crate::host::HostView;
use crate::jobs::Wish;
use crate::members::{Told, Voice};
use crate::peers::{Event, Peer, Peers};
use crate::process::boot_ms;
use crate::store::{JobRow, StoreError};

/// Time between two looks at what changes without a word: the load of the host.
const LOOK: Duration = Duration::from_secs(5);

/// Time between two tries to write to a store that fails.
const RETRY: Duration = Duration::from_secs(1);

/// Longest sleep: tokio's clock stands still while the host is suspended.
const NAP: Duration = Duration::from_secs(30);

/// A batch that is not in the store yet.
#[derive(Debug)]
struct Batch {
    number: u64,
    changes: Vec<Change>,
}

/// The driver.
#[derive(Debug)]
pub(super) struct Driver {
    parts: Parts,
    core: Core,
    own: Own,
    host: watch::Receiver<Arc<HostView>>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    voice: Voice,
    events: mpsc::Receiver<Event>,
    roster: watch::Receiver<Arc<Vec<Peer>>>,
    view: watch::Sender<Arc<FleetView>>,
    unwritten: VecDeque<Batch>,
    /// When the store is tried again.
    retry: Option<Instant>,
}

/// The ways by which things reach the driver.
#[derive(Debug)]
pub(super) struct Inlets {
    pub wishes: mpsc::UnboundedReceiver<Wish>,
    pub voice: Voice,
    /// Events of peers; where there are none, a channel that stays silent.
    pub events: mpsc::Receiver<Event>,
    pub roster: watch::Receiver<Arc<Vec<Peer>>>,
}

impl Driver {
    pub fn new(
        parts: Parts,
        core: Core,
        own: Own,
        inlets: Inlets,
        view: watch::Sender<Arc<FleetView>>,
    ) -> Self {
        let Inlets {
            wishes,
            voice,
            events,
            roster,
        } = inlets;
        Self {
            host: parts.host.watch(),
            parts,
            core,
            own,
            wishes,
            voice,
            events,
            roster,
            view,
            unwritten: VecDeque::new(),
            retry: None,
        }
    }

    /// Feeds the core until `stop` comes. `first` is what is known from before.
    pub async fn run(
        mut self,
        first: Vec<Input>,
        mut stop: oneshot::Receiver<oneshot::Sender<()>>,
    ) {
        self.look_at_own();
        self.feed(Input::Wake);
        for input in first {
            self.feed(input);
        }
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = loop {
            let nap = self.nap();
            tokio::select! {
                stopped = &mut stop => break stopped,
                Some(wish) = self.wishes.recv() => self.feed(wish),
                Some((tag, told)) = self.voice.recv() => self.told(tag, told),
                Some(event) = self.events.recv() => self.peer(event),
                Ok(()) = self.host.changed() => self.look_at_own(),
                Ok(()) = self.roster.changed() => self.show(),
                Ok(()) = self.parts.config.changed() => self.reconfigure(),
                _ = look.tick() => self.look_at_own(),
                () = tokio::time::sleep(nap) => self.feed(Input::Wake),
            }
        };
        if let Ok(done) = stopped {
            self.say_goodbye().await;
            // Who asked may have gone.
            let _gone = done.send(());
        }
    }

    /// Tells the fleet that nothing more is to be placed here, and leaves it. What runs goes on.
    async fn say_goodbye(&mut self) {
        self.look_at_own();
        if let Some(peers) = &self.parts.peers {
            peers.leave().await;
        }
    }

    fn nap(&self) -> Duration {
        let due = self.core.next_wakeup();
        let wait = due.map_or(NAP, |due| due.since(moment()));
        let retry = self
            .retry
            .map_or(NAP, |at| at.saturating_duration_since(Instant::now()));
        wait.min(retry).min(NAP)
    }

    /// Hands one input to the core, and carries out all that follows from it.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut out = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.core.step(moment(), input, &mut out);
            for output in out.drain(..) {
                self.carry_out(output);
            }
            inputs.extend(self.write_next());
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist { batch, changes } => self.unwritten.push_back(Batch {
                number: batch,
                changes,
            }),
            Output::Send { to, message } => {
                if let Some(peers) = &self.parts.peers {
                    peers.send(to, message);
                }
            }
            Output::Local { tag, command } => self.parts.members.carry_out(tag, command),
            Output::Report(report) => {
                let name_of = |host| name_of(&self.core, host);
                self.parts.jobs.report(&report, name_of);
            }
        }
    }

    /// Writes the oldest batch that is not written; what it was is an input for the core.
    fn write_next(&mut self) -> Option<Input> {
        if self.retry.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        let batch = self.unwritten.front()?;
        match tokio::task::block_in_place(|| save(&self.parts, &batch.changes)) {
            Ok(ended) => {
                self.retry = None;
                let number = batch.number;
                self.unwritten.pop_front();
                self.parts.jobs.tell_ended(&ended);
                Some(Input::Persisted { batch: number })
            }
            Err(error) => {
                let first = self.retry.replace(Instant::now() + RETRY).is_none();
                if first {
                    let error = chain(&error);
                    tracing::error!(error, "what the scheduler decided is not kept, tried again");
                }
                None
            }
        }
    }

    fn told(&mut self, tag: Tag, told: Told) {
        match told {
            Told::Note(why) => {
                let here = |row: &kerf_scheduler::core::MemberRow| {
                    row.tag == tag && row.coordinator == self.parts.me
                };
                if self.core.members().any(here) {
                    self.parts.jobs.note(tag.job, &why);
                }
            }
            Told::Event(event) => {
                let event = self.with_record(event);
                self.feed(Input::Local { tag, event });
                self.look_at_own();
            }
        }
    }

    /// A refusal tells the host that asks how this one is now: what it knew was wrong.
    fn with_record(&mut self, event: LocalEvent) -> LocalEvent {
        match event {
            LocalEvent::Refused { reason, .. } => {
                self.look_at_own();
                let record = self.own.record().map(|record| Box::new((*record).clone()));
                LocalEvent::Refused { reason, record }
            }
            other => other,
        }
    }

    fn peer(&mut self, event: Event) {
        self.feed(match event {
            Event::Record(record) => Input::Record(record),
            Event::StillFresh(host) => Input::StillFresh(host),
            Event::Presence { host, liveness } => Input::Peer { host, liveness },
            Event::Forgotten(host) => Input::Forget(host),
            Event::Removed(host) => Input::Forget(host),
            Event::Message { from, message } => Input::Message { from, message },
        });
    }

    /// Looks at this host, and tells the core and the fleet if it is another than before.
    fn look_at_own(&mut self) {
        let view = self.host.borrow_and_update().clone();
        let load = self.parts.members.load();
        let Some(record) = self.own.look(&view, &load) else {
            return;
        };
        if let Some(peers) = &self.parts.peers {
            publish(peers, &record);
        }
        self.feed(Input::Record(record));
        self.show();
    }

    fn reconfigure(&mut self) {
        let loaded = self.parts.config.borrow_and_update().clone();
        self.own.reconfigure(&loaded.config);
        self.look_at_own();
    }

    /// Shows the fleet to those who look.
    fn show(&mut self) {
        let peers = self.roster.borrow_and_update().clone();
        let address = self.parts.peers.as_ref().map(Peers::address);
        let before = self.view.borrow().clone();
        let seen = view::see(&self.own, address, &peers, &before);
        self.view.send_if_modified(|shown| {
            let new = **shown != seen;
            if new {
                *shown = Arc::new(seen);
            }
            new
        });
    }
}

/// Writes changes and shows the jobs that end with them. The store is held from the read of those jobs to their
/// publication, so that no other change of a job comes in between.
fn save(parts: &Parts, changes: &[Change]) -> Result<Vec<JobRow>, StoreError> {
    let mut store = parts.store.lock();
    let ended = changes.iter().filter_map(|change| match change {
        Change::EndJob(job, outcome) => parts.jobs.ended(*job, outcome),
        _ => None,
    });
    let ended: Vec<JobRow> = ended.collect();
    store.save(changes, &ended)?;
    for row in &ended {
        parts.jobs.show_ended(row);
    }
    Ok(ended)
}

fn publish(peers: &Peers, record: &kerf_types::HostRecord) {
    if let Err(error) = peers.publish(record) {
        tracing::error!(
            error = chain(&error),
            "the fleet is not told how this host is"
        );
    }
}

/// What people call a host.
fn name_of(core: &Core, host: HostId) -> String {
    let known = core.fleet().get(host);
    known.map_or_else(
        || host.to_string(),
        |host| host.model.record().name.to_string(),
    )
}

/// The moment on the clock that goes on while kerfd is dead.
pub(super) fn moment() -> Moment {
    Moment(boot_ms())
}
