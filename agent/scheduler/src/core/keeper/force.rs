//! What an operator does for a job whose keepers are lost: those that are left go on with others, by force.
//!
//! ```text
//!   (a majority is lost) ──force──► its register has another set ──► the host that forced it takes the job over
//! ```
//! What the lost ones may have agreed on meanwhile is given up with them. So a forced register has terms above all that
//! they can have reached ([`Term::least_after`]), and whoever learns of a force says so ([`Output::Forced`]).

use std::collections::BTreeSet;

use kerf_register::{Input as ToRegister, Replica, State, Want};
use kerf_types::peer::Term;
use kerf_types::{HostId, JobId, Moment};

use super::{Purpose, Watched};
use crate::core::io::Output;
use crate::core::kept::Kept;
use crate::core::outbox::Held;
use crate::core::saved::Change;
use crate::core::settings::KEEPERS;
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

/// What a force comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcePlan {
    /// The hosts that keep the job from then on, the one that is asked among them.
    pub keepers: Vec<HostId>,
    /// Those that no longer do.
    pub given_up: Vec<HostId>,
    set: Vec<Replica>,
}

/// Why a register is not forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForceRefusal {
    /// The host that was asked does not keep the job with others, or it has ended.
    NotKept,
    /// No host was named that is to be given up.
    Nobody,
    /// This one does not keep the job.
    NoKeeper(HostId),
    /// This one is asked to give itself up.
    Itself,
    /// This one lives and has what it agreed on.
    Alive(HostId),
    /// The keepers that are left are a majority and need no force: dead ones are exchanged without.
    Majority {
        /// Those that are left.
        left: usize,
        /// All of them.
        of: usize,
    },
}

impl<F: Faults> Core<F> {
    /// What it would come to if these keepers of a job were given up here and now.
    pub fn force_plan(&self, job: JobId, give_up: &[HostId]) -> Result<ForcePlan, ForceRefusal> {
        let row = self.keeper.registers.row(job).filter(|row| !row.is_over);
        let accepted = row.and_then(|row| row.accepted.as_ref());
        let config = &accepted.ok_or(ForceRefusal::NotKept)?.state.config;
        let voters = config.voters();
        if !voters.contains(&self.keeper.registers.me()) {
            // It was one once, and another stands for it: what it knows may be old.
            return Err(ForceRefusal::NotKept);
        }
        if give_up.is_empty() {
            return Err(ForceRefusal::Nobody);
        }
        for host in give_up {
            let replica = voters.iter().find(|one| one.host == *host);
            let replica = replica.ok_or(ForceRefusal::NoKeeper(*host))?;
            if *host == self.id {
                return Err(ForceRefusal::Itself);
            }
            if self.is_there(*replica) {
                return Err(ForceRefusal::Alive(*host));
            }
        }
        let stays = |one: &Replica| !give_up.contains(&one.host);
        let left: BTreeSet<Replica> = voters.iter().copied().filter(stays).collect();
        if config.has_quorum(stays) {
            return Err(ForceRefusal::Majority {
                left: left.len(),
                of: voters.len(),
            });
        }
        let known: Vec<HostId> = config.named().iter().map(|one| one.host).collect();
        let missing = KEEPERS.saturating_sub(left.len());
        let others = self.able(&known).into_iter().take(missing);
        let set: Vec<Replica> = left.into_iter().chain(others).collect();
        Ok(ForcePlan {
            keepers: set.iter().map(|one| one.host).collect(),
            given_up: give_up.to_vec(),
            set,
        })
    }

    /// Whether a replica can be asked: its host answers, and has the store that it had.
    pub(super) fn is_there(&self, replica: Replica) -> bool {
        let known = self.fleet.get(replica.host);
        let epoch = known.map(|host| u64::from(host.model.record().version.epoch));
        self.fleet.liveness(replica.host) == Liveness::Alive && epoch == Some(replica.epoch)
    }

    /// An operator gives keepers up. Whatever waited for a majority of them is let go: the register says what it holds
    /// when it has the others.
    pub(in crate::core) fn force(&mut self, now: Moment, job: JobId, give_up: &[HostId]) {
        let Ok(plan) = self.force_plan(job, give_up) else {
            return;
        };
        self.step_registers(now, ToRegister::Abandon { key: job });
        self.keeper.wants.retain(|_, wanted| wanted.job != job);
        if let Some(standing) = self.keeper.standing.get_mut(&job) {
            standing.pending = true;
        }
        if let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.trying = true;
        }
        let set = plan.set;
        self.want(now, job, Purpose::Force, Want::Force { set });
    }

    /// Whether whoever coordinates by this state can be below what was agreed on by those that were given up.
    pub(super) fn is_outranked(state: &State<Kept>) -> bool {
        !F::KEEP_TERM_WHEN_FORCED && state.value.term < Term::least_after(state.config.era())
    }

    /// The register was forced: who forced it, or coordinated the job before, sets out anew with a term that is above
    /// all that was. Others watch, as ever.
    pub(super) fn forced(&mut self, now: Moment, job: JobId, since: Moment, state: State<Kept>) {
        let by = state.config.forced.last().map(|forced| forced.by.host);
        let own = by == Some(self.id) || state.value.coordinator == self.id;
        if let Some(watched) = self.keeper.watched.get_mut(&job) {
            watched.trying = false;
            watched.heard = now;
        }
        if !own || !Self::is_outranked(&state) {
            return self.stands(now, job, since, state);
        }
        let coordinated = self.keeper.standing.remove(&job).is_some()
            | self.keeper.unsure.remove(&job).is_some()
            | self.jobs.remove(&job).is_some();
        if coordinated {
            self.outbox.save(Change::LeaveJob(job));
        }
        self.take_over(now, job);
    }

    /// Says of a register that was forced what is known of it, once for each force.
    pub(super) fn tell_forced(&mut self, job: JobId) {
        let row = self.keeper.registers.row(job);
        let Some(config) = row.and_then(|row| Some(&row.accepted.as_ref()?.state.config)) else {
            return;
        };
        let Some(watched) = self.keeper.watched.get_mut(&job) else {
            return;
        };
        let told = usize::try_from(watched.era).unwrap_or(usize::MAX);
        watched.era = config.era();
        for forced in config.forced.iter().skip(told) {
            let given_up = forced.given_up.iter().map(|one| one.host).collect();
            self.outbox.hold(Held::Out(Output::Forced {
                job,
                by: forced.by.host,
                given_up,
            }));
        }
    }
}

impl Watched {
    /// How often the register of a job was forced, as far as was told here.
    pub(super) fn told_until(mut self, era: u32) -> Self {
        self.era = era;
        self
    }
}
