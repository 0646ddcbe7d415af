//! vGPUs of the host: shares of a GPU that virtual machines get, made by writing into the kernel's files.
//!
//! A vGPU is named by the function that it is on and, for a mediated device, by its UUID. A function is used again:
//! by its address alone nobody knows whose vGPU it carries, so kerf keeps a record of those that it made.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::ids::{GiId, VgpuTypeId, VgpuUuid};
use crate::pci::PciAddress;

/// How a driver offers vGPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VgpuFramework {
    /// Mediated devices.
    Mdev,
    /// The vendor-specific VFIO framework.
    Vfio,
}

impl VgpuFramework {
    /// Its name on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mdev => "mdev",
            Self::Vfio => "vfio",
        }
    }
}

impl fmt::Display for VgpuFramework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for VgpuFramework {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut all = [Self::Mdev, Self::Vfio].into_iter();
        all.find(|one| one.as_str() == text)
            .ok_or_else(|| ParseError::new("a vGPU framework", text, "mdev or vfio"))
    }
}

/// Virtual functions of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sriov {
    /// How many are there.
    pub functions: u32,
    /// How many there can be.
    pub most: u32,
}

/// A vGPU type that a GPU's driver names at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VgpuType {
    /// Its number.
    pub id: VgpuTypeId,
    /// Its name: `NVIDIA L40S-1B`.
    pub name: String,
    /// On how many functions one can be made now.
    pub available: u32,
}

impl VgpuType {
    /// Whether it is meant by this text, as [`is_called`].
    pub fn is_called(&self, text: &str) -> bool {
        is_called(self.id, &self.name, text)
    }

    /// Whether it lies in a GPU instance: such names tell slices and memory, `H200X-1-18C`.
    pub fn is_mig_backed(&self) -> bool {
        let last = self.name.split(' ').next_back().unwrap_or_default();
        let mut parts = last.rsplit('-').skip(1);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.next().is_some_and(is_number) && parts.next().is_some()
    }
}

/// Whether a type of this number and name is meant: by its number, its name (`NVIDIA L40S-4Q`), or the last word of it.
pub fn is_called(id: VgpuTypeId, name: &str, text: &str) -> bool {
    let last = name.rsplit(' ').next().unwrap_or(name);
    let is_name = |name: &str| name.eq_ignore_ascii_case(text);
    text.parse().ok().map(VgpuTypeId) == Some(id) || is_name(name) || is_name(last)
}

/// A vGPU that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vgpu {
    /// Its name, for a mediated device.
    pub uuid: Option<VgpuUuid>,
    /// Its type.
    pub type_id: VgpuTypeId,
    /// The GPU instance that carries it.
    pub gpu_instance: Option<GiId>,
    /// Where it lies in the GPU's memory, in the driver's units.
    pub placement: Option<u32>,
    /// Who has it: the name of a virtual machine, or a process.
    pub user: Option<String>,
}

/// A function on which vGPUs are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VgpuFunction {
    /// Where it is.
    pub pci: PciAddress,
    /// Types that can be made on it now; `None` where it does not say.
    pub creatable: Option<Vec<VgpuTypeId>>,
    /// vGPUs on it; `None` where it does not say, which is not the same as none.
    pub vgpus: Option<Vec<Vgpu>>,
}

/// What the kernel says of one GPU's vGPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VgpuGpu {
    /// The GPU.
    pub pci: PciAddress,
    /// How its driver offers vGPUs; `None` where it offers none, or does so only with SR-IOV on.
    pub framework: Option<VgpuFramework>,
    /// Its virtual functions; `None` where it can have none.
    pub sriov: Option<Sriov>,
    /// Types that it names, by number.
    pub types: Vec<VgpuType>,
    /// Functions, by address.
    pub functions: Vec<VgpuFunction>,
    /// What could not be made sense of.
    pub problems: Vec<String>,
}

impl VgpuGpu {
    /// The function at this address.
    pub fn function(&self, pci: PciAddress) -> Option<&VgpuFunction> {
        self.functions.iter().find(|one| one.pci == pci)
    }

    /// Every vGPU with its function.
    pub fn vgpus(&self) -> impl Iterator<Item = (PciAddress, &Vgpu)> {
        let known = self.functions.iter();
        known.flat_map(|one| one.vgpus.iter().flatten().map(move |vgpu| (one.pci, vgpu)))
    }

    /// The name of a type, where the driver tells it now.
    pub fn type_name(&self, id: VgpuTypeId) -> Option<&str> {
        let found = self.types.iter().find(|kind| kind.id == id);
        found.map(|kind| kind.name.as_str())
    }
}
