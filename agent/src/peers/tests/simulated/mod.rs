//! The real driver, service and calls over turmoil's network: hosts in one thread, in virtual time, from a seed.
//!
//! What they run on is not the kernel's and all the rest is ours as it ships: gossip by the core's driver, messages by
//! tonic with its deadlines and connections that are made anew. The chance of hash tables in tonic is not from the
//! seed, so a run is not repeated to the datagram; what is asked of it must hold in each.

mod jobs;
mod node;
mod views;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kerf_membership::ClusterId;

use super::super::{Given, Settings};
use super::Host;

/// Where each listens.
const PORT: u16 = 9_451;

/// The fleet.
const CLUSTER: ClusterId = ClusterId(9);

/// What a host is called in the simulation.
fn name(number: u8) -> String {
    format!("h{number}")
}

/// A host of the simulation that runs from now on; it joins by the first two. To be called within it.
async fn start(number: u8, incarnation: u64, seed: u64) -> Host {
    let at = |number: u8| SocketAddr::new(turmoil::lookup(name(number)), PORT);
    let settings = Settings {
        // The simulation knows no other way to listen.
        listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT),
        advertise: Some(at(number)),
        join: vec![name(1), name(2)],
        cluster: CLUSTER,
        keys: None,
        insecure_dev: true,
    };
    let given = Given {
        resolve: Arc::new(|name| {
            let found = SocketAddr::new(turmoil::lookup(name), PORT);
            Box::pin(async move { Ok::<_, io::Error>(vec![found]) })
        }),
        seed: seed ^ u64::from(number) << 32 ^ incarnation,
    };
    super::host_given(super::me(number.into(), incarnation), settings, given).await
}

/// A network from a seed: 1 to 20 ms for a message.
fn network(seed: u64, time: Duration) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .simulation_duration(time)
        .tick_duration(Duration::from_millis(2))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20));
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
