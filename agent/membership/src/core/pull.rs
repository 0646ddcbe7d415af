//! Pulls: few at a time, each with a deadline. A late answer is used like any other, since records are what
//! they are whenever they come, and counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use foca::State as SwimState;
use kerf_types::HostId;

use super::Core;
use super::delta::Packer;
use super::merge::Way;
use crate::digest::BUCKETS;
use crate::pull::MAX_WANTED;
use crate::timers::Task;
use crate::wire::{Known, Message, Peer};
use crate::{Answer, Faults, Moment, Output, Wanted};

/// Pulls at one time. What is not asked for now comes up again in the next round.
const AT_ONCE: usize = 2;

/// Time between two questions for whatever is newer. Such a question grows with the fleet (28 KiB for 1,000
/// hosts), so it must stay rare however much changes.
const NEWER_EVERY_MS: u64 = 1_000;

/// Pulls that are under way, one for each peer.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    open: BTreeMap<HostId, Open>,
    count: u64,
    newer_since: Option<Moment>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    for_everything: bool,
    /// What was asked for by name; none when whatever is new was asked for.
    named: Vec<HostId>,
}

impl<F: Faults> Core<F> {
    pub(super) fn request(
        &mut self,
        from: HostId,
        api: SocketAddr,
        mut wanted: Wanted,
        out: &mut Vec<Output>,
    ) {
        let for_everything = wanted == Wanted::Everything;
        let is_busy = self.pulls.open.len() >= AT_ONCE || self.pulls.open.contains_key(&from);
        if is_busy && !for_everything {
            return;
        }
        let mut named = Vec::new();
        if let Wanted::Hosts(hosts) = &mut wanted {
            // The same is offered by many at once; what does not come from the first is offered again.
            let is_open = |host: &HostId| self.pulls.open.values().any(|o| o.named.contains(host));
            hosts.retain(|host| !is_open(host));
            hosts.truncate(MAX_WANTED);
            if hosts.is_empty() {
                return;
            }
            named.clone_from(hosts);
        }
        self.pulls.count += 1;
        let number = self.pulls.count;
        let open = Open {
            number,
            for_everything,
            named,
        };
        self.pulls.open.insert(from, open);
        let deadline = self.now.plus(self.timing.pull_ms);
        self.timers.set(deadline, Task::PullDeadline(from, number));
        out.push(Output::Pull { from, api, wanted });
    }

    /// Asks a peer for whatever this host lacks, unless it has just done so.
    pub(super) fn request_newer(&mut self, from: HostId, out: &mut Vec<Output>) -> bool {
        let api = self.view.get(from).map(|entry| entry.identity.api);
        let last = self.pulls.newer_since;
        let is_early = last.is_some_and(|last| self.now.since(last) < NEWER_EVERY_MS);
        let Some(api) = api.filter(|_| !is_early && self.pulls.open.len() < AT_ONCE) else {
            return false;
        };
        self.pulls.newer_since = Some(self.now);
        let known = (0..BUCKETS).flat_map(|bucket| self.digest.bucket(bucket).copied());
        let wanted = Wanted::Newer(known.collect());
        self.request(from, api, wanted, out);
        true
    }

    pub(super) fn pulled(&mut self, from: HostId, answer: Answer, out: &mut Vec<Output>) {
        let open = self.pulls.open.remove(&from);
        if open.is_none() {
            self.stats.pulls_late += 1;
        }
        match self.believable(answer.members) {
            Ok(members) => self.learn(members, false, out),
            Err(reason) => {
                *self.stats.dropped.entry(reason).or_insert(0) += 1;
                return;
            }
        }
        let by_name = open.as_ref().is_some_and(|open| !open.named.is_empty());
        let way = if by_name { Way::Asked } else { Way::Stream };
        for aged in answer.records {
            self.merge(aged, way, out);
        }
        if open.is_some_and(|open| open.for_everything) {
            self.introduce(from, out);
        }
    }

    /// The seed gave us everything; it gets our record in return, so that whoever joins by it next has it too.
    fn introduce(&mut self, seed: HostId, out: &mut Vec<Output>) {
        let mut packer = Packer::new(self.room());
        let me = self.me().host;
        if self.give(&mut packer, me) {
            self.send_to_host(seed, &Message::Delta(packer.finish()), out);
        }
    }

    pub(super) fn pull_failed(&mut self, from: HostId) {
        let Some(open) = self.pulls.open.remove(&from) else {
            return;
        };
        self.stats.pulls_failed += 1;
        if open.for_everything {
            // The fleet may know us by now, but we know too little of it: another seed may do better.
            self.look_for_fleet();
        }
    }

    pub(super) fn pull_deadline(&mut self, from: HostId, number: u64) {
        let open = self.pulls.open.get(&from);
        if open.is_some_and(|open| open.number == number) {
            self.pull_failed(from);
        }
    }

    /// What a peer gets for its question.
    pub(super) fn answer_to(&self, wanted: &Wanted) -> Answer {
        let me = Peer::new(self.me().clone(), self.swim.refutation, SwimState::Alive);
        match wanted {
            Wanted::Everything => {
                let others = self.view.iter().filter(|entry| entry.is_active());
                let hosts = others.map(|entry| entry.identity.host);
                Answer {
                    members: self.swim.members().cloned().chain([me]).collect(),
                    records: hosts
                        .chain([self.me().host])
                        .filter_map(|host| self.record_of(host))
                        .collect(),
                }
            }
            Wanted::Newer(known) => self.newer_than(known),
            Wanted::Hosts(hosts) => Answer {
                members: hosts.iter().filter_map(|h| self.peer_of(*h)).collect(),
                records: hosts.iter().filter_map(|h| self.record_of(*h)).collect(),
            },
        }
    }

    /// The living hosts of which the asking one knows less, and news of those that are gone.
    fn newer_than(&self, known: &[Known]) -> Answer {
        let theirs: BTreeMap<HostId, &Known> = known.iter().map(|k| (k.host, k)).collect();
        let mut answer = Answer::default();
        for bucket in 0..BUCKETS {
            for mine in self.digest.bucket(bucket) {
                let their = theirs.get(&mine.host);
                if their.is_none_or(|their| mine.life > their.life) {
                    answer.members.extend(self.peer_of(mine.host));
                }
                if their.is_none_or(|their| mine.stamp > their.stamp) {
                    answer.records.extend(self.record_of(mine.host));
                }
            }
        }
        let gone = known.iter().filter(|known| self.is_gone(known));
        answer
            .members
            .extend(gone.filter_map(|k| self.peer_of(k.host)));
        answer
    }
}
