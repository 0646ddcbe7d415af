//! The state of a simulated machine: what a driver and its GPUs remember. Owns the serialised
//! form (one JSON document, format-numbered) and the counters that never go back; every change is
//! a method here or in the sibling modules and takes the time as an argument.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::events::Event;
use super::gpu::Gpu;
use super::imported::{self, Imported};
use super::mischief::{Armed, Delay};
use super::product::MemoryFigures;
use super::spec::{MachineSpec, PciFunction, Role};
use super::status::Status;
use super::tables;
use super::tool::ToolFault;

/// The number of the state's format; another number is refused, not guessed at.
pub const FORMAT: u32 = 1;

/// A machine: its name gives the fixed part, the rest changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Format number of this document.
    pub format: u32,
    /// Which `MachineSpec`; only a name where the state carries its own.
    pub name: String,
    /// What it consists of, where no table says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// Counts the changes.
    pub generation: u64,
    /// Handed to the next GPU or compute instance; a handle holds it, so a handle dies with its
    /// instance even if the id comes back.
    pub next_serial: u32,
    /// Number of the next event.
    pub next_event: u64,
    /// When the machine was made, µs since the epoch: energy counts from here.
    pub created_us: u64,
    /// Device nodes.
    pub nodes: Nodes,
    /// Choices in which real drivers differ.
    pub policy: Policy,
    /// Every call blocks, the first one included.
    pub driver_hung: bool,
    /// Functions of NVML that go wrong, in the order in which that befalls their calls. A state that was
    /// written before there were any has none.
    #[serde(default)]
    pub mischief: Vec<Armed>,
    /// How long every call takes.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// How long the calls of single functions take on top of that.
    #[serde(default)]
    pub delays: BTreeMap<String, Delay>,
    /// What goes wrong with the vendor's tools.
    #[serde(default)]
    pub tool_faults: Vec<ToolFault>,
    /// GPUs by NVML index.
    pub gpus: Vec<Gpu>,
    /// The latest events, oldest first.
    pub events: VecDeque<Event>,
}

/// The majors of the device nodes and whether the nodes are real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// Character nodes; false where the machine was made without the right to make them, and the
    /// files are plain and empty.
    pub real: bool,
    /// Major of `nvidia0`… and `nvidiactl`.
    pub frontend: u32,
    /// Major of `nvidia-uvm` and `nvidia-uvm-tools`.
    pub uvm: u32,
    /// Major of `nvidia-caps/*`.
    pub caps: u32,
    /// Major of `nvidia-caps-imex-channels/*`, which a tray of a rack has; 0 in a state from before there were any.
    #[serde(default)]
    pub imex: u32,
}

/// Choices in which real drivers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What becomes of the UUID when a place is cut again.
    pub mig_uuid: MigUuid,
    /// What an idle Ampere GPU does with a change of MIG mode.
    pub ampere_mode: AmpereMode,
    /// Which sizes of memory instances have, where drivers differ.
    #[serde(default)]
    pub memory: MemoryFigures,
    /// nvidia-persistenced runs and holds every GPU: none is reset, and an Ampere GPU leaves a
    /// change of MIG mode pending.
    #[serde(default)]
    pub persistence_daemon: bool,
    /// The module nvidia_drm is loaded, with the same effect.
    #[serde(default)]
    pub drm_module: bool,
}

impl Policy {
    /// Whether something that is no process on a GPU keeps the driver from resetting one.
    #[must_use]
    pub fn holds_gpus(&self) -> bool {
        self.persistence_daemon || self.drm_module
    }
}

/// What becomes of a MIG UUID when the same place is cut again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MigUuid {
    /// It is a new one, as NVIDIA's DRA driver observed.
    #[default]
    Changing,
    /// It is a name-based function of the place.
    Stable,
}

/// How an idle Ampere GPU changes its MIG mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AmpereMode {
    /// The driver resets it at once: bare metal.
    #[default]
    AtOnce,
    /// Only a reset from outside does it: passed through to a virtual machine.
    ResetRequired,
}

impl Machine {
    /// The fixed part. `None` when the state names a machine that this build does not know.
    #[must_use]
    pub fn spec(&self) -> Option<&'static MachineSpec> {
        match &self.imported {
            Some(imported) => Some(imported.spec()),
            None => tables::machine(&self.name),
        }
    }

    /// The GPU at that place on the bus.
    ///
    /// # Errors
    /// `InvalidArgument` for an index that is too large.
    pub fn gpu(&self, index: u32) -> Result<&Gpu, Status> {
        self.gpus.get(place(index)).ok_or(Status::InvalidArgument)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// `InvalidArgument` for an index that is too large.
    pub fn gpu_mut(&mut self, index: u32) -> Result<&mut Gpu, Status> {
        self.gpus
            .get_mut(place(index))
            .ok_or(Status::InvalidArgument)
    }

    /// A number for a new instance.
    pub fn take_serial(&mut self) -> u32 {
        self.next_serial += 1;
        self.next_serial
    }
}

/// The numbered PCI functions of a machine, computed once in a process. Empty for a machine that is neither in the
/// table nor imported, of which there is none.
#[must_use]
pub fn functions(spec: &'static MachineSpec) -> &'static [PciFunction] {
    static CACHE: [OnceLock<Vec<PciFunction>>; tables::MACHINES.len()] =
        [const { OnceLock::new() }; tables::MACHINES.len()];
    let mut known = CACHE.iter().zip(&tables::MACHINES);
    let cached = known.find(|(_, known)| known.name == spec.name);
    match cached {
        Some((functions, _)) => functions.get_or_init(|| spec.functions()),
        None => imported::functions(spec),
    }
}

/// The PCI function with that role.
#[must_use]
pub fn function(spec: &'static MachineSpec, role: Role) -> Option<&'static PciFunction> {
    functions(spec)
        .iter()
        .find(|function| function.role == role)
}

/// A `u32` index as a `usize`; NVML counts in 32 bits.
pub(crate) fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
