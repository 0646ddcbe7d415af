//! What the service works with.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use kerf_api::v1;
use kerf_telemetry::SelfMetrics;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::Status;

use super::{Imports, StatusFacts, documents, layouts};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::config::file::FileConfig;
use crate::events::Events;
use crate::fleet::{Asks, FleetView};
use crate::host::HostHandle;
use crate::jobs::Jobs;
use crate::peers::Peers;
use crate::process::workers::Processes;

/// A stream of answers.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the service works with.
#[derive(Debug, Clone)]
pub struct Service {
    /// The owner of slices and leases.
    pub host: HostHandle,
    /// The way to processes and containers.
    pub processes: Processes,
    /// Jobs.
    pub jobs: Jobs,
    /// The other hosts; `None` where this one runs alone.
    pub peers: Option<Peers>,
    /// This host's place in a cluster.
    pub cluster: Arc<Cluster>,
    /// Imports of images under way.
    pub imports: Imports,
    /// Events.
    pub events: Events,
    /// What this host knows of the fleet.
    pub fleet: watch::Receiver<Arc<FleetView>>,
    /// The way to the scheduler.
    pub asks: Asks,
    /// Configuration in force, with the files that it came from.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// Facts for the status.
    pub facts: StatusFacts,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
}

impl Service {
    /// How this host is.
    pub(super) fn status(&self) -> v1::Status {
        let mut facts = self.facts.clone();
        facts.jobs_active = u32::try_from(self.jobs.active()).unwrap_or(u32::MAX);
        let mut problems = self.jobs.problems();
        let peers = self.peers.as_ref();
        problems.extend(peers.map(Peers::problems).unwrap_or_default());
        let address = peers.map(Peers::address);
        documents::status(&self.host.view(), problems, address, &facts)
    }

    /// The configuration in force.
    pub(super) fn shown_config(&self) -> Result<v1::Config, Status> {
        let loaded = self.config.borrow().clone();
        let toml = toml::to_string(&FileConfig::from(&loaded.config));
        Ok(v1::Config {
            toml: toml.map_err(|error| Status::internal(error.to_string()))?,
            files: loaded.files.clone(),
        })
    }

    /// What a layout would change.
    pub(super) async fn planned(
        &self,
        request: v1::PlanLayoutRequest,
        begun: Instant,
    ) -> Result<v1::Plan, Status> {
        let compare = request.compare;
        let request = layouts::planned(request)?;
        let plan = match compare {
            true => self.host.compare(request).await,
            false => self.host.plan(request).await,
        };
        let duration = &self.metrics.plan_duration;
        duration.observe(begun.elapsed().as_secs_f64());
        let (generation, plan) = plan?;
        Ok(documents::plan(generation, &plan))
    }
}

/// A configuration and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// Files, in the order in which they were read.
    pub files: Vec<String>,
}
