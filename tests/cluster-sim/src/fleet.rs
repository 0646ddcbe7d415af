//! A fleet: a world of membership cores, who they are, and what is done to them.

use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};

use kerf_membership::{
    ClusterId, Config, Faults, Identity, Incarnation, Input, Life, NoFaults, Payload, Security,
    Timing,
};
use kerf_seal::KeyringHandle;
use kerf_types::HostId;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::keys::Keys;
use crate::member::{KeyedSealer, MemberNode, Packet};
use crate::network::Weather;
use crate::watch::Watch;
use crate::world::{HostIndex, Micros, World};

/// Ports as in the design: one number for gossip (UDP) and the API (TCP).
const PORT: u16 = 9451;

/// How often a fleet is looked at while it converges.
const LOOK_EVERY: Micros = 100_000;

/// What a fleet is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Number of hosts.
    pub hosts: usize,
    /// Everything random comes from it.
    pub seed: u64,
    /// The network to begin with.
    pub weather: Weather,
    /// How fast the cores go.
    pub timing: Timing,
    /// Length of each record.
    pub record_bytes: usize,
    /// What protects it.
    pub sealing: Sealing,
}

/// What protects a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// A stand-in that costs little, so that a thousand hosts run in seconds; records are not signed.
    Keyed,
    /// The same stand-in, with records that are signed as kerfd's are.
    KeyedAndSigned,
    /// What kerfd has: ChaCha20-Poly1305 by a keyring, and every record signed.
    Real,
}

impl Setup {
    /// A fleet on a good network, with records of 300 bytes.
    pub fn new(hosts: usize, seed: u64) -> Self {
        Self {
            hosts,
            seed,
            weather: Weather::FAIR,
            timing: Timing::default(),
            record_bytes: 300,
            sealing: Sealing::Keyed,
        }
    }
}

/// The fleet.
#[derive(Debug)]
pub struct Fleet<F: Faults = NoFaults> {
    /// Hosts, network, time.
    pub world: World<MemberNode<F>>,
    /// The checkers.
    pub watch: Watch,
    /// Draws what is done to the fleet.
    pub rng: Xoshiro256PlusPlus,
    setup: Setup,
    ids: Vec<HostId>,
    names: Vec<String>,
    starts: Vec<u64>,
    records: u64,
    keys: Keys,
    faults: PhantomData<fn() -> F>,
}

impl<F: Faults> Fleet<F> {
    /// The fleet of these hosts.
    pub const CLUSTER: ClusterId = ClusterId(0x6b65_7266);

    /// What its datagrams are sealed with.
    pub const SEALER: KeyedSealer = KeyedSealer { key: 0x5eed };

    /// Hosts that do not run yet. Their clocks are up to two hours apart.
    pub fn new(setup: Setup) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(setup.seed);
        let bits = |rng: &mut Xoshiro256PlusPlus| {
            (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())
        };
        let ids: Vec<HostId> = (0..setup.hosts)
            .map(|_| HostId::from_bits(bits(&mut rng)))
            .collect();
        let addresses: Vec<Vec<SocketAddr>> = (0..setup.hosts).map(|h| vec![address(h)]).collect();
        let offset_ms = |host: HostIndex| (host as u64 % 3) * 3_600_000 + host as u64 * 7;
        let world = World::new(&addresses, offset_ms, setup.weather, rng.next_u64());
        Self {
            world,
            watch: Watch::new(&ids),
            rng,
            names: (0..setup.hosts)
                .map(|host| format!("host-{host}"))
                .collect(),
            starts: vec![0; setup.hosts],
            records: 0,
            keys: Keys::new(Self::CLUSTER),
            ids,
            setup,
            faults: PhantomData,
        }
    }

    /// The id of a host.
    pub fn id(&self, host: HostIndex) -> HostId {
        self.ids[host]
    }

    /// The address of a host.
    pub fn address(&self, host: HostIndex) -> SocketAddr {
        address(host)
    }

    /// The keyring of a host, where sealing is real.
    pub fn keyring(&mut self, host: HostIndex) -> &KeyringHandle {
        self.keys.keyring(host)
    }

    /// Gives a host another name from its next start on.
    pub fn rename(&mut self, host: HostIndex, name: &str) {
        self.names[host] = name.to_owned();
    }

    /// Starts a host in its next incarnation; it joins by these seeds and publishes a record.
    pub fn start(&mut self, host: HostIndex, seeds: &[HostIndex]) {
        self.starts[host] += 1;
        let me = Identity {
            host: self.ids[host],
            name: self.names[host].parse().expect("a host name"),
            gossip: address(host),
            api: address(host),
            life: Life {
                incarnation: Incarnation((1 << 48) | self.starts[host]),
                renewal: 0,
            },
        };
        let mut config = match self.setup.sealing {
            Sealing::Keyed => Config::new(Self::CLUSTER, Security::Sealed(Box::new(Self::SEALER))),
            Sealing::KeyedAndSigned => {
                let mut config = self.keys.config(host, me.host);
                config.security = Security::Sealed(Box::new(Self::SEALER));
                config
            }
            Sealing::Real => self.keys.config(host, me.host),
        };
        config.timing = self.setup.timing.clone();
        let seed = self.rng.next_u64();
        let node = MemberNode::new(config, me, seed, self.world.clock_ms(host));
        self.watch.started(host);
        self.world.start(host, node);
        let seeds: Vec<SocketAddr> = seeds.iter().map(|seed| address(*seed)).collect();
        self.input(host, Input::Join(seeds));
        self.publish(host, false);
    }

    /// Lets a host publish a new record; with `timed`, its way through the fleet is measured.
    pub fn publish(&mut self, host: HostIndex, timed: bool) {
        self.records += 1;
        let mut bytes = format!("{host} {}", self.records).into_bytes();
        bytes.resize(self.setup.record_bytes, b'.');
        self.publish_bytes(host, &bytes, timed);
    }

    /// Lets a host publish these bytes.
    pub fn publish_bytes(&mut self, host: HostIndex, bytes: &[u8], timed: bool) {
        let payload = Payload::try_new(bytes).expect("a short payload");
        let now = self.world.truth.now;
        // What it will be stamped with must be known before the first peer can have it.
        self.world.act(host, &mut self.watch, |node, now_ms, out| {
            node.input(now_ms, Input::Publish(payload), out);
        });
        let record = self
            .world
            .node(host)
            .and_then(|node| node.core().own_record());
        if let Some(record) = record {
            let others = (0..self.world.len()).filter(|other| self.world.truth.runs(*other));
            let timed_to = timed.then(|| others.count().saturating_sub(1));
            self.watch
                .published(host, record.stamp, bytes, now, timed_to);
        }
    }

    /// Hands an input to a host.
    pub fn input(&mut self, host: HostIndex, input: Input) {
        self.world.act(host, &mut self.watch, |node, now_ms, out| {
            node.input(now_ms, input, out);
        });
    }

    /// Ends a host at once.
    pub fn crash(&mut self, host: HostIndex) {
        self.watch.died(host, self.world.truth.now);
        self.world.crash(host);
    }

    /// Lets a host say goodbye, and ends it.
    pub fn leave(&mut self, host: HostIndex) {
        self.input(host, Input::Leave);
        self.crash(host);
    }

    /// Puts a datagram in front of a host that none of the fleet sent.
    pub fn inject(&mut self, at: Micros, from: SocketAddr, host: HostIndex, bytes: Vec<u8>) {
        self.world.inject(at, from, host, Packet::Datagram(bytes));
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Micros) {
        let end = self.world.truth.now + time;
        self.world.run_until(end, &mut self.watch);
    }

    /// Lets time pass until all hosts agree with what is true, or for `limit`. Returns how long it took.
    pub fn converge(&mut self, limit: Micros) -> Option<Micros> {
        let start = self.world.truth.now;
        while self.world.truth.now <= start + limit {
            if self.disagreement().is_none() {
                return Some(self.world.truth.now - start);
            }
            self.run_for(LOOK_EVERY);
        }
        None
    }

    /// The first host that does not agree with what is true.
    pub fn disagreement(&self) -> Option<String> {
        let hosts = 0..self.world.len();
        let nodes: Vec<_> = hosts.clone().map(|host| self.world.node(host)).collect();
        hosts
            .into_iter()
            .find_map(|host| self.watch.disagreement(&self.world.truth, &nodes, host))
    }

    /// Converges within `limit`, or notes a violation.
    pub fn must_converge(&mut self, limit: Micros) -> Option<Micros> {
        let time = self.converge(limit);
        if time.is_none() {
            let what = self.disagreement().unwrap_or_default();
            self.watch
                .violate(self.world.truth.now, format!("no agreement: {what}"));
        }
        time
    }

    /// A random host that runs.
    pub fn any_running(&mut self) -> Option<HostIndex> {
        let hosts = 0..self.world.len();
        let running: Vec<_> = hosts.filter(|host| self.world.truth.runs(*host)).collect();
        let place = self.rng.next_u64() % running.len().max(1) as u64;
        running.get(usize::try_from(place).ok()?).copied()
    }
}

/// Addresses of hosts: 10.0.0.1 and on.
fn address(host: HostIndex) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(host + 1).unwrap_or(u32::MAX).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), PORT))
}
