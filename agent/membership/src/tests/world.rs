//! A few cores side by side: datagrams arrive one millisecond after they are sent, nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use kerf_types::HostId;

use crate::{
    Change, ClusterId, Config, Core, Identity, Incarnation, Input, Life, Member, Moment, Output,
    Payload, Security, State, Vouching,
};

pub const CLUSTER: ClusterId = ClusterId(7);

pub fn id(number: u16) -> HostId {
    HostId::from_bits(u128::from(number) * 0x0123_4567_89ab_cdef_0123)
}

pub fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 9_000 + number))
}

pub fn identity(number: u16, incarnation: u64) -> Identity {
    Identity {
        host: id(number),
        name: format!("h{number}").parse().unwrap(),
        gossip: address(number),
        api: address(number),
        life: Life {
            incarnation: Incarnation(incarnation),
            renewal: 0,
        },
    }
}

pub fn core(me: Identity, now: Moment, vouching: Vouching) -> Core {
    core_of(me, now, vouching, crate::wire::VERSION)
}

fn core_of(me: Identity, now: Moment, vouching: Vouching, newest_version: u8) -> Core {
    let mut config = Config::new(CLUSTER, Security::InsecurePlain);
    config.vouching = vouching;
    config.timing.keep_ms = 60_000;
    config.newest_version = newest_version;
    Core::new(config, me, 11, now)
}

/// Cores by the number of their host. What each told of members is kept.
pub struct World {
    pub now: Moment,
    pub cores: BTreeMap<u16, Core>,
    pub told: Vec<(u16, Output)>,
    /// Hosts to which no datagram comes.
    pub deaf: BTreeSet<u16>,
    /// Ways on which nothing comes, from a host to another.
    pub cut: BTreeSet<(u16, u16)>,
    /// Hosts that never say that somebody was silent.
    pub mute: BTreeSet<u16>,
    /// What each core is to know records by.
    vouching: fn(u16) -> Vouching,
    flying: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl World {
    /// A fleet of hosts 1 to `hosts`, joined by the first.
    pub fn new(hosts: u16) -> Self {
        Self::of(hosts, |_| Vouching::Unsigned, |_| crate::wire::VERSION)
    }

    /// The same with a voucher for each.
    pub fn vouched(hosts: u16, vouching: fn(u16) -> Vouching) -> Self {
        Self::of(hosts, vouching, |_| crate::wire::VERSION)
    }

    /// The same, of hosts whose newest layouts differ.
    pub fn mixed(hosts: u16, newest_version: impl Fn(u16) -> u8) -> Self {
        Self::of(hosts, |_| Vouching::Unsigned, newest_version)
    }

    /// The same, of hosts that differ in both.
    pub fn of(
        hosts: u16,
        vouching: fn(u16) -> Vouching,
        newest_version: impl Fn(u16) -> u8,
    ) -> Self {
        let mut world = Self {
            now: Moment(1_000_000),
            cores: BTreeMap::new(),
            told: Vec::new(),
            deaf: BTreeSet::new(),
            cut: BTreeSet::new(),
            mute: BTreeSet::new(),
            vouching,
            flying: Vec::new(),
        };
        for number in 1..=hosts {
            world.start_core(
                core_of(
                    identity(number, 1),
                    world.now,
                    vouching(number),
                    newest_version(number),
                ),
                number,
            );
        }
        world.run_for(5_000);
        world
    }

    pub fn start(&mut self, me: Identity, number: u16) {
        self.start_core(core(me, self.now, (self.vouching)(number)), number);
    }

    fn start_core(&mut self, core: Core, number: u16) {
        self.cores.insert(number, core);
        self.input(number, Input::Join(vec![address(1)]));
        self.publish(number, &format!("first of {number}"));
    }

    pub fn publish(&mut self, number: u16, text: &str) {
        let payload = Payload::try_new(text.as_bytes()).unwrap();
        self.input(number, Input::Publish(payload));
    }

    pub fn input(&mut self, number: u16, input: Input) {
        let mut out = Vec::new();
        let core = self.cores.get_mut(&number).unwrap();
        let from = core.me().gossip;
        core.step(self.now, input, &mut out);
        let me = core.me().host;
        for output in out {
            match output {
                // The kind stands after the header, which is plain here.
                Output::Send { bytes, .. }
                    if self.mute.contains(&number) && bytes.get(48) == Some(&8) => {}
                Output::Send { to, bytes } => self.flying.push((from, to, bytes)),
                Output::Pull { from, wanted, .. } => {
                    let peer = self.cores.values().find(|core| core.me().host == from);
                    let answer = peer.map(|peer| peer.answer(&wanted));
                    assert_ne!(from, me);
                    self.input(
                        number,
                        answer.map_or(Input::PullFailed { from }, |answer| Input::Pulled {
                            from,
                            answer,
                        }),
                    );
                }
                told => self.told.push((number, told)),
            }
        }
    }

    /// Puts a datagram before a host.
    pub fn inject(&mut self, number: u16, from: SocketAddr, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.input(number, Input::Datagram { from, bytes });
    }

    pub fn run_for(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        while self.now < end {
            self.now = self.now.plus(1);
            for (from, to, bytes) in std::mem::take(&mut self.flying) {
                let number = |of| {
                    let mut cores = self.cores.iter();
                    let found = cores.find(|(_, core)| core.me().gossip == of);
                    found.map(|(number, _)| *number)
                };
                let (sender, receiver) = (number(from), number(to));
                let is_cut = sender
                    .zip(receiver)
                    .is_some_and(|way| self.cut.contains(&way));
                if let Some(number) = receiver.filter(|one| !is_cut && !self.deaf.contains(one)) {
                    self.input(number, Input::Datagram { from, bytes });
                }
            }
            for number in self.cores.keys().copied().collect::<Vec<_>>() {
                let due = self.cores[&number].next_wakeup();
                if due.is_some_and(|due| due <= self.now) {
                    self.input(number, Input::Wakeup);
                }
            }
        }
    }

    pub fn member(&self, number: u16, of: u16) -> Option<Member<'_>> {
        self.cores[&number].member(id(of), self.now)
    }

    pub fn state(&self, number: u16, of: u16) -> Option<State> {
        self.member(number, of).map(|member| member.state)
    }

    pub fn record(&self, number: u16, of: u16) -> Option<String> {
        let record = self.member(number, of)?.record?;
        Some(String::from_utf8(record.payload.as_bytes().to_vec()).unwrap())
    }

    /// What one host told of another since the last call.
    pub fn take_changes(&mut self, number: u16, of: u16) -> Vec<Change> {
        let (mine, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.told)
                .into_iter()
                .partition(|(teller, told)| {
                    *teller == number
                        && matches!(told, Output::Member { host, .. } if *host == id(of))
                });
        self.told = rest;
        mine.into_iter()
            .filter_map(|(_, told)| match told {
                Output::Member { change, .. } => Some(change),
                _ => None,
            })
            .collect()
    }

    /// Everything that a host would show.
    pub fn picture(&self, number: u16) -> String {
        let core = &self.cores[&number];
        let members: Vec<_> = core
            .members(Moment(0))
            .map(|member| {
                (
                    member.identity.clone(),
                    member.state,
                    member.record.cloned(),
                )
            })
            .collect();
        format!("{members:?} {:?} {:?}", core.me(), core.own_record())
    }
}
