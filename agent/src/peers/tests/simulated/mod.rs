//! The real driver, TLS, service and calls over turmoil's network: hosts in one thread, in virtual time, from a seed.
//!
//! What they run on is not the kernel's, and all the rest is as it ships: sealed gossip by the core's driver, and messages
//! by tonic over connections with a certificate on both ends, which break and are made anew. Their certificates and keys come
//! from a cluster that real hosts have made and joined before, over loopback.
//!
//! The seed gives who hears what and when: delays, losses, cuts, crashes, and what the cores choose. The turns that tokio
//! takes in a `select!`, and keys of TLS, are not from the seed, so a run is not repeated to the datagram. What is asked of
//! it must hold in each; one that fails prints its seed.

mod jobs;
mod judge;
mod node;
mod views;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::super::{Given, Settings};
use super::Host;
use super::identity::DAY;
use crate::cluster::Cluster;

/// Where each listens.
const PORT: u16 = 9_451;

/// Hosts of a simulation.
const ALL: [u8; 5] = [1, 2, 3, 4, 5];

/// Time between two looks at a host. Delays are whole numbers of it.
const TICK: Duration = Duration::from_millis(5);

/// What a host is called in the simulation.
fn name(number: u8) -> String {
    format!("h{number}")
}

/// State folders of hosts that are members of one cluster.
fn members() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let count = u128::try_from(ALL.len()).expect("few");
    runtime.block_on(async {
        drop(super::identity::cluster(count, folder.path()).await);
    });
    folder
}

/// A host of the simulation that runs from now on; it joins by the first two. To be called within it.
async fn start(number: u8, incarnation: u64, seed: u64, folder: &Path) -> Host {
    let at = |number: u8| SocketAddr::new(turmoil::lookup(name(number)), PORT);
    let me = super::me(number.into(), incarnation);
    let state = folder.join(number.to_string());
    let place = Cluster::open(&state, me.host, DAY).expect("it is a member");
    let settings = Settings {
        // The simulation knows no other way to listen.
        listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT),
        advertise: Some(at(number)),
        insecure_dev: false,
        membership: Some(place.watch()),
        ..super::settings(vec![name(1), name(2)])
    };
    let given = Given {
        resolve: Arc::new(|name| {
            // Others are where members were met when they joined.
            let found = ALL.into_iter().find(|number| self::name(*number) == name);
            let found =
                found.map(|number| SocketAddr::new(turmoil::lookup(self::name(number)), PORT));
            let found = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
            Box::pin(async move { found.map(|at| vec![at]) })
        }),
        seed: seed ^ (u64::from(number) << 32) ^ incarnation,
    };
    super::host_given(me, settings, given).await
}

/// A network from a seed: 5 to 50 ms for a message, and now and then a way that takes nothing until one comes through
/// again, every second time. A connection does not outlive that: turmoil sends nothing twice.
fn network(seed: u64, time: Duration, fails: f64) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .simulation_duration(time)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(5))
        .max_message_latency(Duration::from_millis(50))
        .fail_rate(fails)
        .repair_rate(0.5)
        .tcp_capacity(1_024)
        .udp_capacity(1_024)
        .enable_random_order();
    builder
}

/// Cuts all ways between these hosts and those, or makes them whole again.
fn cut(sim: &turmoil::Sim<'_>, these: &[u8], those: &[u8], apart: bool) {
    for one in these {
        for other in those {
            if apart {
                sim.partition(name(*one), name(*other));
            } else {
                sim.repair(name(*one), name(*other));
            }
        }
    }
}

/// The next moment of a simulation.
fn step(sim: &mut turmoil::Sim<'_>, seed: u64) {
    let stepped = sim.step();
    assert!(stepped.is_ok(), "seed {seed}: {stepped:?}");
}

/// Tells the seed and what came of it, for whoever looks.
fn measured(seed: u64, what: &str) {
    println!("seed {seed}: {what}");
}
