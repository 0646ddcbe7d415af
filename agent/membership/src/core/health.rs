//! Local health: a host that hears badly, or is late, doubts itself before it accuses others.
//!
//! The score of Lifeguard (Dadgar, Phillips and Currey, "Lifeguard: local health awareness for more accurate failure
//! detection", 2018), 0 for a host that is well. All that foca sets for a probe, and the time that a suspect of ours
//! has, is stretched by it.
//!
//! | what | score |
//! |---|---|
//! | a probe was answered | -1 |
//! | a probe was not, and of the helpers more than half said nothing, neither an answer nor that they got none | + as many as are beyond half |
//! | nobody who could say so was asked, and nothing at all was heard in the meantime | +1 |
//! | a timer of a probe was late by more than an answer may take | +1 |
//! | this host had to say that it lives | +1, up to 2 |
//!
//! A target that keeps silent moves nothing: its helpers say so. A helper that keeps silent is one against four. What
//! others merely say of this host moves little, since that is all that a liar needs.

use foca::{Message as SwimMessage, Timer};
use kerf_types::HostId;

use super::Core;
use crate::swim::Outcome;
use crate::timers::Task;
use crate::wire::{Message, Silent};
use crate::{Faults, Identity, Moment, Output};

/// The worst score: probes and suspicions then take nine times as long. Lifeguard's own bound.
const WORST: u8 = 8;

/// The worst that others' suspicions of this host make of it by themselves.
const WORST_BY_WORD: u8 = 2;

/// How often in a row the end of a probe waits for answers that lie unread, after this host was late. After that
/// it is judged: a host that is always late must still see the dead.
const HOLDS: u8 = 3;

/// Probes for others that this host keeps in mind. An honest fleet asks for a handful at a time.
const MOST_HELPED: usize = 256;

/// With fewer others silence says nothing of this host: the one that is dead may be all that would be heard.
const ENOUGH_OTHERS: usize = 3;

/// The score, and what it is made of in the present probe.
#[derive(Debug, Default)]
pub(super) struct Health {
    score: u8,
    /// A probe is under way.
    probing: bool,
    /// Who was asked to help and would say that it got no answer; those that said so are gone from it.
    asked: Vec<HostId>,
    asked_in_all: usize,
    /// What they were asked.
    question: Option<Silent>,
    /// A datagram of a member came since the probe began.
    pub heard: bool,
    holds: u8,
    /// Whom this host probes for others, and that it will have to tell: origin and question.
    helps: Vec<(HostId, Silent)>,
}

impl Health {
    fn worse(&mut self, by: usize) {
        let by = u8::try_from(by).unwrap_or(WORST);
        self.score = self.score.saturating_add(by).min(WORST);
    }

    /// A helper got no answer either, and we hear it: we are not deaf.
    pub fn helper_heard(&mut self, helper: HostId, silent: Silent) {
        if self.question == Some(silent) {
            self.asked.retain(|asked| *asked != helper);
        }
    }

    fn begin(&mut self) {
        self.probing = true;
        self.asked.clear();
        self.asked_in_all = 0;
        self.question = None;
        self.heard = false;
    }
}

impl<F: Faults> Core<F> {
    /// How unwell this host is: 0 is well, 8 the worst.
    pub fn health_score(&self) -> u8 {
        if F::NO_LOCAL_HEALTH {
            0
        } else {
            self.health.score
        }
    }

    /// A delay as it is for a host that is as well as this one.
    fn stretched(&self, ms: u64) -> u64 {
        ms.saturating_mul(u64::from(self.health_score()) + 1)
    }

    /// The delay of a timer of SWIM. Both of a probe are stretched alike, so that their order stays.
    pub(super) fn scaled(&self, timer: &Timer<Identity>, after_ms: u64) -> u64 {
        match timer {
            Timer::ProbeRandomMember(_) | Timer::SendIndirectProbe { .. } => {
                self.stretched(after_ms)
            }
            _ => after_ms,
        }
    }

    /// Time in which this host stood still is nobody else's silence: suspects get it back.
    pub(super) fn look_at_lateness(&mut self) {
        let late = self.timers.next().map_or(0, |due| self.now.since(due));
        if late > self.timing.probe_rtt_ms && !F::NO_LOCAL_HEALTH {
            self.give_suspects(late);
        }
    }

    /// A host that was late reads what came before it judges a probe: the answer may lie in its socket.
    pub(super) fn hold_late_probe(
        &mut self,
        due: Moment,
        timer: Timer<Identity>,
    ) -> Option<Timer<Identity>> {
        if !matches!(timer, Timer::ProbeRandomMember(_)) || F::NO_LOCAL_HEALTH {
            return Some(timer);
        }
        if self.now.since(due) <= self.timing.probe_rtt_ms {
            self.health.holds = 0;
            return Some(timer);
        }
        self.health.worse(1);
        if self.health.holds >= HOLDS {
            self.health.holds = 0;
            return Some(timer);
        }
        self.health.holds += 1;
        // Long enough for helpers that are only asked now.
        let wait = self.timing.probe_period_ms.saturating_sub(1).max(1);
        self.timers.set(self.now.plus(wait), Task::Swim(timer));
        None
    }

    /// Looks at what SWIM made of a timer: whom it asked, and how its last probe ended.
    pub(super) fn judge_probe(&mut self, ends_probe: bool, outcome: &Outcome) {
        if !ends_probe {
            for (helper, message) in &outcome.messages {
                if let SwimMessage::PingReq {
                    target,
                    probe_number,
                } = &message.message
                {
                    self.asked_for_help(helper.host, target.host, *probe_number);
                }
            }
            return;
        }
        let is_accusation =
            |timer: &Timer<Identity>| matches!(timer, Timer::ChangeSuspectToDown { .. });
        let failed = outcome.timers.iter().any(|(_, timer)| is_accusation(timer));
        if failed {
            let missed = self.health.asked.len();
            let half = self.health.asked_in_all / 2;
            if self.health.asked_in_all > 0 {
                self.health.worse(missed.saturating_sub(half));
            } else if !self.health.heard && self.view.len() >= ENOUGH_OTHERS {
                self.health.worse(1);
            }
        } else if self.health.probing {
            self.health.score = self.health.score.saturating_sub(1);
        }
        self.health.probing = false;
        if let Some(end) = self.probes.end() {
            *self.stats.probes.entry(end).or_default() += 1;
        }
        for (target, message) in &outcome.messages {
            if let SwimMessage::Ping(number) = message.message {
                self.health.begin();
                self.probes.begin(target.host, number);
            }
        }
    }

    fn asked_for_help(&mut self, helper: HostId, target: HostId, probe_number: u8) {
        self.health.question = Some(Silent {
            target,
            probe_number,
        });
        if self.reads(helper, 2) {
            self.health.asked.push(helper);
            self.health.asked_in_all += 1;
        }
    }

    /// Where this host's refutation number has grown, it had to say that it lives: perhaps it did not hear that it
    /// was asked.
    pub(super) fn look_at_refutation(&mut self, before: u16) {
        if self.swim.refutation > before && self.health.score < WORST_BY_WORD {
            self.health.worse(1);
        }
    }

    /// Notes that another has us probe somebody, and that an answer came.
    pub(super) fn look_at_help(&mut self, from: HostId, message: &SwimMessage<Identity>) {
        match message {
            SwimMessage::PingReq {
                target,
                probe_number,
            } if self.reads(from, 2) && self.health.helps.len() < MOST_HELPED => {
                let silent = Silent {
                    target: target.host,
                    probe_number: *probe_number,
                };
                self.health.helps.push((from, silent));
                let at = self.now.plus(self.timing.probe_rtt_ms * 4 / 5);
                self.timers.set(at, Task::Silent(from, silent));
            }
            SwimMessage::IndirectAck {
                target,
                probe_number,
            } => {
                let silent = Silent {
                    target: from,
                    probe_number: *probe_number,
                };
                let origin = target.host;
                self.health.helps.retain(|help| *help != (origin, silent));
            }
            _ => {}
        }
    }

    /// No answer came in time: whoever had us ask hears that from us.
    pub(super) fn tell_silent(&mut self, origin: HostId, silent: Silent, out: &mut Vec<Output>) {
        let helps = &mut self.health.helps;
        let Some(place) = helps.iter().position(|help| *help == (origin, silent)) else {
            return;
        };
        helps.swap_remove(place);
        self.send_to_host(origin, &Message::Silent(silent), out);
    }
}
