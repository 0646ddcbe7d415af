//! The driver of the scheduler's core: one task that feeds it and carries out what it wants.
//!
//! ```text
//!   jobs ──wishes──►┐                    ┌──► writer ──► store (one transaction a group of batches)
//!   members ──told──►│  kerf_scheduler    ├──► peers
//!   peers ──events──►│  Core::step        ├──► members
//!   owner ──record──►┘                    └──► jobs (reports)
//! ```
//! All that has come meanwhile is taken in one turn, so that it shares a group, and this host's record is made anew
//! once a turn at most.
//!
//! It owns the clock of the core and the order of what is carried out. It never decides anything, never opens a
//! device, and never waits for the store, a peer or a container: those answer as inputs of their own.

use std::sync::Arc;
use std::time::Duration;

use kerf_scheduler::core::{Change, Core, Input, LocalEvent, Output};
use kerf_types::peer::Tag;
use kerf_types::{HostId, Moment};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::Parts;
use super::asks::{Ask, Forcing};
use super::own::Own;
use super::view::{self, FleetView};
use super::writer::{Writer, Written};
use crate::errors::chain;
use crate::host::HostView;
use crate::jobs::{Jobs, Wish};
use crate::members::{Told, Voice};
use crate::peers::{Event, Peer, Peers};
use crate::process::boot_ms;
use crate::store::{JobRow, SharedStore, StoreError};

/// Time between two looks at what changes without a word: the load of the host.
const LOOK: Duration = Duration::from_secs(5);

/// Shortest time between two looks for the sake of what members tell: a record is made of the whole host, and a fleet that
/// hears of each lease apart would hear of nothing else.
const LOOK_LEAST: Duration = Duration::from_millis(50);

/// Inputs of one turn. More would keep a group that could be written from the disk; fewer would flush for each.
const TURN: usize = 256;

/// Exit code of an end by a panic, as Rust's own runtime has it.
const BROKEN: i32 = 101;

/// Longest sleep: tokio's clock stands still while the host is suspended.
const NAP: Duration = Duration::from_secs(30);

/// The driver.
#[derive(Debug)]
pub(super) struct Driver {
    parts: Parts,
    core: Core,
    own: Own,
    host: watch::Receiver<Arc<HostView>>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    asked: mpsc::Receiver<Ask>,
    voice: Voice,
    events: mpsc::Receiver<Event>,
    roster: watch::Receiver<Arc<Vec<Peer>>>,
    view: watch::Sender<Arc<FleetView>>,
    writer: Writer<Vec<JobRow>>,
    /// Forces of registers that are under way.
    pub(super) forcing: Vec<Forcing>,
    /// When this host was looked at last, and whether it is to be looked at again.
    looked: Instant,
    look_again: bool,
}

/// The ways by which things reach the driver.
#[derive(Debug)]
pub(super) struct Inlets {
    pub wishes: mpsc::UnboundedReceiver<Wish>,
    pub asked: mpsc::Receiver<Ask>,
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
    ) -> Result<Self, StoreError> {
        let Inlets {
            wishes,
            asked,
            voice,
            events,
            roster,
        } = inlets;
        let keep = keeper(parts.store.clone(), parts.jobs.clone());
        let writer = Writer::start(keep, end_broken).map_err(StoreError::Thread)?;
        Ok(Self {
            host: parts.host.watch(),
            parts,
            core,
            own,
            wishes,
            asked,
            voice,
            events,
            roster,
            view,
            writer,
            forcing: Vec::new(),
            looked: Instant::now(),
            look_again: false,
        })
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
        self.writer.hand_over();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = loop {
            let nap = self.nap();
            tokio::select! {
                stopped = &mut stop => break stopped,
                Some(wish) = self.wishes.recv() => self.feed(wish),
                Some(ask) = self.asked.recv() => self.asked(ask),
                Some((tag, told)) = self.voice.recv() => self.told(tag, told),
                Some(event) = self.events.recv() => self.peer(event),
                written = self.writer.written() => self.written(written),
                Ok(()) = self.host.changed() => self.look_again = true,
                Ok(()) = self.roster.changed() => self.show(),
                Ok(()) = self.parts.config.changed() => self.reconfigure(),
                _ = look.tick() => self.look_at_own(),
                () = tokio::time::sleep(nap) => self.feed(Input::Wake),
            }
            self.take_in_the_rest();
            self.look_if_due();
            self.writer.hand_over();
        };
        if let Ok(done) = stopped {
            self.say_goodbye().await;
            self.writer.finish().await;
            // Who asked may have gone.
            let _gone = done.send(());
        }
    }

    /// Takes in what has come beside the one thing that was waited for.
    fn take_in_the_rest(&mut self) {
        // What is durable lets answers go, and frees what it holds: before anything new is taken in.
        while let Some(written) = self.writer.try_written() {
            self.written(written);
        }
        for _ in 0..TURN {
            let mut is_over = true;
            if let Ok(wish) = self.wishes.try_recv() {
                self.feed(wish);
                is_over = false;
            }
            if let Ok((tag, told)) = self.voice.try_recv() {
                self.told(tag, told);
                is_over = false;
            }
            if let Ok(event) = self.events.try_recv() {
                self.peer(event);
                is_over = false;
            }
            if is_over {
                return;
            }
        }
    }

    /// Tells the fleet that nothing more is to be placed here, and leaves it. What runs goes on.
    async fn say_goodbye(&mut self) {
        self.look_at_own();
        if let Some(peers) = &self.parts.peers {
            peers.leave().await;
        }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    fn nap(&self) -> Duration {
        let due = self.core.next_wakeup();
        let wait = due.map_or(NAP, |due| due.since(moment()));
        let look = match self.look_again {
            true => (self.looked + LOOK_LEAST).saturating_duration_since(Instant::now()),
            false => NAP,
        };
        wait.min(look).min(NAP)
    }

    /// Hands one input to the core, and carries out all that follows from it.
    pub(super) fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.core.step(moment(), input, &mut out);
        for output in out {
            self.carry_out(output);
        }
    }

    /// A group is durable: tells of the jobs that ended with it, and the core.
    fn written(&mut self, written: Written<Vec<JobRow>>) {
        let Written { batch, outcome } = written;
        self.parts.jobs.tell_ended(&outcome);
        self.feed(Input::Persisted { batch });
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist { batch, changes } => self.writer.add(batch, changes),
            Output::Send { to, message } => {
                if let Some(peers) = &self.parts.peers {
                    peers.send(to, message);
                }
            }
            Output::ToKeeper { to, message } => {
                if let Some(peers) = &self.parts.peers {
                    peers.send_keeper(to, &message);
                }
            }
            Output::Handed { job, to } => {
                let name = name_of(&self.core, to);
                self.parts
                    .jobs
                    .note(job, &format!("{name} coordinates it now"));
            }
            Output::Took { row, home } => {
                let name = name_of(&self.core, home);
                self.parts.jobs.take_over(&row, &name);
            }
            Output::Forced { job, by, given_up } => {
                let given_up = given_up.into_iter().map(|host| name_of(&self.core, host));
                let given_up: Vec<String> = given_up.collect();
                self.parts
                    .jobs
                    .forced(job, &name_of(&self.core, by), &given_up);
                self.was_forced(job);
            }
            Output::Local { tag, command } => self.parts.members.carry_out(tag, command),
            Output::Report(report) => {
                let name_of = |host| name_of(&self.core, host);
                self.parts.jobs.report(&report, name_of);
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
                self.look_again = true;
            }
        }
    }

    /// A refusal tells the host that asks how this one is now: what it knew was wrong.
    fn with_record(&mut self, event: LocalEvent) -> LocalEvent {
        match event {
            LocalEvent::Refused { reason, room, .. } => {
                self.look_at_own();
                let record = self.own.record().map(|record| Box::new((*record).clone()));
                LocalEvent::Refused {
                    reason,
                    room,
                    record,
                }
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
            Event::Keeper { from, message } => Input::Keeper { from, message },
        });
    }

    /// Looks at this host if something has changed here and the last look was not just now.
    fn look_if_due(&mut self) {
        if self.look_again && self.looked.elapsed() >= LOOK_LEAST {
            self.look_at_own();
        }
    }

    /// Looks at this host, and tells the core and the fleet if it is another than before.
    fn look_at_own(&mut self) {
        self.look_again = false;
        self.looked = Instant::now();
        self.parts.jobs.doubt(self.core.in_doubt(moment()));
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

/// Ends kerfd, which nothing of the scheduler would be kept by any more: the next one begins with what is in the store,
/// while one that went on would look well and answer no job.
fn end_broken() {
    tracing::error!(
        "the writer of the scheduler's store has panicked: kerfd ends, and is to be started again"
    );
    std::process::exit(BROKEN);
}

/// What writes changes and shows the jobs that end with them. The store is held from the read of those jobs to their
/// publication, so that no other change of a job comes in between.
fn keeper(
    store: SharedStore,
    jobs: Jobs,
) -> impl FnMut(&[Change]) -> Result<Vec<JobRow>, StoreError> + Send {
    move |changes| {
        let mut store = store.lock();
        let ended = changes.iter().filter_map(|change| match change {
            Change::EndJob(job, outcome) => jobs.ended(*job, outcome),
            _ => None,
        });
        let ended: Vec<JobRow> = ended.collect();
        store.save(changes, &ended)?;
        for row in &ended {
            jobs.show_ended(row);
        }
        Ok(ended)
    }
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
