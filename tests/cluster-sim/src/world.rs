//! The world: one queue of events in virtual time, and the hosts that they happen to.
//!
//! It owns time, the network and which hosts run. It knows nothing of what nodes say to each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

use crate::network::{Network, Weather};
use crate::node::{Carriage, Effect, Event, Node};

/// Microseconds of virtual time since the world began.
pub type Micros = u64;

/// Number of a host in the world.
pub type HostIndex = usize;

/// One second.
pub const SECOND: Micros = 1_000_000;

/// After this a stream that reaches nobody is given up by its sender.
const STREAM_TIMEOUT: Micros = 5 * SECOND;

/// What is true, whatever the hosts believe.
#[derive(Debug)]
pub struct Truth {
    /// Virtual time.
    pub now: Micros,
    /// The network.
    pub network: Network,
    running: Vec<bool>,
    /// Until when a host does nothing at all.
    paused_until: Vec<Micros>,
    /// Since when each host has run without a break.
    well_since: Vec<Micros>,
}

impl Truth {
    /// Whether a host runs, paused or not.
    pub fn runs(&self, host: HostIndex) -> bool {
        self.running.get(host).copied().unwrap_or(false)
    }

    /// How long a host has run without crash or pause.
    pub fn well_for(&self, host: HostIndex) -> Micros {
        if !self.runs(host) || self.is_paused(host) || !self.network.hears(host) {
            return 0;
        }
        let since = self.well_since.get(host).copied().unwrap_or(self.now);
        self.now.saturating_sub(since)
    }

    fn is_paused(&self, host: HostIndex) -> bool {
        self.paused_until
            .get(host)
            .is_some_and(|until| *until > self.now)
    }
}

/// Sees all that happens.
pub trait Observer<N: Node> {
    /// A message is sent.
    fn sent(&mut self, truth: &Truth, from: HostIndex, message: &N::Message, carriage: Carriage);

    /// A node notes something. It is seen as it is after the step.
    fn noted(&mut self, truth: &Truth, host: HostIndex, node: &N, note: N::Note);
}

#[derive(Debug)]
struct Slot<N> {
    node: Option<N>,
    address: SocketAddr,
    /// What is added to virtual time to get this host's clock.
    offset_ms: u64,
    /// Grows with every start, so that what was meant for an earlier one is lost.
    life: u64,
    wake_at: Option<Micros>,
}

#[derive(Debug)]
enum Item<M> {
    Event(u64, Event<M>),
    Wake,
}

#[derive(Debug)]
struct Queued<M> {
    at: Micros,
    number: u64,
    host: HostIndex,
    item: Item<M>,
}

impl<M> PartialEq for Queued<M> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<M> Eq for Queued<M> {}

impl<M> PartialOrd for Queued<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for Queued<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Hosts, network, time.
#[derive(Debug)]
pub struct World<N: Node> {
    /// What is true.
    pub truth: Truth,
    slots: Vec<Slot<N>>,
    places: BTreeMap<SocketAddr, HostIndex>,
    queue: BinaryHeap<Reverse<Queued<N::Message>>>,
    count: u64,
}

impl<N: Node> World<N> {
    /// A world of hosts at these addresses, none of which runs. Each may listen at several addresses; it sends
    /// from the first. `offset_ms` gives how far ahead each host's clock is.
    pub fn new(
        addresses: &[Vec<SocketAddr>],
        offset_ms: impl Fn(HostIndex) -> u64,
        weather: Weather,
        seed: u64,
    ) -> Self {
        let mut places = BTreeMap::new();
        let mut slots = Vec::new();
        for (host, all) in addresses.iter().enumerate() {
            places.extend(all.iter().map(|address| (*address, host)));
            slots.push(Slot {
                node: None,
                address: all[0],
                offset_ms: offset_ms(host),
                life: 0,
                wake_at: None,
            });
        }
        let hosts = addresses.len();
        let truth = Truth {
            now: 0,
            network: Network::new(hosts, weather, seed),
            running: vec![false; hosts],
            paused_until: vec![0; hosts],
            well_since: vec![0; hosts],
        };
        Self {
            truth,
            slots,
            places,
            queue: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Number of hosts, running or not.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no host at all.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The node of a host that runs.
    pub fn node(&self, host: HostIndex) -> Option<&N> {
        self.slots[host].node.as_ref()
    }

    /// A host's own clock.
    pub fn clock_ms(&self, host: HostIndex) -> u64 {
        self.truth.now / 1_000 + self.slots[host].offset_ms
    }

    /// Starts a host with this node; what was on its way to an earlier one is lost.
    pub fn start(&mut self, host: HostIndex, node: N) {
        let slot = &mut self.slots[host];
        slot.node = Some(node);
        slot.life += 1;
        slot.wake_at = None;
        self.truth.running[host] = true;
        self.truth.well_since[host] = self.truth.now;
        self.set_alarm(host);
    }

    /// Ends a host at once.
    pub fn crash(&mut self, host: HostIndex) -> Option<N> {
        self.truth.running[host] = false;
        self.slots[host].node.take()
    }

    /// Stops a host for a while: it keeps what it knows, and everything waits for it.
    pub fn pause(&mut self, host: HostIndex, time: Micros) {
        let until = self.truth.now + time;
        self.truth.paused_until[host] = until;
        self.truth.well_since[host] = until;
    }

    /// From now on so many in a thousand of the datagrams to a host are lost; with 0 it is well again.
    pub fn muffle(&mut self, host: HostIndex, in_thousand: u64) {
        self.truth.network.muffle(host, in_thousand);
        self.truth.well_since[host] = self.truth.now;
    }

    /// Lets a driver act on a node: whatever comes of it is carried out.
    pub fn act(
        &mut self,
        host: HostIndex,
        observer: &mut impl Observer<N>,
        act: impl FnOnce(&mut N, u64, &mut Vec<Effect<N::Message, N::Note>>),
    ) {
        let now_ms = self.clock_ms(host);
        let mut effects = Vec::new();
        let Some(node) = self.slots[host].node.as_mut() else {
            return;
        };
        act(node, now_ms, &mut effects);
        self.carry_out(host, effects, observer);
        self.set_alarm(host);
    }

    /// Puts a message in front of a host that nobody in the world sent.
    pub fn inject(&mut self, at: Micros, from: SocketAddr, host: HostIndex, message: N::Message) {
        let life = self.slots[host].life;
        self.enqueue(
            at,
            host,
            Item::Event(life, Event::Message { from, message }),
        );
    }

    /// Runs until this time.
    pub fn run_until(&mut self, end: Micros, observer: &mut impl Observer<N>) {
        while self
            .queue
            .peek()
            .is_some_and(|Reverse(next)| next.at <= end)
        {
            let Some(Reverse(next)) = self.queue.pop() else {
                break;
            };
            self.truth.now = self.truth.now.max(next.at);
            self.happen(next, observer);
        }
        self.truth.now = self.truth.now.max(end);
    }

    fn happen(&mut self, next: Queued<N::Message>, observer: &mut impl Observer<N>) {
        let Queued { host, item, .. } = next;
        let until = self.truth.paused_until[host];
        if until > self.truth.now {
            return self.enqueue(until, host, item);
        }
        let event = match item {
            Item::Event(life, event) if life == self.slots[host].life => event,
            Item::Event(..) => return,
            Item::Wake => {
                // An alarm that was set for another time meanwhile rings for nothing.
                if self.slots[host]
                    .wake_at
                    .is_none_or(|at| at > self.truth.now)
                {
                    return;
                }
                self.slots[host].wake_at = None;
                Event::Wakeup
            }
        };
        self.act(host, observer, |node, now_ms, out| {
            node.step(now_ms, event, out)
        });
    }

    fn carry_out(
        &mut self,
        host: HostIndex,
        effects: Vec<Effect<N::Message, N::Note>>,
        observer: &mut impl Observer<N>,
    ) {
        for effect in effects {
            match effect {
                Effect::Send {
                    to,
                    message,
                    carriage,
                } => {
                    observer.sent(&self.truth, host, &message, carriage);
                    self.send(host, to, message, carriage);
                }
                Effect::Note(note) => {
                    if let Some(node) = &self.slots[host].node {
                        observer.noted(&self.truth, host, node, note);
                    }
                }
            }
        }
    }

    fn send(&mut self, host: HostIndex, to: SocketAddr, message: N::Message, carriage: Carriage) {
        let from = self.slots[host].address;
        let now = self.truth.now;
        let place = self.places.get(&to).copied();
        match (place, carriage) {
            (Some(place), Carriage::Datagram) => {
                let life = self.slots[place].life;
                for delay in self.truth.network.datagram(host, place) {
                    let message = message.clone();
                    let event = Event::Message { from, message };
                    self.enqueue(now + delay, place, Item::Event(life, event));
                }
            }
            (None, Carriage::Datagram) => {}
            (place, Carriage::Stream) => {
                let running = place.filter(|place| self.truth.runs(*place));
                let arrives = running
                    .and_then(|place| Some((place, self.truth.network.stream(host, place)?)));
                let (at, target, event) = match arrives {
                    Some((place, delay)) => (now + delay, place, Event::Message { from, message }),
                    None => {
                        let event = Event::Undelivered { to, message };
                        (now + STREAM_TIMEOUT, host, event)
                    }
                };
                let life = self.slots[target].life;
                self.enqueue(at, target, Item::Event(life, event));
            }
        }
    }

    fn set_alarm(&mut self, host: HostIndex) {
        let slot = &mut self.slots[host];
        let wanted = slot.node.as_ref().and_then(Node::next_wakeup_ms);
        let Some(wanted) = wanted else { return };
        let at = wanted.saturating_sub(slot.offset_ms).saturating_mul(1_000);
        let at = at.max(self.truth.now);
        if slot.wake_at.is_none_or(|set| at < set) {
            slot.wake_at = Some(at);
            self.enqueue(at, host, Item::Wake);
        }
    }

    fn enqueue(&mut self, at: Micros, host: HostIndex, item: Item<N::Message>) {
        self.count += 1;
        let number = self.count;
        self.queue.push(Reverse(Queued {
            at,
            number,
            host,
            item,
        }));
    }
}
