//! Liveness: what passes between SWIM and the view.

use foca::{Message as SwimMessage, State as SwimState, Timer};
use kerf_types::HostId;

use super::Core;
use crate::swim::{Finding, Outcome};
use crate::timers::Task;
use crate::wire::{Header, Message, Peer, Swim};
use crate::{Change, DropReason, Faults, Identity, Moment, Output};

/// A host that keeps being held for dead comes back after this time, doubled with each try, and at most after
/// [`RENEW_WAIT_LIMIT_MS`]: somebody may be lying, and renewals are told to the whole fleet.
const RENEW_WAIT_MS: u64 = 1_000;
const RENEW_WAIT_LIMIT_MS: u64 = 60_000;

/// How many hosts SWIM may remember for each that the view may hold.
const DEAD_PER_HOST: usize = 4;

/// When this host last came back, and how long the next time would wait.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    last: Option<Moment>,
    wait_ms: u64,
    is_set: bool,
}

impl<F: Faults> Core<F> {
    pub(super) fn swim_message(
        &mut self,
        header: &Header,
        mut swim: Swim,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        let sender = swim
            .sender
            .clone()
            .into_identity(header.sender, header.life);
        if self.contradicts(&sender) {
            return Err(DropReason::Contradiction);
        }
        if self.is_full_for(sender.host) {
            self.stats.members_refused += 1;
            return Err(DropReason::Busy);
        }
        self.is_for_us(&swim, &sender, out)?;
        if let SwimMessage::PingReq { target, .. } | SwimMessage::IndirectAck { target, .. } =
            &swim.message
            && !self.is_living(target)
        {
            // Passing it on would send to an address that only the sender vouches for.
            return Err(DropReason::Stranger);
        }
        swim.updates = self.believable(swim.updates)?;
        self.look_at_help(sender.host, &swim.message);
        self.probes.hear(sender.host, &swim.message);
        let mut touched = self.touched(&swim.updates);
        if self.is_suspect(sender.host) {
            touched.push(sender.host);
        }
        let before = self.swim.refutation;
        let (accepted, outcome) = self.swim.receive(header.sender, header.life, swim);
        self.look_at_refutation(before);
        self.absorb(outcome, out);
        self.look_at_suspects(&touched, out);
        if accepted {
            Ok(())
        } else {
            Err(DropReason::Swim)
        }
    }

    /// A message for an earlier life of ours comes from a host that has not heard of this one: it is told.
    fn is_for_us(
        &mut self,
        swim: &Swim,
        sender: &Identity,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        let (host, life) = swim.to;
        let me = self.me();
        if host != me.host {
            return Err(DropReason::NotForUs);
        }
        if life > me.life {
            return Err(DropReason::OwnName);
        }
        if life == me.life || swim.message == SwimMessage::Announce {
            return Ok(());
        }
        self.may_answer()?;
        let outcome = self.swim.announce(sender.clone());
        self.absorb(outcome, out);
        Err(DropReason::NotForUs)
    }

    /// Members from others that may be true. A word about a life of ours that never was makes all of it a lie;
    /// one about an earlier life is only late.
    pub(super) fn believable(&mut self, members: Vec<Peer>) -> Result<Vec<Peer>, DropReason> {
        let me = self.me().clone();
        let mut kept = Vec::with_capacity(members.len());
        for member in members {
            let identity = member.id();
            if identity.host == me.host {
                if identity.life > me.life || (identity.life == me.life && *identity != me) {
                    return Err(DropReason::OwnName);
                }
                if *identity == me {
                    kept.push(member);
                }
            } else if self.contradicts(identity) || self.is_forgotten(identity) {
                continue;
            } else if self.is_full_for(identity.host) {
                self.stats.members_refused += 1;
            } else {
                kept.push(member);
            }
        }
        Ok(kept)
    }

    /// SWIM remembers the dead for longer than the view does, so both are bounded.
    fn is_full_for(&self, host: HostId) -> bool {
        let is_full = self.view.len() >= self.max_hosts
            || self.swim.count() >= self.max_hosts.saturating_mul(DEAD_PER_HOST);
        is_full && self.view.get(host).is_none()
    }

    fn is_living(&self, identity: &Identity) -> bool {
        let entry = self.view.get(identity.host);
        entry.is_some_and(|entry| entry.is_active() && entry.identity == *identity)
    }

    /// Takes members that came beside SWIM: in a delta or a pull.
    pub(super) fn learn(&mut self, members: Vec<Peer>, tell: bool, out: &mut Vec<Output>) {
        let touched = self.touched(&members);
        let outcome = self.swim.apply(members, tell);
        self.absorb(outcome, out);
        self.look_at_suspects(&touched, out);
    }

    pub(super) fn swim_timer(
        &mut self,
        due: Moment,
        timer: Timer<Identity>,
        out: &mut Vec<Output>,
    ) {
        let Some(timer) = self.last_chance(due, timer, out) else {
            return;
        };
        let Some(timer) = self.hold_late_probe(due, timer) else {
            return;
        };
        let probes = matches!(&timer, Timer::ProbeRandomMember(_));
        let outcome = self.swim.timer(timer);
        self.judge_probe(probes, &outcome);
        self.absorb(outcome, out);
    }

    /// Carries out what SWIM found and wants.
    pub(super) fn absorb(&mut self, outcome: Outcome, out: &mut Vec<Output>) {
        self.stats.unsendable += outcome.unreadable;
        for finding in outcome.findings {
            self.found(finding, out);
        }
        for (after, timer) in outcome.timers {
            if let Timer::ChangeSuspectToDown {
                member_id,
                incarnation,
                ..
            } = &timer
            {
                self.begin_suspicion(member_id, *incarnation, out);
            }
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            let after_ms = self.scaled(&timer, after_ms);
            self.timers.set(self.now.plus(after_ms), Task::Swim(timer));
        }
        for (to, message) in outcome.messages {
            if message.message == SwimMessage::Announce && self.is_forgotten(&to) {
                continue;
            }
            self.send(to.gossip, &Message::Swim(message), out);
        }
    }

    fn found(&mut self, finding: Finding, out: &mut Vec<Output>) {
        let (Finding::Up(identity) | Finding::Down(identity) | Finding::Renamed(identity)) =
            &finding
        else {
            return self.plan_renewal();
        };
        let host = identity.host;
        let before = self.view.get(host).map(|e| e.identity.name.clone());
        if let Some(name) = before.filter(|name| *name != identity.name) {
            self.view.drop_name(&name, host);
        }
        let change = match &finding {
            Finding::Up(identity) => self.view.up(identity, self.now),
            Finding::Renamed(identity) => self.view.rename(identity, self.now),
            Finding::Down(_) | Finding::Defunct => self.view.down(host, self.now),
        };
        self.changed(host, change, out);
    }

    /// Tells of a change, and brings names, digest and timers to it.
    pub(super) fn changed(&mut self, host: HostId, change: Option<Change>, out: &mut Vec<Output>) {
        self.note_known(host);
        self.look_at_name(host, out);
        let Some(change) = change else { return };
        if change != Change::Suspect {
            self.suspicions.remove(&host);
            self.confirms.settle(host);
        }
        if matches!(change, Change::Down | Change::Left) {
            let at = self.now.plus(self.timing.keep_ms);
            self.timers.set(at, Task::Forget(host, self.now));
        }
        out.push(Output::Member { host, change });
        if matches!(change, Change::Down | Change::Left) {
            self.forget_if_told(host, out);
        }
    }

    fn look_at_name(&mut self, host: HostId, out: &mut Vec<Output>) {
        let Some(entry) = self.view.get(host) else {
            return;
        };
        let name = entry.identity.name.clone();
        if !entry.is_active() {
            return self.view.drop_name(&name, host);
        }
        if let Some(hosts) = self.view.carry_name(&name, host) {
            let told = self.clashes.entry(name.clone()).or_default();
            let count = told.len();
            told.extend(&hosts);
            if told.len() > count {
                out.push(Output::NameClash { name, hosts });
            }
        }
    }

    pub(super) fn forget(&mut self, host: HostId, since: Moment, out: &mut Vec<Output>) {
        if self.view.forget(host, since) {
            self.drop_clashes(host);
            out.push(Output::AgedOut { host });
        }
    }

    /// Brings names to what the view has forgotten.
    pub(super) fn drop_clashes(&mut self, host: HostId) {
        for told in self.clashes.values_mut() {
            told.remove(&host);
        }
        self.clashes.retain(|_, told| !told.is_empty());
    }

    /// Hosts whose suspicion these members may begin or end.
    fn touched(&self, members: &[Peer]) -> Vec<HostId> {
        let about = members
            .iter()
            .filter(|member| member.state() == SwimState::Suspect);
        let suspects = members
            .iter()
            .filter(|member| self.is_suspect(member.id().host));
        about
            .chain(suspects)
            .map(|member| member.id().host)
            .collect()
    }

    pub(super) fn is_suspect(&self, host: HostId) -> bool {
        let entry = self.view.get(host);
        entry.is_some_and(|entry| entry.state == crate::State::Suspect)
    }

    fn plan_renewal(&mut self) {
        if F::NO_RENEWAL || self.left || self.renewal.is_set {
            return;
        }
        let calm = |last| self.now.since(last) > RENEW_WAIT_LIMIT_MS;
        let wait = if self.renewal.last.is_none_or(calm) {
            0
        } else {
            (self.renewal.wait_ms * 2).clamp(RENEW_WAIT_MS, RENEW_WAIT_LIMIT_MS)
        };
        self.renewal.wait_ms = wait;
        self.renewal.is_set = true;
        self.timers.set(self.now.plus(wait), Task::Renew);
    }

    /// Comes back: the old life is over for the fleet, the next one begins.
    pub(super) fn renew(&mut self, out: &mut Vec<Output>) {
        self.renewal.is_set = false;
        self.renewal.last = Some(self.now);
        self.stats.renewals += 1;
        let outcome = self.swim.renew();
        self.absorb(outcome, out);
        // A renewed SWIM probes nobody until it looks at its members again.
        let outcome = self.swim.apply(Vec::new(), true);
        self.absorb(outcome, out);
        self.note_known(self.me().host);
    }
}
