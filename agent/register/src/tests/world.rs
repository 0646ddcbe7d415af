//! Hosts with disks and a network between them, in virtual time: each run is a function of its seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kerf_types::{HostId, Moment};

use super::check::{Checker, Value};
use crate::random::Random;
use crate::{
    Ballot, Change, Faults, Input, Message, Output, Registers, Replica, Row, Settings, State, Want,
};

pub const KEY: u32 = 7;

pub struct Node<F> {
    pub core: Option<Registers<u32, Value, F>>,
    pub rows: BTreeMap<u32, Row<Value>>,
    disk: VecDeque<(u64, Vec<Change<u32, Value>>)>,
    pub epoch: u64,
    life: u64,
    wake: Option<Moment>,
}

pub enum Event {
    Deliver(usize, usize, Box<Message<u32, Value>>),
    Persisted(usize, u64, u64),
    Wake(usize, u64),
    Return(usize),
    Heal(usize, usize),
}

pub struct World<F> {
    pub now: Moment,
    pub nodes: Vec<Node<F>>,
    pub checker: Checker,
    pub random: Random,
    pub cut: BTreeSet<(usize, usize)>,
    /// Thousandths of messages that are lost, doubled, and very late.
    pub network: (u64, u64, u64),
    /// Last endings, by want.
    pub endings: BTreeMap<u64, (crate::Ending, Option<State<Value>>)>,
    /// Whether a host has forgotten the register.
    pub was_forgotten: bool,
    events: BTreeMap<(Moment, u64), Event>,
    count: u64,
    wants: u64,
}

impl<F: Faults> World<F> {
    pub fn new(seed: u64, hosts: usize) -> Self {
        let mut world = Self {
            now: Moment(1_000),
            nodes: Vec::new(),
            checker: Checker::default(),
            random: Random::new(seed),
            cut: BTreeSet::new(),
            network: (0, 0, 0),
            endings: BTreeMap::new(),
            was_forgotten: false,
            events: BTreeMap::new(),
            count: 0,
            wants: 0,
        };
        for _ in 0..hosts {
            world.nodes.push(Node {
                core: None,
                rows: BTreeMap::new(),
                disk: VecDeque::new(),
                epoch: 1,
                life: 0,
                wake: None,
            });
        }
        for host in 0..hosts {
            world.boot(host);
        }
        world
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.random.next() % limit
    }

    pub fn host(&mut self) -> usize {
        let count = u64::try_from(self.nodes.len()).expect("few");
        usize::try_from(self.below(count)).expect("few")
    }

    pub fn id(host: usize) -> HostId {
        HostId::from_bits(u128::try_from(host).expect("few") + 1)
    }

    fn place(id: HostId) -> usize {
        usize::try_from(id.bits()).expect("few") - 1
    }

    pub fn replica(&self, host: usize) -> Replica {
        Replica {
            host: Self::id(host),
            epoch: self.nodes[host].epoch,
        }
    }

    pub fn at(&mut self, wait_ms: u64, event: Event) {
        self.count += 1;
        let when = self.now.after(Duration::from_millis(wait_ms));
        self.events.insert((when, self.count), event);
    }

    /// Wants something of the register at a host; a change appends its number to the value.
    pub fn want(&mut self, host: usize, want: Want<Value>) -> u64 {
        self.wants += 1;
        let number = self.wants;
        let change = match &want {
            Want::Set { value, .. } | Want::Found { value, .. } => value.last().copied(),
            _ => None,
        };
        self.checker.asked(number, change);
        self.step(
            host,
            Input::Want {
                key: KEY,
                number,
                want,
            },
        );
        number
    }

    /// A change on top of what the replica at this host holds.
    pub fn append(&mut self, host: usize, retire: bool) -> Option<u64> {
        let state = self.state(host)?;
        let mut value = state.value;
        value.push(u32::try_from(self.wants).expect("few") + 1);
        let expected = state.origin;
        Some(self.want(
            host,
            Want::Set {
                expected,
                value,
                retire,
            },
        ))
    }

    pub fn state(&self, host: usize) -> Option<State<Value>> {
        let row = self.nodes[host].core.as_ref()?.row(KEY)?;
        Some(row.accepted.as_ref()?.state.clone())
    }

    pub fn run_for(&mut self, time_ms: u64) {
        let end = self.now.after(Duration::from_millis(time_ms));
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((when, _), event) = self.events.pop_first().expect("one");
            self.now = self.now.max(when);
            self.handle(event);
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver(to, from, message) => {
                let from = Self::id(from);
                self.step(to, Input::Message { from, message });
            }
            Event::Persisted(host, life, batch) => {
                if self.nodes[host].life == life {
                    self.sync(host, batch);
                    self.step(host, Input::Persisted { batch });
                }
            }
            Event::Wake(host, life) => {
                if self.nodes[host].life == life {
                    self.nodes[host].wake = None;
                    self.step(host, Input::Wake);
                }
            }
            Event::Return(host) => self.boot(host),
            Event::Heal(a, b) => {
                self.cut.remove(&(a.min(b), a.max(b)));
            }
        }
    }

    pub fn boot(&mut self, host: usize) {
        if self.nodes[host].core.is_some() {
            return;
        }
        let seed = self.random.next();
        let me = self.replica(host);
        let node = &mut self.nodes[host];
        node.life += 1;
        node.wake = None;
        let rows = node.rows.clone();
        node.core = Some(Registers::recover(me, Settings::default(), seed, rows));
        self.step(host, Input::Wake);
    }

    /// Of what was not yet durable some is, and the rest is gone.
    pub fn crash(&mut self, host: usize) {
        if self.nodes[host].core.is_none() {
            return;
        }
        let written = u64::try_from(self.nodes[host].disk.len()).expect("few");
        let kept = self.below(written + 1);
        let batches = &self.nodes[host].disk;
        let last = usize::try_from(kept).expect("few").checked_sub(1);
        if let Some(last) = last.map(|at| batches[at].0) {
            self.sync(host, last);
        }
        let node = &mut self.nodes[host];
        node.disk.clear();
        node.core = None;
        node.life += 1;
    }

    /// Everything that a host has ever written is gone: it begins with another store.
    pub fn lose_store(&mut self, host: usize) {
        self.crash(host);
        self.nodes[host].rows.clear();
        self.nodes[host].epoch += 1;
    }

    fn sync(&mut self, host: usize, batch: u64) {
        let is_in = |entry: Option<&(u64, Vec<_>)>| entry.is_some_and(|(one, _)| *one <= batch);
        while is_in(self.nodes[host].disk.front()) {
            let (_, changes) = self.nodes[host].disk.pop_front().expect("one");
            for change in changes {
                self.written(host, change);
            }
        }
    }

    fn written(&mut self, host: usize, change: Change<u32, Value>) {
        match change {
            Change::Put(key, row) => {
                if self.was_forgotten && !row.is_over {
                    let text = format!("revived: a replica at {host} after it was forgotten");
                    self.checker.violations.push(text);
                }
                self.nodes[host].rows.insert(key, *row);
            }
            Change::Drop(key) => {
                self.nodes[host].rows.remove(&key);
                self.was_forgotten = true;
                let unknowing =
                    |node: &Node<F>| node.rows.get(&key).is_some_and(|row| !row.is_over);
                if self.nodes.iter().any(unknowing) {
                    let text = format!("revived: {host} forgets what another does not know of");
                    self.checker.violations.push(text);
                }
            }
        }
    }

    pub fn step(&mut self, host: usize, input: Input<u32, Value>) {
        let Some(core) = &mut self.nodes[host].core else {
            return;
        };
        let mut out = Vec::new();
        core.step(self.now, input, &mut out);
        for output in out {
            self.carry_out(host, output);
        }
        let core = self.nodes[host].core.as_ref();
        if let Some(wakeup) = core.and_then(Registers::next_wakeup) {
            let wakeup = wakeup.max(Moment(self.now.0 + 1));
            if self.nodes[host].wake.is_none_or(|known| wakeup < known) {
                self.nodes[host].wake = Some(wakeup);
                let life = self.nodes[host].life;
                self.at(wakeup.0 - self.now.0, Event::Wake(host, life));
            }
        }
    }

    fn carry_out(&mut self, host: usize, output: Output<u32, Value>) {
        match output {
            Output::Persist { batch, changes } => {
                self.nodes[host].disk.push_back((batch, changes));
                // A disk that is slow now and then: much that is said would be said before it is written.
                let most = if self.below(8) == 0 { 300 } else { 15 };
                let (wait, life) = (1 + self.below(most), self.nodes[host].life);
                self.at(wait, Event::Persisted(host, life, batch));
            }
            Output::Send { to, message } => self.send(host, Self::place(to), message),
            Output::Answer(answer) => {
                self.checker.answered(&answer);
                let state = answer.state.map(|state| *state);
                self.endings.insert(answer.number, (answer.ending, state));
            }
            Output::Changed(_) | Output::Over { .. } => {}
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Box<Message<u32, Value>>) {
        let (loss, double, late) = self.network;
        let is_cut = self.cut.contains(&(from.min(to), from.max(to)));
        if is_cut || self.below(1_000) < loss {
            return;
        }
        let copies = 1 + u64::from(self.below(1_000) < double);
        for _ in 0..copies {
            let most = match self.below(1_000) {
                dice if dice < late / 4 => 90_000,
                dice if dice < late => 5_000,
                _ => 30,
            };
            let wait = 1 + self.below(most);
            self.at(wait, Event::Deliver(to, from, message.clone()));
        }
    }

    /// Whether somebody wants replicas exchanged.
    pub fn is_exchanging(&self) -> bool {
        let cores = self.nodes.iter().filter_map(|node| node.core.as_ref());
        let mut queues = cores.flat_map(|core| core.proposers.values());
        queues.any(|proposer| {
            let mut wants = proposer.queue.iter();
            wants.any(|(_, want)| matches!(want, Want::Exchange { .. }))
        })
    }

    /// Wants of replicas that still vote, without an answer. One that was exchanged and was never told may ask hosts of
    /// which none is left.
    pub fn pending(&self) -> usize {
        let cores = || self.nodes.iter().filter_map(|node| node.core.as_ref());
        let states = cores().filter_map(|core| core.row(KEY)?.accepted.as_ref());
        let newest = states.max_by_key(|accepted| accepted.ballot);
        let Some(newest) = newest else { return 0 };
        let voters = newest.state.config.voters();
        cores()
            .filter(|core| voters.contains(&core.me()))
            .flat_map(|core| core.proposers.values())
            .map(|proposer| proposer.queue.len())
            .sum()
    }

    pub fn highest_promise(&self, host: usize) -> Option<Ballot> {
        Some(self.nodes[host].core.as_ref()?.row(KEY)?.promised)
    }
}
