//! The other hosts of the fleet: who they are, what they say of themselves, and a way to talk to them.
//!
//! ```text
//!   UDP ──datagrams──► driver (owns kerf_membership::Core) ──► events ──► whoever schedules
//!                        │    ▲                                  ▲
//!                        │    └── join (names), publish          │ Message
//!                        ▼                                       │
//!                      roster ──► service (kerf.peer.v1.Peer over TCP, the same port)
//!                        └──────► links (one task and connection for each peer that is talked to)
//! ```
//! It owns the sockets, the clock of the membership core and the queues. It never decides what a message means,
//! and never waits for a peer: each has its own queue, connection and deadline, so a silent one holds up nobody.
//!
//! In a cluster with identity every connection is TLS 1.3 with a certificate on both ends, gossip is sealed and records
//! are signed; before this host is a member of one, nobody is listened to. With `--insecure-dev` calls are neither encrypted
//! nor authenticated, nor is gossip without a keyring: [`start`] says so loudly. Whoever reaches the port can then speak in
//! any host's name, from that host's IP address. What a peer says is bounded and checked all the same.

mod begin;
mod cluster;
mod connection;
mod driver;
mod error;
mod flood;
mod handle;
mod join;
pub mod keyring;
mod lines;
mod link;
pub(crate) mod net;
mod problems;
mod pull;
mod quota;
mod roster;
mod secure;
mod service;
mod settings;
mod shared;
mod sockets;
mod upkeep;
mod version;

use std::sync::Arc;

use kerf_telemetry::SelfMetrics;
use tokio::sync::{mpsc, watch};

pub use cluster::Revocation;
pub use error::PeersError;
pub use handle::Peers;
pub use roster::{Event, Peer};
pub use settings::{Me, Settings, Shows};
pub use version::Versions;

use crate::events::Events;
use begin::Parts;
use join::Resolve;
use shared::Shared;

/// Events that wait for whoever schedules. State of a host that waits longer is merged into its newest state,
/// messages beyond it are refused and come again.
const EVENTS: usize = 1_024;

/// Questions to the driver that wait. Each is answered within a step of the core.
const COMMANDS: usize = 64;

/// Meets the fleet: listens, asks the hosts to join, and tells of all that happens in the returned channel.
///
/// Everything ends when the last clone of the handle is dropped, without a word to anybody: the fleet then finds
/// this host dead. [`Peers::leave`] says goodbye.
pub async fn start(
    settings: Settings,
    me: Me,
    events: Events,
    metrics: Arc<SelfMetrics>,
) -> Result<(Peers, mpsc::Receiver<Event>), PeersError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(PeersError::Random)?;
    let given = Given {
        resolve: join::system(),
        seed: u64::from_le_bytes(seed),
    };
    start_with(settings, me, events, metrics, given).await
}

/// What comes from the system, unless a test has its own.
struct Given {
    /// What names stand for.
    resolve: Resolve,
    /// Of the core's random choices.
    seed: u64,
}

/// [`start`] with what a test has instead of the system's.
async fn start_with(
    settings: Settings,
    me: Me,
    events: Events,
    metrics: Arc<SelfMetrics>,
    given: Given,
) -> Result<(Peers, mpsc::Receiver<Event>), PeersError> {
    let (listener, wire) = sockets::bind(settings.listen).await?;
    let bound = wire.address();
    let address = settings.told(bound)?;
    let (sender, receiver) = mpsc::channel(EVENTS);
    let (commands, asked) = mpsc::channel(COMMANDS);
    let (payload, published) = watch::channel(None);
    let local = sockets::source(bound.ip(), address.ip()).await;
    let mut shared = Shared::new(me, address, local, sender, events, metrics);
    shared.insecure_dev = settings.insecure_dev;
    shared.versions = settings.versions;
    let shared = Arc::new(shared);
    let parts = Parts {
        listener,
        wire,
        shared: Arc::clone(&shared),
        commands: commands.clone(),
        asked,
        published,
        join: settings.join,
        resolve: given.resolve,
        seed: given.seed,
    };
    match settings.membership {
        Some(membership) => {
            tokio::spawn(parts.begin_as_member(membership));
        }
        None => {
            if let Some(keys) = settings.keys
                && shared.keys.set(keys).is_err()
            {
                tracing::error!("keys are there already");
            }
            tracing::warn!(
                address = %address,
                peer.id = %shared.me.host,
                gossip_sealed = shared.keys.get().is_some(),
                "peers are neither encrypted nor authenticated: whoever reaches the port speaks in any host's name"
            );
            parts.begin(settings.cluster);
        }
    }
    Ok((Peers::new(shared, commands, payload), receiver))
}

#[cfg(test)]
mod tests;
