//! From an open attempt to reservations at the owners, and to the decision.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::Moment;
use kerf_types::peer::{Body, MemberAsk};

use super::gang::port_of;
use crate::core::job::{Job, Phase, SlotState};
use crate::core::register::Decision;
use crate::core::{Core, Faults};
use crate::place::{Claim, Wish, place};

impl<F: Faults> Core<F> {
    /// Places an open job on what is known of the fleet.
    pub(super) fn plan(&mut self, now: Moment, job: &mut Job) {
        job.last_try = now;
        let keep = self.settings.backoff_most;
        self.forget_old_noes(now, job);
        let claims = self.claims();
        let wish = Wish {
            spec: &job.row.spec,
            local: self.id,
            now,
            stale_after: self.settings.stale_after,
            avoid: &job.avoid,
            claims: &claims,
        };
        match place(&mut self.fleet, &wish, &mut self.rng) {
            Ok(placement) => {
                job.explanation = Some(Arc::new(placement.explanation));
                job.reason = "its devices are being reserved".to_owned();
                let ordered = self.is_due_in_order(now, job);
                self.reserve_at(now, job, placement.members, ordered);
            }
            Err(explanation) => {
                let Some(explanation) = self.line_up(now, job, explanation) else {
                    return;
                };
                job.reason = explanation.summary();
                job.explanation = Some(Arc::new(explanation));
                job.waiting = true;
                job.retry_at = now.after(keep);
            }
        }
    }

    /// What hosts said long ago, or before they told something new, does not count.
    pub(super) fn forget_old_noes(&self, now: Moment, job: &mut Job) {
        let keep = self.settings.backoff_most;
        let version = |host| Some(self.fleet.get(host)?.model.record().version);
        let holds = |host, seen: Option<_>| seen.is_none() || seen == version(host);
        job.avoid
            .retain(|host, said| now.since(said.when) < keep && holds(*host, said.seen));
    }

    /// What other jobs of this host have asked for and records do not show yet.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for job in self.jobs.values() {
            for slot in &job.slots {
                let shown = self
                    .fleet
                    .get(slot.host)
                    .is_none_or(|host| host.model.record().version != slot.planned_on);
                let nothing = match slot.state {
                    SlotState::Closed | SlotState::Ended(_) | SlotState::Later => true,
                    // It waits in line, and is given nothing yet.
                    SlotState::Asked => job.ordered && slot.picks.is_empty(),
                    _ => false,
                };
                if !shown && !nothing {
                    claims.push(Claim {
                        host: slot.host,
                        ask: MemberAsk::of(&job.row.spec),
                        picks: slot.picks.clone(),
                        labels: job.row.spec.labels.clone(),
                    });
                }
            }
        }
        claims
    }

    /// All are held: the attempt is put to its register. What is promised is saved with it.
    pub(super) fn decide(&mut self, now: Moment, job: &mut Job) {
        job.reason = "its devices are reserved".to_owned();
        Self::tell_its_turn(job);
        job.enter(Phase::Deciding, now);
        self.save_job(job);
        self.propose(now, job, Decision::Committed(job.row.attempt));
    }

    /// All have confirmed: from here on members start.
    pub(in crate::core) fn go(&mut self, now: Moment, job: &mut Job) {
        for slot in &mut job.slots {
            // Of one that was taken over, a member may have ended before.
            if !matches!(slot.state, SlotState::Ended(_)) {
                slot.state = SlotState::Starting;
            }
            slot.heard = now;
        }
        job.reason = "its containers are being made".to_owned();
        job.rounds = 0;
        job.waits_since = None;
        job.enter(Phase::Going, now);
        if !F::GO_UNSAVED {
            self.save_job(job);
        }
        self.send_due(now, job);
        if std::mem::take(&mut job.inherited) {
            self.look_at_ends(now, job);
        }
    }

    /// Asks every owner again that owes an answer.
    pub(in crate::core) fn send_due(&mut self, now: Moment, job: &mut Job) {
        let (resend, rarely) = (self.settings.resend, self.settings.stop_after);
        let turn = Self::turn_of(job);
        let term = job.row.term;
        let may_speak = self.may_speak(now, job.row.job, term);
        let reserved_for = self.reserved_for(job);
        let keepers = match job.phase {
            Phase::Reserving => self.keepers(job.row.job),
            _ => Vec::new(),
        };
        for member in 0..job.slots.len() {
            let tag = job.tag(member);
            let slot = job.slots.get(member);
            let asks = slot.and_then(|slot| self.asks_slot_at(job, slot));
            let Some(slot) = job.slots.get_mut(member) else {
                continue;
            };
            if slot.next_send > now {
                continue;
            }
            let body = match (&job.phase, &slot.state, slot.grant) {
                (Phase::Reserving, SlotState::Asked, _) => Body::Reserve {
                    spec_hash: job.row.spec_hash,
                    ask: MemberAsk::of(&job.row.spec),
                    ttl: reserved_for,
                    master_port: port_of(job.row.gang.as_deref(), tag),
                    turn: Some(turn),
                    keepers: keepers.clone(),
                },
                (Phase::Confirming, SlotState::Held, Some(grant)) if may_speak => {
                    Body::Confirm(grant)
                }
                (Phase::Going, SlotState::Starting, _) if may_speak => Body::Start {
                    spec_hash: job.row.spec_hash,
                    spec: Arc::clone(&job.row.spec),
                    by: job.row.by,
                    gang: job.row.gang.clone(),
                },
                (Phase::Going, SlotState::Running, _) if asks.is_some_and(|at| at <= now) => {
                    Body::Query
                }
                (Phase::Closing(_), state, _) if *state != SlotState::Closed => Body::Release,
                (Phase::Confirming, SlotState::Held, Some(_))
                | (Phase::Going, SlotState::Starting, _) => {
                    // As soon as a majority of the keepers has said that this host coordinates.
                    slot.next_send = now.after(resend);
                    continue;
                }
                _ => continue,
            };
            let wait = match body {
                Body::Query => rarely,
                _ => resend,
            };
            slot.next_send = now.after(wait);
            self.outbox.send_as(slot.host, tag, term, body);
        }
    }

    /// How long owners hold a reservation when nobody is heard of: of a job that several keep long enough for a successor
    /// to come. It lies idle meanwhile, and is counted as in doubt.
    fn reserved_for(&self, job: &Job) -> Duration {
        if job.row.term.is_shared() {
            return self.settings.stop_after.max(self.settings.ttl);
        }
        self.settings.ttl
    }

    /// The pause before the next attempt: it doubles with each refusal and is never quite the same.
    pub(super) fn pause(&mut self, rounds: u32) -> Duration {
        let first = self.settings.backoff_first;
        let doubled = first.saturating_mul(1_u32.checked_shl(rounds.min(16)).unwrap_or(u32::MAX));
        let most = doubled.min(self.settings.backoff_most);
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(most_ms / 2 + self.rng.below(most_ms / 2 + 1))
    }
}
