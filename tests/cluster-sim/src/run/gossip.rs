//! Who is there, and what each host says of itself: the real membership core, or a stand-in for it.
//!
//! The stand-in costs next to nothing: once a second each host tells its record to all that it reaches, and one that
//! is not heard of for a while is down. With the real one a record's payload names it and is padded to its usual
//! length; what it says is looked up, since the encoding of records is not what is tested here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kerf_membership::{
    Change, Config, Identity, Incarnation, Input as Gossip, Life, Moment, NoFaults, Payload,
    Security, State,
};
use kerf_scheduler::Liveness;
use kerf_scheduler::core::Input;
use kerf_types::HostRecord;
use kerf_types::host_record::RecordVersion;

use super::dice::{between, chance};
use super::engine::{Event, Happens, World};
use super::forge::Seen;
use super::kerfd::MS;
use super::mutations::Broken;
use crate::fleet::{Fleet, Sealing};
use crate::member::{MemberNode, Note, Packet};
use crate::node::{Carriage, Effect, Event as NodeEvent, Node};
use crate::world::{HostIndex, Micros, SECOND};

/// The stand-in calls a host down that it has not heard of for so long.
const SILENT: Micros = 4 * SECOND;

/// How often a host that lives is known to say nothing new, with the real membership.
const FRESH_EVERY: u64 = 10;

/// Length of a record on the wire: one with two H100 that are cut says about this.
const RECORD_BYTES: usize = 400;

/// Records by the name that travels.
pub type Records = BTreeMap<(HostIndex, RecordVersion), Arc<HostRecord>>;

/// What one kerfd knows of the others.
#[derive(Debug)]
pub enum Peers {
    /// When each was last heard of, and whether it is held to be there.
    Simulated(Vec<(Micros, bool)>),
    /// The real core.
    Real(Box<MemberNode<NoFaults>>),
}

/// The effects of a step of the real core.
type Effects = Vec<Effect<Packet, Note>>;

pub(super) fn address(host: HostIndex) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(host + 1).unwrap_or(u32::MAX).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), 9_451))
}

fn place(address: SocketAddr) -> HostIndex {
    let SocketAddr::V4(address) = address else {
        return usize::MAX;
    };
    let number = u32::from(*address.ip()) & 0x00ff_ffff;
    usize::try_from(number).map_or(usize::MAX, |number| number.wrapping_sub(1))
}

impl Peers {
    /// A kerfd that knows nobody.
    pub fn new(world: &mut World, host: HostIndex) -> Self {
        let Some(sealing) = world.shape.membership else {
            return Self::Simulated(vec![(world.now, true); world.hosts.len()]);
        };
        let one = &world.hosts[host];
        let start = u64::from(one.store.epoch) << 48 | one.store.starts;
        let me = Identity {
            host: one.id,
            name: format!("host-{host}").parse().expect("it is a name"),
            gossip: address(host),
            api: address(host),
            life: Life {
                incarnation: Incarnation(start),
                renewal: 0,
            },
        };
        let cluster = Fleet::<NoFaults>::CLUSTER;
        let mut config = match sealing {
            Sealing::Keyed => Config::new(
                cluster,
                Security::Sealed(Box::new(Fleet::<NoFaults>::SEALER)),
            ),
            Sealing::KeyedAndSigned | Sealing::Real => world.keys.config(host, me.host),
        };
        if world.broken == Broken::OpenGossip {
            config.security = Security::InsecurePlain;
        }
        let seed = world.dice.seeds.next_u64();
        let now = world.hosts[host].clock.at(world.now);
        Self::Real(Box::new(MemberNode::new(config, me, seed, now.0)))
    }
}

impl World {
    /// A kerfd that has just begun looks for the others.
    pub(super) fn join(&mut self, host: HostIndex) {
        if self.shape.membership.is_none() {
            return;
        }
        let seeds = (0..3.min(self.hosts.len())).map(address).collect();
        self.feed(host, Gossip::Join(seeds));
    }

    /// Feeds the real membership.
    fn feed(&mut self, host: HostIndex, input: Gossip) {
        self.with_member(host, |node, now, out| node.input(now, input, out));
    }

    fn with_member(
        &mut self,
        host: HostIndex,
        act: impl FnOnce(&mut MemberNode<NoFaults>, u64, &mut Effects),
    ) {
        let now = self.hosts[host].clock.at(self.now).0;
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let Peers::Real(node) = &mut kerfd.peers else {
            return;
        };
        let mut out = Vec::new();
        act(node, now, &mut out);
        let due = node.next_wakeup_ms();
        for effect in out {
            match effect {
                Effect::Send {
                    to,
                    message,
                    carriage,
                } => self.carry(host, place(to), message, carriage),
                Effect::Note(note) => self.note(host, note),
            }
        }
        if let Some(due) = due {
            let at = self.hosts[host]
                .clock
                .when(kerf_types::Moment(due), self.now + MS);
            let life = self.hosts[host].life;
            if self.meter.may_wake(host, life, at, self.now) {
                self.at(at, Event::Kerfd(host, life, Happens::Gossip));
            }
        }
    }

    /// The real membership is due.
    pub(super) fn gossip(&mut self, host: HostIndex) {
        self.meter.woke(host, self.now);
        self.with_member(host, |node, now, out| {
            node.step(now, NodeEvent::Wakeup, out)
        });
    }

    /// Gossip comes.
    pub(super) fn packet(&mut self, to: HostIndex, from: HostIndex, packet: Packet) {
        if let Packet::Datagram(bytes) = &packet
            && self.hosts[to].kerfd.is_some()
        {
            let seen = Seen {
                life: self.hosts[to].life,
                from,
                bytes: bytes.clone(),
            };
            self.meter.seen.insert(to, seen);
        }
        let message = NodeEvent::Message {
            from: address(from),
            message: packet,
        };
        self.with_member(to, |node, now, out| node.step(now, message, out));
    }

    /// A pull did not reach its peer.
    pub(super) fn pull_failed(&mut self, host: HostIndex, peer: HostIndex) {
        let undelivered = NodeEvent::Undelivered {
            to: address(peer),
            message: Packet::Ask(address(host), Vec::new()),
        };
        self.with_member(host, |node, now, out| node.step(now, undelivered, out));
    }

    fn carry(&mut self, from: HostIndex, to: HostIndex, packet: Packet, carriage: Carriage) {
        if to >= self.hosts.len() {
            return;
        }
        if carriage == Carriage::Datagram {
            for delay in self.network.datagram(from, to) {
                self.after(delay, Event::Packet(to, from, packet.clone()));
            }
            return;
        }
        let runs = self.hosts[to].kerfd.is_some();
        match self.network.stream(from, to).filter(|_| runs) {
            Some(delay) => self.after(delay, Event::Packet(to, from, packet)),
            None => self.soon(from, 5 * SECOND, Happens::PullFailed(to)),
        }
    }

    /// What the membership has to say is told to the scheduler.
    fn note(&mut self, host: HostIndex, note: Note) {
        match note {
            Note::Member(id, change) => {
                let liveness = match change {
                    Change::Joined | Change::Alive | Change::Returned => Liveness::Alive,
                    Change::Suspect => return,
                    Change::Down => Liveness::Down,
                    Change::Left => Liveness::Left,
                };
                let peer = Input::Peer { host: id, liveness };
                self.step(host, peer);
            }
            Note::Record(id) => {
                let kerfd = self.hosts[host].kerfd.as_ref();
                let Some(Peers::Real(node)) = kerfd.map(|kerfd| &kerfd.peers) else {
                    return;
                };
                let member = node.core().member(id, Moment(0));
                let name = member.and_then(|member| read(member.record?.payload.as_bytes()));
                if let Some(record) = name.and_then(|name| self.records.get(&name)) {
                    let record = Input::Record(Arc::clone(record));
                    self.step(host, record);
                }
            }
            Note::AgedOut(id) | Note::Removed(id) => self.step(host, Input::Forget(id)),
            Note::NameClash(..) | Note::BadAnswer => {}
        }
    }

    /// A host has something new to say of itself.
    pub(super) fn publish(&mut self, host: HostIndex, record: &Arc<HostRecord>) {
        if self.shape.membership.is_none() {
            return;
        }
        self.records
            .insert((host, record.version), Arc::clone(record));
        let payload = Payload::try_new(&written(host, record.version));
        if let Ok(payload) = payload {
            self.feed(host, Gossip::Publish(payload));
        }
    }

    /// Once a second.
    pub(super) fn gossip_tick(&mut self, host: HostIndex) {
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let (now, since) = (self.now, kerfd.since);
        match &mut kerfd.peers {
            Peers::Simulated(_) => self.simulated_tick(host),
            Peers::Real(node) => {
                if (now - since) / SECOND % FRESH_EVERY != FRESH_EVERY - 1 {
                    return;
                }
                let alive = node.core().members(Moment(0));
                let alive = alive.filter(|one| matches!(one.state, State::Alive | State::Suspect));
                let alive: Vec<_> = alive.map(|one| one.identity.host).collect();
                for id in alive {
                    self.step(host, Input::StillFresh(id));
                }
            }
        }
    }

    fn simulated_tick(&mut self, host: HostIndex) {
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let record = kerfd.record.clone();
        let mut silent = Vec::new();
        if let Peers::Simulated(heard) = &mut kerfd.peers {
            for (other, (last, there)) in heard.iter_mut().enumerate() {
                if other != host && *there && self.now.saturating_sub(*last) > SILENT {
                    *there = false;
                    silent.push(other);
                }
            }
        }
        for other in silent {
            let id = self.hosts[other].id;
            let liveness = Liveness::Down;
            self.step(host, Input::Peer { host: id, liveness });
        }
        let Some(record) = record else { return };
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            let loss = self.network.weather.loss;
            if !self.network.reaches(host, other) || chance(&mut self.dice.hosts, loss) {
                continue;
            }
            let Some(_) = self.hosts[other].kerfd else {
                continue;
            };
            let wait = between(&mut self.dice.hosts, MS, 300 * MS);
            let learn = Happens::Learn(host, Arc::clone(&record));
            self.soon(other, wait, learn);
        }
    }

    /// The stand-in tells a record.
    pub(super) fn learn(&mut self, host: HostIndex, of: HostIndex, record: Arc<HostRecord>) {
        let id = self.hosts[of].id;
        let Some(kerfd) = &mut self.hosts[host].kerfd else {
            return;
        };
        let mut back = false;
        if let Peers::Simulated(heard) = &mut kerfd.peers
            && let Some((last, there)) = heard.get_mut(of)
        {
            *last = self.now;
            back = !std::mem::replace(there, true);
        }
        let known = self.hosts[host].kerfd.as_ref();
        let known = known.is_some_and(|kerfd| kerfd.core.fleet().get(id).is_some());
        if !known || self.broken != Broken::RecordsStay {
            self.step(host, Input::Record(record));
        }
        if back {
            let liveness = Liveness::Alive;
            self.step(host, Input::Peer { host: id, liveness });
        }
    }
}

/// The name of a record, as long as a record is.
fn written(host: HostIndex, version: RecordVersion) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.extend(u64::try_from(host).unwrap_or(u64::MAX).to_be_bytes());
    bytes.extend(version.epoch.to_be_bytes());
    bytes.extend(version.revision.to_be_bytes());
    bytes.resize(RECORD_BYTES, 0);
    bytes
}

fn read(bytes: &[u8]) -> Option<(HostIndex, RecordVersion)> {
    let (host, rest) = bytes.split_first_chunk::<8>()?;
    let (epoch, rest) = rest.split_first_chunk::<2>()?;
    let (revision, _) = rest.split_first_chunk::<8>()?;
    let version = RecordVersion {
        epoch: u16::from_be_bytes(*epoch),
        revision: u64::from_be_bytes(*revision),
    };
    Some((usize::try_from(u64::from_be_bytes(*host)).ok()?, version))
}
