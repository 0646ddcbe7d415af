//! AMD GPUs as kerf sees them: what they are, how they are partitioned, and which modes go together.
//!
//! An AMD GPU is cut as a whole: a compute partition mode says how its XCCs (accelerator complex dies) are
//! grouped, a memory partition mode (NPS) how its memory is interleaved. There are no placements.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::bytes::Bytes;
use crate::inventory::Health;
use crate::pci::PciAddress;

/// How the XCCs of a GPU are grouped into partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComputePartition {
    /// One partition of all XCCs.
    Spx,
    /// Two.
    Dpx,
    /// Three.
    Tpx,
    /// Four.
    Qpx,
    /// One for each XCC.
    Cpx,
}

/// Into how many NUMA domains a GPU's memory is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryPartition {
    /// One.
    Nps1,
    /// Two.
    Nps2,
    /// Four.
    Nps4,
    /// Eight.
    Nps8,
}

impl ComputePartition {
    /// All, from the whole GPU to its smallest parts.
    pub const ALL: [Self; 5] = [Self::Spx, Self::Dpx, Self::Tpx, Self::Qpx, Self::Cpx];

    /// As the kernel writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spx => "SPX",
            Self::Dpx => "DPX",
            Self::Tpx => "TPX",
            Self::Qpx => "QPX",
            Self::Cpx => "CPX",
        }
    }

    /// Partitions that a GPU with this many XCCs has in this mode.
    pub fn partitions(self, xccs: u32) -> u32 {
        match self {
            Self::Spx => 1,
            Self::Dpx => 2,
            Self::Tpx => 3,
            Self::Qpx => 4,
            Self::Cpx => xccs,
        }
    }
}

impl MemoryPartition {
    /// All, from one domain to eight.
    pub const ALL: [Self; 4] = [Self::Nps1, Self::Nps2, Self::Nps4, Self::Nps8];

    /// As the kernel writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nps1 => "NPS1",
            Self::Nps2 => "NPS2",
            Self::Nps4 => "NPS4",
            Self::Nps8 => "NPS8",
        }
    }
}

impl fmt::Display for ComputePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for MemoryPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ComputePartition {
    type Err = ParseError;

    /// Reads it in upper or lower case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut all = Self::ALL.into_iter();
        all.find(|mode| mode.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let hint = "spx, dpx, tpx, qpx or cpx";
                ParseError::new("a compute partition mode", text, hint)
            })
    }
}

impl FromStr for MemoryPartition {
    type Err = ParseError;

    /// Reads it in upper or lower case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut all = Self::ALL.into_iter();
        all.find(|mode| mode.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let hint = "nps1, nps2, nps4 or nps8";
                ParseError::new("a memory partition mode", text, hint)
            })
    }
}

/// Why a compute mode cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// The GPU's XCCs cannot be grouped so.
    #[error("{mode} is not possible with {xccs} XCCs")]
    Xccs {
        /// The mode.
        mode: ComputePartition,
        /// XCCs of the GPU.
        xccs: u32,
    },
    /// The memory mode does not go with it.
    #[error("{mode} does not go with memory mode {memory}")]
    Memory {
        /// The mode.
        mode: ComputePartition,
        /// The memory mode.
        memory: MemoryPartition,
    },
}

/// Whether a compute mode is possible on a bare-metal GPU with this many XCCs and this memory mode.
///
/// After `amdgpu_gfx.c` (counts of XCCs) and `aqua_vanjaram.c` (memory modes) of Linux: the driver refuses with
/// EINVAL what this refuses with a reason.
pub fn check_mode(
    mode: ComputePartition,
    memory: MemoryPartition,
    xccs: u32,
) -> Result<(), ModeError> {
    use ComputePartition::{Cpx, Dpx, Qpx, Spx, Tpx};
    use MemoryPartition::{Nps1, Nps2, Nps4};
    let divides = match mode {
        Spx | Cpx => true,
        Dpx => xccs.is_multiple_of(4),
        Tpx => xccs == 6,
        Qpx => xccs == 8,
    };
    if !divides || xccs == 0 || !xccs.is_multiple_of(2) {
        return Err(ModeError::Xccs { mode, xccs });
    }
    let goes_with: &[MemoryPartition] = match mode {
        Spx | Tpx => &[Nps1],
        Dpx => &[Nps1, Nps2],
        Qpx | Cpx => &[Nps1, Nps4],
    };
    if goes_with.contains(&memory) {
        Ok(())
    } else {
        Err(ModeError::Memory { mode, memory })
    }
}

/// What an AMD GPU shall be; what is not said stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AmdWish {
    /// Its compute mode.
    pub compute: Option<ComputePartition>,
    /// Its memory mode.
    pub memory: Option<MemoryPartition>,
}

impl AmdWish {
    /// Whether a GPU is so now, whatever it has been asked for besides.
    pub fn is_met_by(&self, gpu: &AmdGpu) -> bool {
        self.compute.is_none_or(|mode| gpu.compute == Some(mode))
            && self.memory.is_none_or(|mode| gpu.memory_mode == Some(mode))
    }
}

/// One AMD GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmdGpu {
    /// Its place among the host's AMD GPUs in order of their addresses.
    pub index: u32,
    /// Where it sits.
    pub pci: PciAddress,
    /// Product name; the PCI ids where the driver tells none.
    pub name: String,
    /// Device id in the high and vendor id in the low 16 bits.
    pub pci_device_id: u32,
    /// The driver's `unique_id`, 16 hex digits.
    pub unique_id: Option<String>,
    /// Board serial number.
    pub serial: Option<String>,
    /// Memory of the whole GPU.
    pub memory: Bytes,
    /// How much of it is in use.
    pub memory_used: Option<Bytes>,
    /// How busy it is, in percent (`gpu_busy_percent`, amdgpu_pm.c), for which the driver asks the firmware; `None`
    /// where it does not say.
    pub utilisation_percent: Option<u32>,
    /// The NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// XCCs of all its partitions; `None` where KFD does not list it.
    pub xccs: Option<u32>,
    /// Id of the xGMI hive that it is linked into: its memory mode changes together with the others'.
    pub hive: Option<String>,
    /// Compute mode now; `None` where the GPU cannot be partitioned, or does not say.
    pub compute: Option<ComputePartition>,
    /// Compute modes that the driver offers.
    pub compute_modes: Vec<ComputePartition>,
    /// Memory mode now.
    pub memory_mode: Option<MemoryPartition>,
    /// Memory modes that the driver offers.
    pub memory_modes: Vec<MemoryPartition>,
    /// Memory mode that was asked for and takes hold when the driver is loaded anew. The kernel does not show
    /// it: it is what kerf remembers.
    pub pending_memory: Option<MemoryPartition>,
    /// Partitions that exist, by render minor.
    pub partitions: Vec<AmdPartition>,
    /// Processes that hold memory or queues on it, by id.
    pub processes: Vec<u32>,
    /// How it is.
    pub health: Health,
}

/// One partition of an AMD GPU: a KFD node with a render node of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmdPartition {
    /// Its number under `/sys/class/kfd/kfd/topology/nodes`. It changes whenever any GPU of the host is
    /// partitioned anew: never an identity over time.
    pub kfd_node: u32,
    /// KFD's id of it.
    pub gpu_id: u32,
    /// Minor of `/dev/dri/renderD<minor>`.
    pub render_minor: u32,
    /// Its XCCs.
    pub xccs: u32,
    /// Memory that KFD gives to it.
    pub memory: Option<Bytes>,
}
