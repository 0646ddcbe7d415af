//! What the service works with.

use std::pin::Pin;
use std::sync::Arc;

use kerf_telemetry::SelfMetrics;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::Status;

use super::{Imports, StatusFacts};
use crate::config::Config;
use crate::events::Events;
use crate::fleet::FleetView;
use crate::host::HostHandle;
use crate::jobs::Jobs;
use crate::peers::Peers;

/// A stream of answers.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the service works with.
#[derive(Debug, Clone)]
pub struct Service {
    /// The owner of slices and leases.
    pub host: HostHandle,
    /// Jobs.
    pub jobs: Jobs,
    /// The other hosts; `None` where this one runs alone.
    pub peers: Option<Peers>,
    /// Imports of images under way.
    pub imports: Imports,
    /// Events.
    pub events: Events,
    /// What this host knows of the fleet.
    pub fleet: watch::Receiver<Arc<FleetView>>,
    /// Configuration in force, with the files that it came from.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// Facts for the status.
    pub facts: StatusFacts,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
}

/// A configuration and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// Files, in the order in which they were read.
    pub files: Vec<String>,
}
