//! The checkers: what no host may ever do, and what all must agree on once it is quiet.
//!
//! They know what is true (who runs, who published what) and look at hosts from outside. Nothing of the core
//! is used to judge the core but what it shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kerf_membership::{Change, Faults, Life, Moment, Stamp, State};
use kerf_types::HostId;

use crate::member::{MemberNode, Note, Packet};
use crate::node::{Carriage, Node};
use crate::world::{HostIndex, Micros, Observer, SECOND, Truth};

/// The largest datagram that is allowed, from the design and not from the code under test.
const DATAGRAM_LIMIT: usize = 1_400;

/// A host that has run without break for this long cannot rightly be called dead any more.
const WELL: Micros = 15 * SECOND;

/// A host that has not got a record after this time has an old one.
const STALE: Micros = 10 * SECOND;

/// Violations that are kept; a broken core would fill memory with more.
const KEEP: usize = 50;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Micros,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.at / SECOND, self.at % SECOND / 1_000);
        write!(f, "{seconds}.{ms:03} s: {}", self.what)
    }
}

/// A record whose way through the fleet is timed.
#[derive(Debug, Clone, Copy)]
struct Probe {
    stamp: Stamp,
    since: Micros,
    /// Hosts that ran when it was published and have not got it.
    missing: usize,
}

/// What was seen of one host.
#[derive(Debug, Default)]
struct Seen {
    /// The newest record that it had of each other.
    stamps: BTreeMap<HostIndex, Stamp>,
    sent_bytes: u64,
    sent: u64,
}

/// All checkers and meters.
#[derive(Debug)]
pub struct Watch {
    ids: BTreeMap<HostId, HostIndex>,
    seen: Vec<Seen>,
    published: Vec<BTreeMap<Stamp, Vec<u8>>>,
    probes: Vec<Vec<Probe>>,
    died: BTreeMap<HostIndex, Micros>,
    /// Whether a living host that is called dead is a violation, or only counted.
    pub downs_are_violations: bool,
    /// Until when being called dead is excused: a split, and the time after it.
    pub excused_until: Micros,
    /// Times that a host was called dead that was well and could be reached.
    pub false_downs: u64,
    /// The hosts that they befell, each once in each of its lives.
    pub falsely_down: BTreeSet<(HostIndex, Life)>,
    /// How long after a death each host knew of it.
    pub deaths_seen: Vec<Micros>,
    /// How long after a record was published each host had it.
    pub spread: Vec<Micros>,
    /// How long after a record was published the last host had it.
    pub at_all: Vec<Micros>,
    late_pairs: u64,
    stream_bytes: u64,
    /// The largest datagram so far.
    pub largest: usize,
    /// Hash over all notes in order: two runs with the same one did the same.
    pub trace: u64,
    violations: Vec<Violation>,
}

impl Watch {
    /// Watches hosts with these ids.
    pub fn new(ids: &[HostId]) -> Self {
        let hosts = ids.len();
        Self {
            ids: ids.iter().enumerate().map(|(i, id)| (*id, i)).collect(),
            seen: (0..hosts).map(|_| Seen::default()).collect(),
            published: vec![BTreeMap::new(); hosts],
            probes: vec![Vec::new(); hosts],
            died: BTreeMap::new(),
            downs_are_violations: true,
            excused_until: 0,
            false_downs: 0,
            falsely_down: BTreeSet::new(),
            deaths_seen: Vec::new(),
            spread: Vec::new(),
            at_all: Vec::new(),
            late_pairs: 0,
            stream_bytes: 0,
            largest: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            violations: Vec::new(),
        }
    }

    /// All that must not have been, in order of time.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Adds a violation.
    pub fn violate(&mut self, at: Micros, what: String) {
        if self.violations.len() < KEEP {
            self.violations.push(Violation { at, what });
        }
    }

    /// A host published a record; with `timed_to`, its way to so many others is measured.
    pub fn published(
        &mut self,
        host: HostIndex,
        stamp: Stamp,
        payload: &[u8],
        now: Micros,
        timed_to: Option<usize>,
    ) {
        self.published[host].insert(stamp, payload.to_vec());
        if let Some(missing) = timed_to {
            self.probes[host].push(Probe {
                stamp,
                since: now,
                missing,
            });
        }
    }

    /// Pairs of a host and a timed record that it did not have ten seconds after it was published, nor a newer
    /// one of the same writer.
    pub fn stale_pairs(&self, now: Micros) -> u64 {
        let open = self.probes.iter().flatten();
        let old = open.filter(|probe| now - probe.since >= STALE);
        self.late_pairs + old.map(|probe| probe.missing as u64).sum::<u64>()
    }

    /// A host died for good, or was started and knows nothing again.
    pub fn died(&mut self, host: HostIndex, now: Micros) {
        self.died.insert(host, now);
    }

    /// A host was started: it knows nothing, and whoever calls its last life dead is right for a while.
    pub fn started(&mut self, host: HostIndex) {
        self.died.remove(&host);
        self.seen[host].stamps.clear();
    }

    /// Bytes that went through streams since the last call, questions and answers.
    pub fn take_stream_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.stream_bytes)
    }

    /// Bytes and datagrams that all hosts have sent since the last call.
    pub fn take_meter(&mut self) -> (u64, u64) {
        let mut total = (0, 0);
        for seen in &mut self.seen {
            total.0 += std::mem::take(&mut seen.sent_bytes);
            total.1 += std::mem::take(&mut seen.sent);
        }
        total
    }

    /// Where a host disagrees with what is true: whom it holds for living, and their records.
    pub fn disagreement<F: Faults>(
        &self,
        truth: &Truth,
        nodes: &[Option<&MemberNode<F>>],
        host: HostIndex,
    ) -> Option<String> {
        let core = nodes[host]?.core();
        let mut living = 0;
        for member in core.members(Moment(0)) {
            let Some(other) = self.ids.get(&member.identity.host) else {
                return Some(format!("host {host} knows a host that never was"));
            };
            let is_living = truth.runs(*other);
            let is_right = match member.state {
                State::Alive => is_living,
                State::Suspect => false,
                State::Down | State::Left => !is_living,
            };
            if !is_right {
                return Some(format!("host {host} holds {other} for {:?}", member.state));
            }
            let Some(node) = nodes[*other].filter(|_| is_living) else {
                continue;
            };
            living += 1;
            if *member.identity != *node.core().me() {
                return Some(format!("host {host} knows another life of {other}"));
            }
            if member.record != node.core().own_record() {
                return Some(format!("host {host} has an old record of {other}"));
            }
        }
        let others = nodes.iter().flatten().count() - 1;
        (living != others).then(|| format!("host {host} knows {living} of {others}"))
    }

    fn look_at_down(
        &mut self,
        truth: &Truth,
        host: HostIndex,
        other: HostIndex,
        life: Option<Life>,
    ) {
        if let Some(died) = self.died.get(&other) {
            return self.deaths_seen.push(truth.now - died);
        }
        let reachable = truth.network.reaches(host, other) && truth.network.reaches(other, host);
        let both_well = truth.well_for(host) > WELL && truth.well_for(other) > WELL;
        if reachable && both_well && truth.now > self.excused_until {
            self.false_downs += 1;
            self.falsely_down.extend(life.map(|life| (other, life)));
            if self.downs_are_violations {
                self.violate(truth.now, format!("host {host} calls {other} dead"));
            }
        }
    }

    fn look_at_record<F: Faults>(
        &mut self,
        truth: &Truth,
        host: HostIndex,
        other: HostIndex,
        node: &MemberNode<F>,
        id: HostId,
    ) {
        let member = node.core().member(id, Moment(0));
        let Some(record) = member.and_then(|member| member.record) else {
            return;
        };
        let before = self.seen[host].stamps.insert(other, record.stamp);
        if before.is_some_and(|before| before >= record.stamp) {
            let what = format!("host {host} went back to an older record of {other}");
            self.violate(truth.now, what);
        }
        let genuine = self.published[other].get(&record.stamp);
        let is_genuine = genuine.is_some_and(|payload| payload == record.payload.as_bytes());
        if !is_genuine && !record.left {
            self.violate(
                truth.now,
                format!("host {host} has a record that {other} never wrote"),
            );
        }
        for probe in &mut self.probes[other] {
            if before.is_none_or(|before| before < probe.stamp) && probe.stamp <= record.stamp {
                let taken = truth.now - probe.since;
                self.spread.push(taken);
                self.late_pairs += u64::from(taken > STALE);
                probe.missing = probe.missing.saturating_sub(1);
                if probe.missing == 0 {
                    self.at_all.push(taken);
                }
            }
        }
        self.probes[other].retain(|probe| probe.missing > 0);
    }
}

impl<F: Faults> Observer<MemberNode<F>> for Watch {
    fn sent(&mut self, truth: &Truth, from: HostIndex, message: &Packet, carriage: Carriage) {
        let Packet::Datagram(bytes) = message else {
            self.stream_bytes += MemberNode::<F>::bytes(message) as u64;
            return;
        };
        let seen = &mut self.seen[from];
        seen.sent += 1;
        seen.sent_bytes += bytes.len() as u64;
        self.largest = self.largest.max(bytes.len());
        if carriage == Carriage::Datagram && bytes.len() > DATAGRAM_LIMIT {
            let what = format!("host {from} sent a datagram of {} bytes", bytes.len());
            self.violate(truth.now, what);
        }
    }

    fn noted(&mut self, truth: &Truth, host: HostIndex, node: &MemberNode<F>, note: Note) {
        for byte in format!("{} {host} {note:?}", truth.now).bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        match note {
            Note::Member(id, Change::Down) => match self.ids.get(&id).copied() {
                Some(other) => {
                    let member = node.core().member(id, Moment(0));
                    let life = member.map(|member| member.identity.life);
                    self.look_at_down(truth, host, other, life);
                }
                None => self.violate(
                    truth.now,
                    format!("host {host} knows a host that never was"),
                ),
            },
            Note::Record(id) => match self.ids.get(&id).copied() {
                Some(other) => self.look_at_record(truth, host, other, node, id),
                None => self.violate(truth.now, format!("host {host} has a record of nobody")),
            },
            Note::BadAnswer => self.violate(truth.now, format!("host {host} cannot read a pull")),
            Note::Member(..) | Note::AgedOut(_) | Note::Removed(_) | Note::NameClash(..) => {}
        }
    }
}
