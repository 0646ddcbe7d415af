//! amdgpu and KFD: what they remember of a machine's GPUs, and the rules of partitioning them.
//!
//! After `amdgpu_gfx.c`, `amdgpu_xcp.c`, `amdgpu_gmc.c`, `aqua_vanjaram.c` and `kfd_topology.c` of Linux. Owns the
//! state and every change of it; what it shows stands in `show`, what is written in `write`.

mod control;
mod modes;
mod product;
mod show;
#[cfg(test)]
mod tests;
pub(crate) mod topology;
mod write;

use serde::{Deserialize, Serialize};

pub use modes::{Compute, Memory};
pub use product::{AmdProduct, Hive, MI250X, MI300X};
pub(crate) use show::drm_minors;

use crate::model::mix;
use crate::model::spec::{MachineSpec, Role};

/// The AMD GPUs of a machine and their drivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amd {
    /// Which machine: its product stands in the table.
    pub machine: String,
    /// The GPUs, in order of their addresses.
    pub gpus: Vec<Gpu>,
    /// In which order KFD lists them: one that is partitioned anew goes to the end.
    pub order: Vec<u32>,
    /// KFD counts the changes of its topology.
    pub generation: u64,
    /// The memory mode that was asked for. It is the hive's, not a GPU's, and nothing shows it.
    pub requested: Option<Memory>,
    /// Processes that have opened KFD.
    pub clients: Vec<Client>,
    /// Choices in which kernels differ.
    pub policy: Policy,
    /// Major of the DRM nodes.
    pub drm_major: u32,
    /// Major of `/dev/kfd`.
    pub kfd_major: u32,
    /// Sockets, which KFD lists first.
    pub sockets: u32,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Address, `0000:05:00.0`.
    pub bdf: String,
    /// Bus number.
    pub bus: u8,
    /// Its folder below `/`, without links.
    pub folder: String,
    /// NUMA node.
    pub node: u32,
    /// The driver's unique id.
    pub unique_id: u64,
    /// Serial number of the board.
    pub serial: String,
    /// Compute mode.
    pub compute: Compute,
    /// Memory mode.
    pub memory: Memory,
    /// The compute mode that KFD still lists.
    pub listed: Compute,
    /// Looks until KFD lists the new one.
    pub looks_left: u32,
    /// Whether it is in reset, when its attributes answer EPERM.
    pub in_reset: bool,
}

/// A process that has opened KFD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its process id.
    pub pid: u32,
    /// Start time of the process where it is a real one: the client goes with it.
    pub started: Option<u64>,
    /// PID namespace that the id is of.
    pub pid_namespace: Option<u64>,
    /// Place of the GPU whose memory it holds.
    pub gpu: u32,
    /// How much memory.
    pub memory_bytes: u64,
}

/// Choices in which kernels differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What the platform devices of partitions are called.
    pub xcp_names: XcpNames,
    /// Which processes keep a GPU from being partitioned.
    pub busy: Busy,
}

/// What the platform devices of partitions are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum XcpNames {
    /// `amdgpu_xcp_0`.
    #[default]
    Underscore,
    /// `amdgpu_xcp.0`.
    Dot,
}

/// Which processes keep a GPU from being partitioned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Busy {
    /// Any that has opened KFD, whichever GPU it uses: `kgd2kfd_check_and_lock_kfd` until 2025.
    #[default]
    AnyClient,
    /// Those that use this GPU.
    OwnClients,
}

/// Majors of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Majors {
    /// Of `/dev/dri/*`.
    pub drm: u32,
    /// Of `/dev/kfd`.
    pub kfd: u32,
}

impl Amd {
    /// The GPUs of a machine as they come up: whole. `None` for a machine without AMD GPUs.
    #[must_use]
    pub fn new(spec: &'static MachineSpec, seed: u64, majors: Majors) -> Option<Self> {
        spec.amd()?;
        let functions = spec.functions();
        let gpus: Vec<Gpu> = functions
            .iter()
            .filter_map(|function| match function.role {
                Role::Gpu(index) => Some((index, function)),
                _ => None,
            })
            .map(|(index, function)| {
                let draw = |nth: u64| mix(mix(seed ^ nth << 40) ^ u64::from(index));
                Gpu {
                    bdf: function.bdf.to_string(),
                    bus: function.bdf.bus,
                    folder: function.sysfs_folder(),
                    node: function.node,
                    unique_id: draw(1),
                    serial: format!("6922{:08}", draw(2) % 100_000_000),
                    compute: Compute::Spx,
                    memory: Memory::Nps1,
                    listed: Compute::Spx,
                    looks_left: 0,
                    in_reset: false,
                }
            })
            .collect();
        let order = (0..).zip(&gpus).map(|(index, _)| index).collect();
        Some(Self {
            machine: spec.name.to_owned(),
            gpus,
            order,
            generation: 1,
            requested: None,
            clients: Vec::new(),
            policy: Policy::default(),
            drm_major: majors.drm,
            kfd_major: majors.kfd,
            sockets: spec.sockets,
        })
    }

    /// The product of its GPUs.
    #[must_use]
    pub fn product(&self) -> &'static AmdProduct {
        let spec = crate::model::tables::machine(&self.machine);
        spec.and_then(MachineSpec::amd).unwrap_or(&MI300X)
    }

    /// Whether KFD has yet to list something.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.gpus.iter().any(|gpu| gpu.listed != gpu.compute)
    }

    /// A look at what is shown: what KFD has yet to list comes nearer.
    pub fn look(&mut self) {
        for place in self.places(|gpu| gpu.listed != gpu.compute) {
            let Some(gpu) = self.gpu_mut(place) else {
                continue;
            };
            gpu.looks_left = gpu.looks_left.saturating_sub(1);
            if gpu.looks_left == 0 {
                self.enumerate(place);
            }
        }
    }

    /// KFD takes the nodes of a GPU away and lists those that it has now behind all others.
    fn enumerate(&mut self, place: u32) {
        if let Some(gpu) = self.gpu_mut(place) {
            gpu.listed = gpu.compute;
            gpu.looks_left = 0;
        }
        self.order.retain(|other| *other != place);
        self.order.push(place);
        self.generation += 1;
    }

    fn places(&self, which: impl Fn(&Gpu) -> bool) -> Vec<u32> {
        let numbered = (0..).zip(&self.gpus);
        let found = numbered.filter(|(_, gpu)| which(gpu));
        found.map(|(place, _)| place).collect()
    }

    fn gpu_mut(&mut self, place: u32) -> Option<&mut Gpu> {
        self.gpus.get_mut(crate::model::machine::place(place))
    }
}
