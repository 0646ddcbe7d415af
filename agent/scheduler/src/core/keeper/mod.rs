//! Jobs that several hosts keep: the register that they hold together, who of them coordinates, and who goes on when that
//! one is dead.
//!
//! ```text
//!   keeper:       watching ──(the coordinator is silent)──► taking over ──(a majority agrees)──► coordinator
//!                    ▲                                            └─(another one was faster)─┐        │
//!                    └───────────────────────────────────────────────────────────────────────┴────────┘
//!                                                                 (a higher term)
//! ```
//! It owns the wants of registers and the coordinator's authority. It never sends to owners: the coordinator's side does.
//! A coordinator speaks to them only while a majority of the keepers has lately said that it still is the one
//! ([`Settings::authority`](super::Settings::authority)), so what one that was replaced says ends by itself, and a
//! successor knows when.

mod answers;
mod force;
mod lead;
mod trust;
mod watch;

use std::collections::BTreeMap;

use kerf_register::{
    Ballot, Input as ToRegister, Output as FromRegister, Registers, Replica, Want,
};
use kerf_types::peer::Term;
use kerf_types::{HostId, JobId, Moment};

use super::io::Output;
use super::job::Job;
use super::kept::{KeeperMessage, Kept};
use super::outbox::Held;
use super::register::Decision;
use super::saved::{Change, JobRow, RegisterRow};
use super::settings::{KEEPERS, Settings};
use super::{Core, Faults};
use crate::fleet::Liveness;

pub use force::{ForcePlan, ForceRefusal};
pub use kerf_register::Waiting;

/// The jobs that this host keeps with others.
#[derive(Debug)]
pub(super) struct Keeper {
    registers: Registers<JobId, Kept>,
    /// Jobs that this host coordinates.
    standing: BTreeMap<JobId, Standing>,
    /// All jobs that it keeps.
    watched: BTreeMap<JobId, Watched>,
    /// Jobs that it coordinated before it began anew, until it knows whether it still does.
    unsure: BTreeMap<JobId, JobRow>,
    wants: BTreeMap<u64, Wanted>,
    count: u64,
}

/// A job that this host coordinates, as the register said last.
#[derive(Debug)]
struct Standing {
    origin: Ballot,
    decision: Decision,
    term: Term,
    /// Whether a decision was put to the register and is not answered.
    pending: bool,
    /// Whether an exchange of a keeper is.
    exchanging: bool,
    /// No later than this a majority has agreed that this host coordinates.
    base: Moment,
    /// When each keeper was asked that has said that it follows.
    follows: BTreeMap<HostId, Moment>,
    next_lead: Moment,
}

/// A job that this host keeps.
#[derive(Debug)]
pub(super) struct Watched {
    /// When its coordinator was last heard of.
    heard: Moment,
    /// Whether this host tries to take over.
    trying: bool,
    /// Whether somebody has asked this host to end it.
    cancelled: bool,
    /// How often its register was forced, as far as was said.
    era: u32,
    /// For which term and generation of keepers they were named to owners, and how often.
    vouched: (Term, u32, u32),
}

/// A want that the register has not answered.
#[derive(Debug)]
struct Wanted {
    job: JobId,
    what: Purpose,
    since: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Found,
    Decide,
    TakeOver,
    /// Whether this host still coordinates.
    Ask,
    Exchange,
    /// An operator has given the majority up.
    Force,
}

impl Keeper {
    pub fn recover(
        id: HostId,
        settings: &Settings,
        seed: u64,
        rows: BTreeMap<JobId, RegisterRow>,
        now: Moment,
    ) -> Self {
        let me = Replica {
            host: id,
            epoch: settings.store_epoch,
        };
        let times = kerf_register::Settings {
            resend: settings.resend,
            ..kerf_register::Settings::default()
        };
        // Whoever coordinates them may have died long before this host began: nothing that was heard before counts.
        let watch = |(job, row): (&JobId, &RegisterRow)| {
            let accepted = row.accepted.as_ref();
            let era = accepted.map_or(0, |accepted| accepted.state.config.era());
            (*job, Watched::new(now).told_until(era))
        };
        Self {
            watched: rows.iter().map(watch).collect(),
            registers: Registers::recover(me, times, seed ^ 0x5eed, rows),
            standing: BTreeMap::new(),
            unsure: BTreeMap::new(),
            wants: BTreeMap::new(),
            count: 0,
        }
    }

    /// Jobs of which this host does not know yet whether it still coordinates them.
    pub fn unsure(&self) -> impl Iterator<Item = &JobRow> {
        self.unsure.values()
    }

    /// What a register holds, as far as the replica here knows.
    fn kept(&self, job: JobId) -> Option<&Kept> {
        let row = self.registers.row(job)?;
        Some(&row.accepted.as_ref()?.state.value)
    }

    /// Registers that are over and that not everybody has forgotten yet, with their last values.
    pub fn ended(&self) -> Vec<(JobId, Kept)> {
        let over = self.registers.rows().filter(|(_, row)| row.is_over);
        let last =
            over.filter_map(|(job, row)| Some((job, row.accepted.as_ref()?.state.value.clone())));
        last.collect()
    }

    /// What was decided last, of a job that this host coordinates.
    pub fn decision(&self, job: JobId) -> Option<Decision> {
        Some(self.standing.get(&job)?.decision)
    }

    /// Whether the register owes an answer.
    pub fn is_pending(&self, job: JobId) -> bool {
        self.standing.get(&job).is_some_and(|one| one.pending)
    }

    pub fn wakeup(
        &self,
        core_wakeup: impl Fn(JobId, &Watched) -> Option<Moment>,
    ) -> Option<Moment> {
        let registers = self.registers.next_wakeup();
        let leads = self.standing.values().map(|one| one.next_lead);
        let watched = self.watched.iter();
        let watched = watched.filter_map(|(job, watched)| core_wakeup(*job, watched));
        registers.into_iter().chain(leads).chain(watched).min()
    }
}

impl Watched {
    fn new(now: Moment) -> Self {
        Self {
            heard: now,
            trying: false,
            cancelled: false,
            era: 0,
            vouched: (Term::NONE, 0, 0),
        }
    }
}

impl<F: Faults> Core<F> {
    /// Jobs that this host keeps with others, with what its replica of the register holds. It need not be agreed on.
    pub fn kept(&self) -> impl Iterator<Item = (JobId, &Kept)> {
        let rows = self.keeper.registers.rows().filter(|(_, row)| !row.is_over);
        rows.filter_map(|(job, row)| Some((job, &row.accepted.as_ref()?.state.value)))
    }

    /// The hosts that keep a job, as the replica here knows them; none where one alone does.
    pub fn keepers(&self, job: JobId) -> Vec<HostId> {
        let row = self.keeper.registers.row(job);
        let accepted = row.and_then(|row| row.accepted.as_ref());
        let voters = accepted.map(|accepted| accepted.state.config.voters());
        let voters = voters.unwrap_or_default();
        voters.into_iter().map(|replica| replica.host).collect()
    }

    /// The host that a job was submitted to, where this one keeps it with others.
    pub fn home_of(&self, job: JobId) -> Option<HostId> {
        let row = self.keeper.registers.row(job)?;
        Some(row.root.host)
    }

    /// What the register of a job waits for, where it has no majority.
    pub fn register_waits(&self, now: Moment, job: JobId) -> Option<Waiting> {
        self.keeper.registers.waiting(now, job)
    }

    /// Hosts that shall keep a job that is submitted here: this one, and those that have least to do of the others;
    /// `None` where there are too few.
    pub(super) fn choose_keepers(&mut self) -> Option<Vec<Replica>> {
        if self.settings.store_epoch == 0 || self.settings.alone {
            return None;
        }
        let knows = |(id, host): (HostId, &crate::fleet::FleetHost)| {
            let is_here = id == self.id || host.liveness != Liveness::Alive;
            is_here || host.model.record().keeps_jobs
        };
        if !self.fleet.iter().all(knows) {
            // A host of the version before follows nobody but whom it knew first: a member there would have no successor.
            return None;
        }
        let others = self.candidates(&[]);
        let mut set = vec![self.keeper.registers.me()];
        set.extend(others.into_iter().take(KEEPERS - 1));
        (set.len() == KEEPERS).then_some(set)
    }

    /// Hosts that could keep a job, in an order that differs each time.
    fn candidates(&mut self, without: &[HostId]) -> Vec<Replica> {
        let mut there = self.able(without);
        for at in (1..there.len()).rev() {
            there.swap(at, self.rng.index(at + 1));
        }
        there
    }

    /// The same in the order of their ids.
    fn able(&self, without: &[HostId]) -> Vec<Replica> {
        let there = self.fleet.iter().filter(|(id, host)| {
            let can = host.liveness == Liveness::Alive && host.model.record().keeps_jobs;
            can && *id != self.id && !without.contains(id)
        });
        let replica = |(id, host): (HostId, &crate::fleet::FleetHost)| Replica {
            host: id,
            epoch: host.model.record().version.epoch.into(),
        };
        there.map(replica).collect()
    }

    /// Puts a new job to its keepers.
    pub(super) fn found(&mut self, now: Moment, job: &Job, set: Vec<Replica>) {
        let value = Kept::submitted(job.saved_row(), self.id);
        let id = job.row.job;
        self.keeper.watched.insert(id, Watched::new(now));
        self.want(now, id, Purpose::Found, Want::Found { set, value });
        // Its own replica has it at once; that it is agreed on, the answer says.
        let row = self.keeper.registers.row(id);
        let accepted = row.and_then(|row| row.accepted.as_ref());
        if let Some(origin) = accepted.map(|accepted| accepted.state.origin) {
            let standing =
                Standing::new(origin, Decision::Open(job.row.attempt), job.row.term, now);
            self.keeper.standing.insert(id, standing);
        }
    }

    /// Puts a decision to a register that several hold. Its answer comes as [`Held::Answered`].
    pub(super) fn propose_shared(&mut self, now: Moment, job: &Job, next: Decision, retire: bool) {
        let id = job.row.job;
        let Some(standing) = self.keeper.standing.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut standing.pending, true) {
            return;
        }
        let expected = standing.origin;
        let value = Kept {
            row: job.saved_row(),
            decision: next,
            term: standing.term,
            coordinator: self.id,
        };
        let want = Want::Set {
            expected,
            value,
            retire,
        };
        self.want(now, id, Purpose::Decide, want);
    }

    /// After a crash: whether this host still coordinates a job, only its register knows.
    pub(super) fn ask_whether_it_coordinates(&mut self, now: Moment, row: JobRow) {
        if F::RESUME_UNASKED {
            let state = self.keeper.registers.row(row.job);
            let state = state.and_then(|one| Some(one.accepted.as_ref()?.state.clone()));
            if let Some(state) = state {
                self.keeper.unsure.insert(row.job, row.clone());
                self.resume(now, row, state, now);
            }
            return;
        }
        let job = row.job;
        self.keeper.unsure.insert(job, row);
        self.want(now, job, Purpose::Ask, Want::Read);
    }

    fn want(&mut self, now: Moment, job: JobId, what: Purpose, want: Want<Kept>) {
        self.keeper.count += 1;
        let number = self.keeper.count;
        let wanted = Wanted {
            job,
            what,
            since: now,
        };
        self.keeper.wants.insert(number, wanted);
        let key = job;
        self.step_registers(now, ToRegister::Want { key, number, want });
    }

    /// Hands something to the registers, and lines up what they want done.
    pub(super) fn step_registers(&mut self, now: Moment, input: ToRegister<JobId, Kept>) {
        let mut out = Vec::new();
        self.keeper.registers.step(now, input, &mut out);
        for output in out {
            match output {
                FromRegister::Persist { batch, changes } => {
                    for change in changes {
                        self.outbox.save(match change {
                            kerf_register::Change::Put(job, row) => Change::PutRegister(job, row),
                            kerf_register::Change::Drop(job) => Change::DropRegister(job),
                        });
                    }
                    self.outbox.hold(Held::RegisterDurable(batch));
                }
                FromRegister::Send { to, message } => {
                    let message = Box::new(KeeperMessage::Register(message));
                    self.outbox
                        .hold(Held::Out(Output::ToKeeper { to, message }));
                }
                FromRegister::Answer(answer) => {
                    self.outbox.hold(Held::Answered(Box::new(answer)));
                }
                FromRegister::Changed(job) => self.replica_changed(now, job),
                FromRegister::Over { key, last } => self.over(key, &last.value),
            }
        }
    }
}

impl Standing {
    fn new(origin: Ballot, decision: Decision, term: Term, now: Moment) -> Self {
        Self {
            origin,
            decision,
            term,
            pending: true,
            exchanging: false,
            base: Moment(0),
            follows: BTreeMap::new(),
            next_lead: now,
        }
    }
}
