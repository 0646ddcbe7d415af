//! The NVLink fabric as a driver tells of it, and the links between a Grace and its GPUs. Owns what is told and what
//! can be wrong with it; numbers are those of nvml.h.

use serde::{Deserialize, Serialize};
use uuid::Builder;

use super::machine::{Machine, functions};
use super::mix;
use super::product::Architecture;
use super::spec::{MachineSpec, Role};

/// `NVML_GPU_FABRIC_STATE_*`.
const NOT_SUPPORTED: u32 = 0;
const NOT_STARTED: u32 = 1;
const IN_PROGRESS: u32 = 2;
const COMPLETED: u32 = 3;

/// Every field of the health mask says no, and the configuration is right.
const WELL: u32 = 0b10 | 0b10 << 2 | 0b10 << 4 | 0b10 << 6 | 1 << 8;

/// Links of one Grace to the GPUs of its module, and what each carries one way in MB/s: what `nvidia-smi c2c -s` prints
/// on a GH200. Those of a Grace with two GPUs are dealt evenly, which nobody has confirmed.
const C2C_LINKS: u32 = 10;
const C2C_MBPS: u32 = 44_712;

/// What is wrong with a GPU's way into the fabric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FabricFault {
    /// Nothing.
    #[default]
    None,
    /// The fabric manager does not run.
    NotStarted,
    /// The fabric manager is not done with it.
    InProgress,
    /// Joining it failed.
    Failed,
    /// It runs with less than its bandwidth.
    Degraded,
    /// A route is unhealthy.
    RouteUnhealthy,
    /// It is configured into no partition.
    NoPartition,
}

impl FabricFault {
    /// Every fault with its word.
    pub const WORDS: [(&str, Self); 6] = [
        ("not-started", Self::NotStarted),
        ("in-progress", Self::InProgress),
        ("failed", Self::Failed),
        ("degraded", Self::Degraded),
        ("route-unhealthy", Self::RouteUnhealthy),
        ("no-partition", Self::NoPartition),
    ];
}

/// What the driver tells of one GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FabricTold {
    /// UUID of the cluster: zeros for a fabric within one host.
    pub cluster: [u8; 16],
    /// Return code of joining it.
    pub status: u32,
    /// Clique.
    pub clique: u32,
    /// State.
    pub state: u32,
    /// Health mask.
    pub mask: u32,
    /// Summary of the mask.
    pub summary: u8,
}

impl Machine {
    /// What the driver tells of a GPU's fabric. Links from GPU to GPU make none.
    #[must_use]
    pub fn fabric(&self, gpu: u32) -> FabricTold {
        let fault = self.gpu(gpu).map_or(FabricFault::None, |gpu| gpu.fabric);
        if self.switch_links(gpu) == 0 {
            return FabricTold {
                state: NOT_SUPPORTED,
                ..FabricTold::default()
            };
        }
        // Hopper's answers "not supported" in every field as long as nothing is wrong.
        let well = match self.product().map(|product| product.architecture) {
            Ok(Architecture::Blackwell) => (WELL, 1),
            _ => (0, 0),
        };
        let (state, status, (mask, summary)) = match fault {
            FabricFault::None => (COMPLETED, 0, well),
            FabricFault::NotStarted => (NOT_STARTED, 0, (0, 0)),
            FabricFault::InProgress => (IN_PROGRESS, 0, (0, 0)),
            FabricFault::Failed => (COMPLETED, 999, well),
            FabricFault::Degraded => (COMPLETED, 0, (WELL & !0b11 | 1, 3)),
            FabricFault::RouteUnhealthy => (COMPLETED, 0, (WELL & !(0b11 << 4) | 1 << 4, 2)),
            FabricFault::NoPartition => (COMPLETED, 0, (WELL & 0xff | 4 << 8, 2)),
        };
        let rack = self
            .spec()
            .filter(|spec| spec.is_in_rack() && state == COMPLETED);
        FabricTold {
            cluster: rack.map_or([0; 16], cluster),
            status,
            clique: rack.map_or(0, |_| 1),
            state,
            mask,
            summary,
        }
    }

    /// How many links join a GPU to its processor.
    #[must_use]
    pub fn c2c_links(&self, gpu: u32) -> u32 {
        let Some(spec) = self.spec().filter(|spec| spec.memory_node(gpu).is_some()) else {
            return 0;
        };
        let gpus = functions(spec)
            .iter()
            .filter(|function| matches!(function.role, Role::Gpu(_)))
            .count();
        let per_socket = u32::try_from(gpus).unwrap_or(u32::MAX) / spec.sockets.max(1);
        C2C_LINKS / per_socket.max(1)
    }

    /// What one of these links carries one way, in MB/s.
    #[must_use]
    pub fn c2c_mbps(&self) -> u32 {
        C2C_MBPS
    }
}

/// All machines of one name are trays of one rack.
fn cluster(spec: &MachineSpec) -> [u8; 16] {
    let fold = |seed, byte: u8| mix(seed ^ u64::from(byte));
    let high = spec.name.bytes().fold(1, fold);
    let low = mix(high);
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    Builder::from_random_bytes(bytes).into_uuid().into_bytes()
}
