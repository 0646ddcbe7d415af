//! Finding the fleet: names of hosts become addresses, again and again while nobody is there.
//!
//! The core asks the addresses by itself, with pauses of its own. Names are resolved here at each of this task's
//! tries, so a host that comes up before its DNS does, or whose seeds have moved, still finds the fleet.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::driver::Command;
use super::shared::{Shared, lock};

/// First pause between two tries, doubled with each up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// See [`FIRST_PAUSE`]. A seed that comes back is asked soon enough, and name servers are spared.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Time between two looks whether this host is alone again.
const LOOK: Duration = Duration::from_secs(5);

/// How long one name may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most addresses of one name.
const ADDRESSES: usize = 16;

/// What a name stands for, some time later.
type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Finds the addresses of `host:port`.
pub(super) type Resolve = Arc<dyn Fn(String) -> Resolved + Send + Sync>;

/// The system's resolver.
pub(super) fn system() -> Resolve {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host(name).await?.collect()) }))
}

/// The search for a fleet.
pub(super) struct Join {
    names: Vec<String>,
    resolve: Resolve,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Join {
    pub fn new(
        names: Vec<String>,
        resolve: Resolve,
        shared: Arc<Shared>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        lock(&shared.seeds).clone_from(&names);
        Self {
            names,
            resolve,
            shared,
            commands,
        }
    }

    /// Tries until this host ends.
    pub async fn run(self) {
        let stop = self.shared.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.search() => {}
        }
    }

    async fn search(&self) {
        let mut told = BTreeSet::new();
        let mut pause = FIRST_PAUSE;
        loop {
            if self.shared.has_company() {
                pause = FIRST_PAUSE;
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let found = self.addresses().await;
            // Asking for the same ones again would only make the core forget its pauses.
            if !found.is_empty() && found != told {
                told.clone_from(&found);
                let seeds = found.into_iter().collect();
                if self.commands.send(Command::Join(seeds)).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The addresses of all names; what could not be resolved is noted for `kerf status`.
    async fn addresses(&self) -> BTreeSet<SocketAddr> {
        let mut found = BTreeSet::new();
        for name in &self.names {
            let resolved = tokio::time::timeout(PATIENCE, (self.resolve)(name.clone()));
            let why = match resolved.await {
                Ok(Ok(addresses)) if addresses.is_empty() => "it has no address".to_owned(),
                Ok(Ok(addresses)) => {
                    let canonical = addresses
                        .into_iter()
                        .map(|at| SocketAddr::new(at.ip().to_canonical(), at.port()));
                    found.extend(canonical.take(ADDRESSES));
                    lock(&self.shared.unresolved).remove(name);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::debug!(name, error = why, "host to join not resolved");
            lock(&self.shared.unresolved).insert(name.clone(), why);
        }
        found
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
