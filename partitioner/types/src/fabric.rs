//! What joins a GPU to more than its PCIe bus: the NVLink fabric of a cluster, and the links to its own processor.
//!
//! Owns the words and the bits; who asks the driver is the partitioner. The numbers are those of nvml.h of driver 590
//! (`nvmlGpuFabricInfo_v3_t`, `NVML_GPU_FABRIC_HEALTH_MASK_*`).

use std::fmt;

/// How far a GPU is on its way into the fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FabricState {
    /// It has no switches of NVLink to be joined by.
    NotSupported,
    /// Nobody has begun: the fabric manager does not run.
    NotStarted,
    /// The fabric manager is at it.
    InProgress,
    /// It is done; whether it went well is the status.
    Completed,
    /// A number that nvml.h of driver 590 does not name.
    Other(u32),
}

impl FabricState {
    /// The state of NVML's number.
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::NotSupported,
            1 => Self::NotStarted,
            2 => Self::InProgress,
            3 => Self::Completed,
            other => Self::Other(other),
        }
    }

    /// NVML's number.
    pub fn number(self) -> u32 {
        match self {
            Self::NotSupported => 0,
            Self::NotStarted => 1,
            Self::InProgress => 2,
            Self::Completed => 3,
            Self::Other(number) => number,
        }
    }
}

impl fmt::Display for FabricState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupported => f.write_str("not-supported"),
            Self::NotStarted => f.write_str("not-started"),
            Self::InProgress => f.write_str("in-progress"),
            Self::Completed => f.write_str("completed"),
            Self::Other(number) => write!(f, "nvml-{number}"),
        }
    }
}

/// A GPU's place in the fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fabric {
    /// How far it is.
    pub state: FabricState,
    /// NVML's return code of joining it, 0 for success; `None` before it is completed, for then it says nothing.
    pub status: Option<u32>,
    /// UUID of the cluster, which GPUs of other hosts can share; `None` before it is completed, and where it is all
    /// zeros, as it is for a fabric within one host.
    pub cluster: Option<[u8; 16]>,
    /// The clique in the cluster: GPUs of one clique reach each other's memory. `None` before it is completed.
    pub clique: Option<u32>,
    /// How the fabric is for this GPU; `None` where the driver only knows the form without it.
    pub health: Option<FabricHealth>,
}

impl Fabric {
    /// What is wrong with it, in words; empty where nothing is known to be.
    pub fn complaints(&self) -> Vec<String> {
        match (self.state, self.status) {
            (FabricState::NotSupported, _) => Vec::new(),
            (FabricState::Completed, Some(code)) if code != 0 => {
                vec![format!("joining it failed with NVML return code {code}")]
            }
            (FabricState::Completed, _) => {
                self.health.map_or_else(Vec::new, FabricHealth::complaints)
            }
            (FabricState::NotStarted, _) => vec!["joining it has not started".to_owned()],
            (FabricState::InProgress, _) => vec!["joining it is still in progress".to_owned()],
            (FabricState::Other(number), _) => vec![format!("it is in state {number}")],
        }
    }

    /// The cluster's UUID as nvidia-smi prints it.
    pub fn cluster_text(&self) -> Option<String> {
        let text = |bytes: [u8; 16]| {
            let mut text = String::with_capacity(36);
            for (at, byte) in bytes.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                text.push_str(&format!("{byte:02x}"));
            }
            text
        };
        self.cluster.map(text)
    }
}

/// The health of the fabric as one GPU sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FabricHealth {
    /// NVML's mask as it is: fields of two bits that say yes, no or nothing, and the configuration from bit 8 on.
    pub mask: u32,
    /// The verdict of drivers that give one (the third form); `None` where there is none.
    pub summary: Option<FabricSummary>,
}

/// The driver's own verdict of the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FabricSummary {
    /// Nothing is wrong.
    Healthy,
    /// Something is.
    Unhealthy,
    /// It works with less than its whole bandwidth.
    LimitedCapacity,
    /// A number that nvml.h of driver 590 does not name.
    Other(u32),
}

impl FabricSummary {
    /// The verdict of NVML's number; `None` for "not supported".
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Healthy),
            2 => Some(Self::Unhealthy),
            3 => Some(Self::LimitedCapacity),
            other => Some(Self::Other(other)),
        }
    }

    /// NVML's number.
    pub fn number(self) -> u32 {
        match self {
            Self::Healthy => 1,
            Self::Unhealthy => 2,
            Self::LimitedCapacity => 3,
            Self::Other(number) => number,
        }
    }
}

impl fmt::Display for FabricSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::LimitedCapacity => f.write_str("limited-capacity"),
            Self::Other(number) => write!(f, "nvml-{number}"),
        }
    }
}

/// How the GPU was found to be configured for the fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FabricConfiguration {
    /// Rightly.
    Right,
    /// Its system's GUID is not that of the fabric.
    SystemGuid,
    /// The serial number of its chassis is not that of the fabric.
    ChassisSerial,
    /// It belongs to no partition.
    NoPartition,
    /// Fewer NVLinks are up than the fabric needs.
    TooFewLinks,
    /// A number that nvml.h of driver 590 does not name.
    Other(u32),
}

impl fmt::Display for FabricConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::SystemGuid => f.write_str("system-guid"),
            Self::ChassisSerial => f.write_str("chassis-serial"),
            Self::NoPartition => f.write_str("no-partition"),
            Self::TooFewLinks => f.write_str("too-few-nvlinks"),
            Self::Other(number) => write!(f, "nvml-{number}"),
        }
    }
}

impl FabricHealth {
    /// Whether it runs with less than its bandwidth; `None` where the driver does not say.
    pub fn degraded_bandwidth(self) -> Option<bool> {
        self.answer(0)
    }

    /// Whether routes are being made anew.
    pub fn route_recovery(self) -> Option<bool> {
        self.answer(2)
    }

    /// Whether a route is unhealthy.
    pub fn route_unhealthy(self) -> Option<bool> {
        self.answer(4)
    }

    /// Whether it recovers from an access that timed out.
    pub fn access_timeout_recovery(self) -> Option<bool> {
        self.answer(6)
    }

    /// How it is configured; `None` where the driver does not say.
    pub fn configuration(self) -> Option<FabricConfiguration> {
        match (self.mask >> 8) & 0xf {
            0 => None,
            1 => Some(FabricConfiguration::Right),
            2 => Some(FabricConfiguration::SystemGuid),
            3 => Some(FabricConfiguration::ChassisSerial),
            4 => Some(FabricConfiguration::NoPartition),
            5 => Some(FabricConfiguration::TooFewLinks),
            other => Some(FabricConfiguration::Other(other)),
        }
    }

    /// A field of two bits: 1 is yes, 2 is no; 0 is "not supported" and 3 has no meaning.
    fn answer(self, shift: u32) -> Option<bool> {
        match (self.mask >> shift) & 0b11 {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        }
    }

    /// What the mask says is wrong, in words; a verdict alone, where the mask names nothing.
    pub fn complaints(self) -> Vec<String> {
        let named = [
            (self.degraded_bandwidth(), "its bandwidth is degraded"),
            (self.route_recovery(), "its routes are being recovered"),
            (self.route_unhealthy(), "a route is unhealthy"),
            (
                self.access_timeout_recovery(),
                "it recovers from an access that timed out",
            ),
        ];
        let named = named.into_iter().filter(|(is, _)| *is == Some(true));
        let mut complaints: Vec<String> = named.map(|(_, words)| words.to_owned()).collect();
        complaints.extend(match self.configuration() {
            None | Some(FabricConfiguration::Right) => None,
            Some(FabricConfiguration::SystemGuid) => {
                Some("it is configured with a wrong system GUID".to_owned())
            }
            Some(FabricConfiguration::ChassisSerial) => {
                Some("it is configured with a wrong chassis serial number".to_owned())
            }
            Some(FabricConfiguration::NoPartition) => {
                Some("it is configured into no partition".to_owned())
            }
            Some(FabricConfiguration::TooFewLinks) => {
                Some("too few NVLinks are up for its configuration".to_owned())
            }
            Some(FabricConfiguration::Other(number)) => {
                Some(format!("its configuration is wrong in way {number}"))
            }
        });
        match self.summary {
            Some(FabricSummary::Healthy) | None => {}
            Some(verdict) if complaints.is_empty() => {
                complaints.push(format!("the driver calls it {verdict}"));
            }
            Some(_) => {}
        }
        complaints
    }
}

/// One NVLink-C2C link between a GPU and the processor on its module (Grace Hopper, Grace Blackwell).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct C2cLink {
    /// Link number.
    pub link: u32,
    /// Whether it is up; `None` where the driver does not say.
    pub active: Option<bool>,
    /// What it carries one way, in megabytes a second; `None` where the driver does not say, and for one that is down.
    pub mbps: Option<u32>,
}

#[cfg(test)]
mod tests;
