//! What the submitting host does as time passes.

use kerf_types::job::{JobState, OnPartition};
use kerf_types::{JobId, Moment};

use super::runs::after;
use crate::core::job::{Job, Phase, Slot, SlotState};
use crate::core::register::Decision;
use crate::core::saved::{Next, Outcome};
use crate::core::settings::PLANS_PER_STEP;
use crate::core::{Core, Faults};

impl<F: Faults> Core<F> {
    /// When a job needs a step although nothing happens.
    pub(in crate::core) fn job_wakeup(&self, job: &Job) -> Option<Moment> {
        let settings = &self.settings;
        let owed = |state: &SlotState| match job.phase {
            Phase::Reserving => *state == SlotState::Asked,
            Phase::Confirming => *state == SlotState::Held,
            Phase::Going => *state == SlotState::Starting,
            Phase::Closing(_) => *state != SlotState::Closed,
            Phase::Open | Phase::Deciding => false,
        };
        let owing = job.slots.iter().filter(|slot| owed(&slot.state));
        let sends = owing.map(|slot| slot.next_send).min();
        let own = match &job.phase {
            Phase::Open => self.may_plan(job).then_some(job.retry_at),
            Phase::Reserving => Some(self.reserve_ends(job)),
            Phase::Deciding => None,
            Phase::Confirming if job.inherited => self.silence_ends(job),
            Phase::Confirming => Some(job.since.after(settings.ttl)),
            Phase::Going => self
                .silence_ends(job)
                .into_iter()
                .chain(self.asks_at(job))
                .min(),
            Phase::Closing(closing) if closing.started => {
                let by_time = job.slots.iter().filter_map(|slot| self.gone_at(job, slot));
                by_time.min()
            }
            Phase::Closing(_) => Some(job.since.after(settings.release_wait)),
        };
        sends.into_iter().chain(own).min()
    }

    pub(in crate::core) fn jobs_tick(&mut self, now: Moment) {
        let due: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, job)| self.job_wakeup(job).is_some_and(|wakeup| wakeup <= now))
            .map(|(id, _)| *id)
            .collect();
        let mut plans = 0;
        self.more_to_plan = false;
        for id in due {
            let open = self
                .jobs
                .get(&id)
                .is_some_and(|job| job.phase == Phase::Open);
            if open && plans >= PLANS_PER_STEP {
                self.more_to_plan = true;
                continue;
            }
            plans += usize::from(open);
            self.with_job(id, |core, job| core.job_tick(now, job));
        }
    }

    fn job_tick(&mut self, now: Moment, job: &mut Job) {
        let settings = self.settings;
        match &job.phase {
            Phase::Open => self.plan(now, job),
            Phase::Deciding => {}
            Phase::Reserving if now >= self.reserve_ends(job) => self.reserve_late(now, job),
            Phase::Confirming | Phase::Going
                if (job.inherited || job.phase == Phase::Going)
                    && self.silence_ends(job).is_some_and(|end| end <= now) =>
            {
                self.lose(now, job);
            }
            Phase::Confirming if !job.inherited && now >= job.since.after(settings.ttl) => {
                self.give_up(now, job, "did not confirm in time");
            }
            Phase::Reserving => {
                self.look_again(now, job);
                self.send_due(now, job);
            }
            Phase::Confirming | Phase::Going => self.send_due(now, job),
            Phase::Closing(_) => self.closing_tick(now, job),
        }
    }

    /// Whether the register has opened the attempt.
    fn may_plan(&self, job: &Job) -> bool {
        let opened = self.decision(&job.row) == Some(Decision::Open(job.row.attempt));
        !job.row.term.is_shared() || (opened && !self.keeper.is_pending(job.row.job))
    }

    /// Not all have answered: the attempt is over, and those who have not are left out for a while.
    pub(super) fn give_up(&mut self, now: Moment, job: &mut Job, why: &str) {
        let late = match job.phase {
            Phase::Reserving => SlotState::Asked,
            _ => SlotState::Held,
        };
        let slots = job.slots.iter().filter(|slot| slot.state == late);
        let hosts: Vec<_> = slots.map(|slot| slot.host).collect();
        let names: Vec<String> = hosts.iter().map(|host| self.name_of(*host)).collect();
        for host in hosts {
            job.avoid(host, now, why, None);
        }
        let why = format!("{} {why}", names.join(", "));
        self.close(now, job, Next::Again, &why);
    }

    /// When the silence of an owner means that its member is lost; never under `on_partition: continue`, and
    /// never for this host itself.
    fn silence_ends(&self, job: &Job) -> Option<Moment> {
        if job.row.spec.on_partition == OnPartition::Continue {
            return None;
        }
        let remote = job.slots.iter().filter(|slot| slot.host != self.id);
        let held = |slot: &&Slot| job.inherited && slot.state == SlotState::Held;
        let live = remote.filter(|slot| slot.state.may_live() || held(slot));
        live.map(|slot| slot.heard.after(self.settings.stop_after))
            .min()
    }

    /// When a silent member is asked about that runs under `on_partition: continue`. Its owner may have lost its store
    /// and say nothing by itself, and nobody else can tell that nothing of the member is left.
    fn asks_at(&self, job: &Job) -> Option<Moment> {
        let slots = job.slots.iter();
        slots.filter_map(|slot| self.asks_slot_at(job, slot)).min()
    }

    /// The same for one member.
    pub(super) fn asks_slot_at(&self, job: &Job, slot: &Slot) -> Option<Moment> {
        let kept_on = job.row.spec.on_partition == OnPartition::Continue;
        let asks = kept_on && slot.state == SlotState::Running && !F::NEVER_ASK;
        let silent = slot.heard.after(self.settings.stop_after);
        asks.then(|| silent.max(slot.next_send))
    }

    fn lose(&mut self, now: Moment, job: &mut Job) {
        let end = |heard: Moment| heard.after(self.settings.stop_after);
        let lost = job.slots.iter().find(|slot| {
            let held = job.inherited && slot.state == SlotState::Held;
            (held || slot.state.may_live()) && slot.host != self.id && end(slot.heard) <= now
        });
        let Some(host) = lost.map(|slot| slot.host) else {
            return;
        };
        let why = format!("{} does not answer", self.name_of(host));
        let outcome = Outcome {
            state: JobState::Lost,
            exit_code: None,
            reason: why.clone(),
        };
        let next = after(job, true, outcome);
        self.close(now, job, next, &why);
    }
}
