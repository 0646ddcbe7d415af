//! A GPU's place in the NVLink fabric, its links to its processor, and the host's IMEX channels, as documents show them.

use kerf_types::fabric as facts;
use schemars::JsonSchema;
use serde::Serialize;

/// A GPU's place in the NVLink fabric, from `nvmlDeviceGetGpuFabricInfoV`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fabric {
    /// `not-supported`, `not-started`, `in-progress` or `completed`; a number without a name is `nvml-` and the number.
    pub state: String,
    /// NVML's return code of joining it, 0 for success; null before it is completed.
    pub status: Option<u32>,
    /// UUID of the cluster, which GPUs of other hosts can share; null before it is completed, and for a fabric within
    /// one host.
    pub cluster: Option<String>,
    /// The clique in the cluster, in which GPUs reach each other's memory; null before it is completed.
    pub clique: Option<u32>,
    /// How it is for this GPU; null where the driver is too old to say.
    pub health: Option<FabricHealth>,
    /// What is wrong with it, in words; empty where nothing is known to be.
    pub complaints: Vec<String>,
}

/// The health mask; what the driver does not say is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FabricHealth {
    /// The mask as NVML gives it.
    pub mask: u32,
    /// Whether it runs with less than its bandwidth.
    pub degraded_bandwidth: Option<bool>,
    /// Whether routes are being made anew.
    pub route_recovery: Option<bool>,
    /// Whether a route is unhealthy.
    pub route_unhealthy: Option<bool>,
    /// Whether it recovers from an access that timed out.
    pub access_timeout_recovery: Option<bool>,
    /// How it is configured: `right`, `system-guid`, `chassis-serial`, `no-partition` or `too-few-nvlinks`.
    pub configuration: Option<String>,
    /// The driver's verdict: `healthy`, `unhealthy` or `limited-capacity`.
    pub summary: Option<String>,
}

/// One NVLink-C2C link between a GPU and the processor on its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct C2cLink {
    /// Link number.
    pub link: u32,
    /// Whether it is up.
    pub active: Option<bool>,
    /// What it carries one way, in megabytes a second.
    pub mbps: Option<u32>,
}

/// IMEX channels of the host, by which processes of several hosts reach each other's GPU memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImexChannels {
    /// Channels that the driver was loaded for, numbered from 0; null where it does not say.
    pub count: Option<u32>,
    /// Channels whose device nodes exist (`/dev/nvidia-caps-imex-channels/channel<N>`).
    pub nodes: Vec<u32>,
}

impl From<&kerf_types::map::ImexChannels> for ImexChannels {
    fn from(imex: &kerf_types::map::ImexChannels) -> Self {
        Self {
            count: imex.count,
            nodes: imex.nodes.clone(),
        }
    }
}

impl From<&facts::Fabric> for Fabric {
    fn from(fabric: &facts::Fabric) -> Self {
        Self {
            state: fabric.state.to_string(),
            status: fabric.status,
            cluster: fabric.cluster_text(),
            clique: fabric.clique,
            health: fabric.health.map(Into::into),
            complaints: fabric.complaints(),
        }
    }
}

impl From<facts::FabricHealth> for FabricHealth {
    fn from(health: facts::FabricHealth) -> Self {
        Self {
            mask: health.mask,
            degraded_bandwidth: health.degraded_bandwidth(),
            route_recovery: health.route_recovery(),
            route_unhealthy: health.route_unhealthy(),
            access_timeout_recovery: health.access_timeout_recovery(),
            configuration: health.configuration().map(|word| word.to_string()),
            summary: health.summary.map(|word| word.to_string()),
        }
    }
}

impl From<&facts::C2cLink> for C2cLink {
    fn from(link: &facts::C2cLink) -> Self {
        let facts::C2cLink { link, active, mbps } = *link;
        Self { link, active, mbps }
    }
}
