//! The protocol core of one host: coordinator for the jobs that are submitted here, owner of the devices that
//! are here.
//!
//! ```text
//!   coordinator:  Open ─► Reserving ─► Deciding ─► Confirming ─► Going ─► Closing ─► (next attempt, or the end)
//!                   ▲         └────────────┴────────────┴──────────────────► │
//!                   └────────────────────────────────────────────────────────┘
//!   owner:        (asking) ─► Reserved ─► Confirmed ─► Starting ─► Running ─► Ended ─► (released)
//!                                └────────────┴─► Releasing ─► (released)
//! ```
//! Owners are asked all at once, and a refusal ends the attempt: nobody waits while it holds something, so nobody waits
//! for each other. A job that is refused again and again, or finds no room for long, takes turns instead: its
//! members are asked for one host after the other, in the order of their ids, and wait there for a place in a line that
//! is the same on every host ([`kerf_types::turn`]). `coordinator/ordered.rs` and `owner/queue.rs` have the rules, and why
//! there is no circle. What is decided never gives way.
//!
//! It owns both state machines and the gate that holds every effect back until what it depends on is durable.
//! It never compares clocks of two hosts, never starts a member before all have confirmed, and never begins
//! an attempt before the one before it is closed.
//!
//! What the driver owes:
//! - it calls [`Core::step`] for each input and at [`Core::next_wakeup`], with a clock that never goes back and goes
//!   on while kerfd is dead (`CLOCK_BOOTTIME`), and carries the outputs out in their order;
//! - a batch is written whole or not at all, and batches in their order, before `Persisted` comes back: for each, or for
//!   the last of several that were written together;
//! - commands of one tag are carried out one after the other, and each that has an answer is answered once, however
//!   long the driver must try: a `Start` that containerd does not take in time is a `StartRefused`;
//! - messages come from whom the transport has authenticated, and may be lost, doubled, late and reordered;
//! - the guard of a container ends it also while kerfd is dead, or [`Settings::close_by_time`] is off.

mod coordinator;
mod faults;
mod io;
mod job;
mod keeper;
mod kept;
mod outbox;
mod owner;
mod register;
mod saved;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_types::peer::{Attempt, Body, PeerMessage};
use kerf_types::{HostId, HostRecord, JobId, Moment, Timestamp};

pub use faults::{Faults, NoFaults};
pub use io::{Input, LocalCommand, LocalEvent, Output, Report};
pub use keeper::{ForcePlan, ForceRefusal, Waiting};
pub use kept::{KeeperMessage, Kept};
pub use register::{Decision, LocalRegister, Proposed, Settled};
pub use saved::{
    Change, Closing, JobRow, MemberPhase, MemberRow, Memory, Next, Outcome, RegisterRow, Saved,
    SavedMember, SavedPhase,
};
pub use settings::Settings;

use crate::fleet::Fleet;
use crate::rng::Rng;
use job::{Job, Submitted};
use keeper::Keeper;
use outbox::{Held, Outbox};
use owner::Owner;

/// The protocol core of one host.
#[derive(Debug)]
pub struct Core<F: Faults = NoFaults> {
    id: HostId,
    settings: Settings,
    fleet: Fleet,
    rng: Rng,
    register: LocalRegister,
    keeper: Keeper,
    jobs: BTreeMap<JobId, Job>,
    owner: Owner,
    outbox: Outbox<F>,
    /// The latest time of submission that was heard of. See [`kerf_types::turn`].
    latest_stamp: Timestamp,
    /// Whether placements were left for the next step.
    more_to_plan: bool,
    /// Whether nothing was done since recovery.
    recovering: bool,
}

impl<F: Faults> Core<F> {
    /// A core that goes on from what was saved; with nothing saved, a new one. Its first step should follow at
    /// once.
    pub fn recover(id: HostId, settings: Settings, seed: u64, saved: Saved, now: Moment) -> Self {
        let mut core = Self {
            id,
            settings,
            fleet: Fleet::default(),
            rng: Rng::new(seed),
            register: LocalRegister::new(saved.decisions),
            keeper: Keeper::recover(id, &settings, seed, saved.registers, now),
            jobs: BTreeMap::new(),
            owner: Owner::recover(saved.members, saved.memories, now),
            outbox: Outbox::new(id),
            latest_stamp: Timestamp(0),
            more_to_plan: false,
            recovering: true,
        };
        for (_, row) in saved.jobs {
            core.latest_stamp = core.latest_stamp.max(row.submitted);
            if row.term.is_shared() {
                core.ask_whether_it_coordinates(now, row);
            } else {
                core.take_up(now, row);
            }
        }
        core
    }

    /// Takes one input in; what is to be done is added to `out`.
    pub fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Output>) {
        if std::mem::take(&mut self.recovering) {
            self.owner_after_recovery();
            for (job, last) in self.keeper.ended() {
                // The crash may have come between the end of the register and that of the job.
                self.over(job, &last);
            }
        }
        let is_said = matches!(input, Input::Message { .. } | Input::Keeper { .. });
        let heard = !is_said || !self.outbox.is_full();
        // Where one write follows the other something always waits, and time must not stand still for it. A store that
        // fails has no word, and nothing lines up behind it.
        let has_stored = matches!(input, Input::Persisted { .. });
        if heard {
            self.handle(now, input);
        }
        if has_stored || !self.outbox.is_blocked() {
            self.tick(now);
        }
        loop {
            self.outbox.seal(out);
            let Some(held) = self.outbox.next() else {
                break;
            };
            match held {
                Held::Out(output) => out.push(output),
                Held::ToSelf(message) => self.hear(now, self.id, message),
                Held::Settled(settled) => self.settled(now, settled),
                Held::RegisterDurable(batch) => {
                    self.step_registers(now, kerf_register::Input::Persisted { batch });
                }
                Held::Answered(answer) => self.answered(now, *answer),
            }
        }
    }

    /// When the next step is due if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.outbox.is_blocked() {
            // The store is waited for.
            return None;
        }
        if self.recovering || self.more_to_plan {
            return Some(Moment(0));
        }
        let settings = self.settings;
        let jobs = self.jobs.values();
        let jobs = jobs.filter_map(|job| self.job_wakeup(job));
        let members = self.owner.wakeup::<F>(self.id, &settings);
        let keeper = self
            .keeper
            .wakeup(|job, watched| self.takes_over_at(job, watched));
        jobs.chain(members).chain(keeper).min()
    }

    /// The hosts as this one sees them.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Jobs that this host coordinates and that have not ended; after a crash also those of which it does not know yet
    /// whether it still does.
    pub fn jobs(&self) -> impl Iterator<Item = &JobRow> {
        let rows = self.jobs.values().map(|job| &job.row);
        rows.chain(self.keeper.unsure())
    }

    /// The last report of a job that has not ended.
    pub fn report(&self, job: JobId) -> Option<&Report> {
        self.jobs.get(&job)?.reported.as_ref()
    }

    /// The attempt of a job that asks one host after the other and waits for its turn at each, if it does.
    pub fn asks_in_order(&self, job: JobId) -> Option<Attempt> {
        let job = self.jobs.get(&job).filter(|job| job.ordered)?;
        Some(job.row.attempt)
    }

    /// Members that this host holds for any job.
    pub fn members(&self) -> impl Iterator<Item = &MemberRow> {
        self.owner.rows()
    }

    fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Submit {
                job,
                spec,
                spec_hash,
                by,
                at,
            } => self.submit(
                now,
                job,
                at,
                Submitted {
                    spec,
                    spec_hash,
                    by,
                },
            ),
            Input::Cancel { job } => self.cancel(now, job),
            Input::Force { job, give_up } => self.force(now, job, &give_up),
            Input::Persisted { batch } => self.outbox.persisted(batch),
            Input::Message { from, message } => self.hear(now, from, message),
            Input::Keeper { from, message } => self.on_keeper(now, from, *message),
            Input::Local { tag, event } => self.local_event(now, tag, event),
            Input::Record(record) => {
                let own = record.id == self.id;
                if self.learn(now, record) && own {
                    self.owner.own_record();
                }
            }
            Input::StillFresh(host) => self.fleet.still_fresh(host, now),
            Input::Peer { host, liveness } => {
                if self.fleet.note(host, liveness) {
                    self.fleet_changed(now);
                    self.peer_changed(now, host, liveness);
                }
            }
            Input::Forget(host) => {
                self.fleet.forget(host);
                self.step_registers(now, kerf_register::Input::Forgotten(host));
            }
            Input::Wake => {}
        }
    }

    fn hear(&mut self, now: Moment, from: HostId, message: PeerMessage) {
        let PeerMessage { tag, term, body } = message;
        if let Body::Keepers(keepers) = body {
            return self.on_keepers(from, tag, term, keepers);
        }
        if is_order(&body) && !self.follows(now, from, tag, term) {
            return self.not_followed(from, tag, &body);
        }
        match body {
            Body::Reserve {
                spec_hash,
                ask,
                ttl,
                master_port,
                turn,
                keepers,
            } => {
                self.heard_stamp(turn);
                let wanted = owner::Wanted {
                    spec_hash,
                    ask,
                    ttl,
                    master_port,
                    turn,
                    term,
                    keepers,
                };
                self.on_reserve(now, from, tag, wanted);
            }
            Body::Confirm(grant) => self.on_confirm(now, from, tag, grant),
            Body::Start {
                spec_hash,
                spec,
                by,
                gang,
            } => {
                let submitted = Submitted {
                    spec,
                    spec_hash,
                    by,
                };
                self.on_start(now, from, tag, submitted, gang);
            }
            Body::Release => self.on_release(now, from, tag, term),
            Body::Keep { sent } => self.on_keep(now, from, tag, sent),
            Body::Query => self.on_query(from, tag),
            answer => self.on_answer(now, from, tag, answer),
        }
    }

    fn tick(&mut self, now: Moment) {
        self.owner_tick(now);
        self.jobs_tick(now);
        self.keeper_tick(now);
    }

    /// Returns whether it says something new.
    fn learn(&mut self, now: Moment, record: Arc<HostRecord>) -> bool {
        let new = self.fleet.learn(record, now);
        if new {
            self.fleet_changed(now);
        }
        new
    }
}

/// Whether this is said by a coordinator to an owner.
fn is_order(body: &Body) -> bool {
    matches!(
        body,
        Body::Reserve { .. }
            | Body::Confirm(_)
            | Body::Start { .. }
            | Body::Release
            | Body::Keep { .. }
            | Body::Query
    )
}
