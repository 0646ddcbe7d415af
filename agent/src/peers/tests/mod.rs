//! Fleets of hosts in one process, over loopback.

mod bounds;
mod exchange;
mod fleet;
mod hostile;
mod identity;
mod keys;
mod logs;
mod pulls;
mod silent;
mod simulated;
mod versions;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_membership::{ClusterId, Incarnation, State};
use kerf_telemetry::SelfMetrics;
use kerf_types::host_record::{Admission, Amount, CutPolicy, HostRecord, RecordVersion};
use kerf_types::peer::{Attempt, Body, PeerMessage, Tag, Term};
use kerf_types::{HostId, JobId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::join::{self, Resolve};
use super::{Event, Given, Me, Peer, Peers, Settings, Versions, start_with};
use crate::events::Events;

/// How long anything may take on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(60);

const CLUSTER: ClusterId = ClusterId(7);

/// A host of the fleet.
struct Host {
    me: Me,
    peers: Peers,
    events: mpsc::Receiver<Event>,
    ring: Events,
    metrics: Arc<SelfMetrics>,
}

fn me(number: u128, incarnation: u64) -> Me {
    Me {
        host: HostId::from_bits(number),
        name: format!("h{number}").parse().expect("a label"),
        incarnation: Incarnation(incarnation),
    }
}

fn settings(join: Vec<String>) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().expect("loopback"),
        advertise: None,
        join,
        cluster: CLUSTER,
        keys: None,
        insecure_dev: true,
        membership: None,
        versions: Versions::OURS,
    }
}

/// Starts a host that joins by these.
async fn host(number: u128, join: &[&Host]) -> Host {
    let join = join.iter().map(|host| host.address().to_string());
    host_with(me(number, 1), settings(join.collect()), join::system()).await
}

async fn host_with(me: Me, settings: Settings, resolve: Resolve) -> Host {
    // Which it is does not matter: the network is the kernel's, and its chance has no seed.
    let seed = 1;
    host_given(me, settings, Given { resolve, seed }).await
}

async fn host_given(me: Me, settings: Settings, given: Given) -> Host {
    let ring = Events::default();
    let metrics = Arc::new(SelfMetrics::try_new().expect("declared well"));
    let counted = Arc::clone(&metrics);
    let started = start_with(settings, me.clone(), ring.clone(), counted, given);
    let (peers, events) = started.await.expect("started");
    Host {
        me,
        peers,
        events,
        ring,
        metrics,
    }
}

impl Host {
    fn address(&self) -> SocketAddr {
        self.peers.address()
    }

    /// What this host says of itself.
    fn record(&self, revision: u64) -> HostRecord {
        let whole = |total| Amount { total, free: total };
        HostRecord {
            id: self.me.host,
            name: self.me.name.clone(),
            address: self.address().to_string(),
            version: RecordVersion { epoch: 1, revision },
            labels: BTreeMap::new(),
            admission: Admission::Open,
            policy: CutPolicy {
                on_demand: true,
                mode_change_when_idle: true,
            },
            host_network: true,
            keeps_jobs: true,
            models: Vec::new(),
            gpus: Vec::new(),
            cpu_milli: whole(8_000),
            memory_bytes: whole(1 << 34),
            load_per_mille: 0,
            jobs: 0,
            job_labels: Vec::new(),
            price_milli_per_hour: None,
        }
    }

    fn publish(&self, revision: u64) {
        let record = self.record(revision);
        self.peers.publish(&record).expect("a record");
    }

    /// Waits until this host sees another as `seen` says.
    async fn sees(&self, what: &str, other: &Me, seen: impl Fn(&Peer) -> bool) -> Peer {
        let mut list = self.peers.watch();
        let of = |peers: &[Peer]| {
            let mut found = peers.iter();
            let peer = found.find(|peer| peer.identity.host == other.host);
            peer.filter(|peer| seen(peer)).cloned()
        };
        let seen = timeout(LIMIT, list.wait_for(|peers| of(peers).is_some())).await;
        let name = &self.me.name;
        let seen = seen.unwrap_or_else(|_| panic!("{name} does not see {}: {what}", other.name));
        let seen = seen.expect("its driver runs").clone();
        of(&seen).expect("what was waited for")
    }

    async fn sees_alive(&self, other: &Host) {
        let alive = |peer: &Peer| peer.state == State::Alive;
        self.sees("alive", &other.me, alive).await;
    }

    /// The next event that is what is asked for.
    async fn hears<T>(&mut self, what: &str, pick: impl Fn(Event) -> Option<T>) -> T {
        let found = timeout(LIMIT, async {
            loop {
                let event = self.events.recv().await.expect("its driver runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        });
        let name = self.me.name.clone();
        found
            .await
            .unwrap_or_else(|_| panic!("{name} never hears {what}"))
    }

    fn told(&self) -> Vec<String> {
        let events = self.ring.after(0);
        let line = |event: &crate::events::Event| format!("{} {}", event.subject, event.text);
        events.iter().map(line).collect()
    }
}

/// Hosts that all know each other.
async fn fleet(count: u128) -> Vec<Host> {
    let mut hosts = vec![host(1, &[]).await];
    for number in 2..=count {
        let next = host(number, &[&hosts[0]]).await;
        hosts.push(next);
    }
    for one in &hosts {
        for other in hosts.iter().filter(|other| other.me != one.me) {
            one.sees_alive(other).await;
        }
    }
    hosts
}

/// Asks until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let asked = timeout(LIMIT, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    asked.await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn tag(member: u32) -> Tag {
    Tag {
        job: "01890a5d-ac96-774b-bcce-b302099a8057"
            .parse::<JobId>()
            .expect("an id"),
        attempt: Attempt::FIRST,
        member,
    }
}

fn message(member: u32) -> PeerMessage {
    PeerMessage {
        tag: tag(member),
        term: Term::NONE,
        body: Body::Query,
    }
}

fn wire(member: u32) -> v1::PeerMessage {
    v1::PeerMessage::from(&message(member))
}
