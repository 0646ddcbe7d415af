//! Devices of a lease that are neither an NVIDIA GPU nor a slice of one: which kinds there are, how each is named, and
//! which two are never given at once.
//!
//! Owns the words and the rule of conflict. Which device nodes a kind has is the owner's (`kerf-agent`, `host::makers`).

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::pci::PciAddress;
use crate::sharing::Isolation;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// A GPU of AMD's that amdgpu serves, with all of its partitions.
    AmdGpu,
    /// One partition of an AMD GPU that is cut into several.
    AmdPartition,
    /// A GPU of Intel's that xe or i915 serves.
    IntelGpu,
    /// An accelerator of Habana's.
    Gaudi,
    /// A Neuron device of AWS's: Inferentia or Trainium, with all of its cores.
    Neuron,
    /// A chip of Google's.
    Tpu,
    /// A vGPU of an NVIDIA GPU that kerf has made, given as a VFIO device to whoever runs a virtual machine.
    Vgpu,
    /// An RDMA interface, which goes with the accelerators that it is next to. Several leases may have it.
    Nic,
}

impl DeviceKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::AmdGpu,
        Self::AmdPartition,
        Self::IntelGpu,
        Self::Gaudi,
        Self::Neuron,
        Self::Tpu,
        Self::Vgpu,
        Self::Nic,
    ];

    /// Its word in asks, documents and names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AmdGpu => "amd-gpu",
            Self::AmdPartition => "amd-partition",
            Self::IntelGpu => "intel-gpu",
            Self::Gaudi => "gaudi",
            Self::Neuron => "neuron",
            Self::Tpu => "tpu",
            Self::Vgpu => "vgpu",
            Self::Nic => "nic",
        }
    }

    /// The kind that an ask means by this word. Interfaces are asked for with the accelerators that they go with.
    pub fn from_ask(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().filter(|kind| *kind != Self::Nic);
        all.find(|kind| kind.as_str() == word)
    }

    /// Whether several of it may lie on one board, or PCI function, and be given apart.
    pub fn is_part(self) -> bool {
        matches!(self, Self::AmdPartition | Self::Vgpu)
    }

    /// What keeps one of it apart from its neighbours. Partitions of an AMD GPU have XCCs of their own; whether they have
    /// memory of their own depends on the memory mode, so that it is not said of them. `None` for what is nobody's own.
    pub fn isolation(self) -> Option<Isolation> {
        match self {
            Self::AmdGpu | Self::IntelGpu | Self::Gaudi | Self::Neuron | Self::Tpu => {
                Some(Isolation::Device)
            }
            Self::AmdPartition => Some(Isolation::Compute),
            Self::Vgpu => Some(Isolation::Vgpu),
            Self::Nic => None,
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DeviceKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let hint = "one of the kinds that `kerf lease create --help` names";
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or_else(|| ParseError::new("a kind of device", text, hint))
    }
}

/// The name of a device on its host: `0000:c1:00.0`, `0000:c1:00.0-renderD129` for a partition, `neuron3`. It is a name of
/// CDI as well, which has letters, digits and `_-.:` and begins and ends with a letter or a digit (SPEC.md, "Kind").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName(String);

impl DeviceName {
    /// Longest name in bytes: more than an address with the name of a node, or a UUID, takes.
    pub const LIMIT: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let inner = |b: &u8| b.is_ascii_alphanumeric() || b"_-.:".contains(b);
        let bytes = text.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        let is_name = ends
            .iter()
            .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
            && bytes.len() <= Self::LIMIT
            && bytes.iter().all(inner);
        if !is_name {
            let hint = "letters, digits and _-.: inside, at most 64 characters";
            return Err(ParseError::new("the name of a device", text, hint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A device that a lease gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedDevice {
    /// What it is.
    pub kind: DeviceKind,
    /// Which one.
    pub name: DeviceName,
    /// The PCI function that it is, or lies on; `None` where the kernel does not say.
    pub pci: Option<PciAddress>,
    /// What tells its board from another one at the same place (AMD's `unique_id`, a serial number; for a vGPU the number
    /// of kerf's record of it); `None` where the driver tells nothing of the kind.
    pub board: Option<String>,
}

impl LeasedDevice {
    /// The accelerator's function; `None` for an interface.
    pub fn accelerator(&self) -> Option<PciAddress> {
        self.pci.filter(|_| self.kind != DeviceKind::Nic)
    }

    /// Whether two leases on these are never alive together.
    pub fn conflicts(&self, other: &Self) -> bool {
        if [self.kind, other.kind].contains(&DeviceKind::Nic) {
            return false;
        }
        if self.name == other.name {
            return true;
        }
        let is_one_function = self.pci.is_some() && self.pci == other.pci;
        is_one_function && !(self.kind.is_part() && other.kind.is_part())
    }
}

impl fmt::Display for LeasedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}
