//! The driver of a vGPU host: virtual functions, and the vGPUs that are made on them by writing into files.
//!
//! After the kernel's mediated-device interface and what NVIDIA's vgpu-device-manager, KubeVirt and others do with the
//! vendor-specific VFIO framework. Owns the state and every change of it; what it shows stands in `show`, what is
//! written in `write`, the products' types in `types`. MIG is NVML's: what is known of it here is a copy.
//!
//! ```text
//! SR-IOV off --numvfs n--> n functions --create--> vGPU --VM--> in use
//! ```
//! Every arrow goes back in the opposite order and no other way; the first, back, wipes the GPU's MIG layout.

mod control;
mod show;
#[cfg(test)]
mod tests;
mod types;
mod write;

use serde::{Deserialize, Serialize};

pub use types::{Framework, UNITS, VgpuType, types};

use crate::model::machine::Machine;
use crate::model::spec::{MachineSpec, Role};
use crate::model::tables;

/// Virtual functions that a GPU can have, as `sriov_totalvfs` has it.
pub const TOTAL_FUNCTIONS: u32 = 16;

/// The GPUs of a vGPU host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vgpu {
    /// Which machine: its types stand in the table.
    pub machine: String,
    /// How its driver offers them.
    pub framework: Framework,
    /// The GPUs, in order of their addresses.
    pub gpus: Vec<Gpu>,
    /// Writes that take hold later, in order.
    pub late: Vec<Late>,
    /// GPUs whose MIG layout has just been wiped: NVML's state is still to be told.
    pub wiped: Vec<u32>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Address, `0000:0f:00.0`.
    pub bdf: String,
    /// Its folder below `/`, without links.
    pub folder: String,
    /// NUMA node.
    pub node: u32,
    /// PCI device id.
    pub device_id: u16,
    /// Whether vGPUs of several sizes may be on it.
    pub heterogeneous: bool,
    /// What NVML's state says of it.
    pub mig: Mig,
    /// Virtual functions that are there; the GPU itself where its driver knows no others.
    pub functions: Vec<Function>,
}

/// What the driver remembers of a GPU's MIG.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mig {
    /// Whether MIG mode is on.
    pub on: bool,
    /// GPU instances: id and profile, in order of their ids.
    pub instances: Vec<(u32, u32)>,
    /// Whether processes run on the GPU.
    pub busy: bool,
}

/// A function on which vGPUs are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// vGPUs on it: at most one on a virtual function.
    pub vgpus: Vec<Device>,
    /// Where the next one is to lie, if somebody said so.
    pub wanted_place: Option<u32>,
    /// What was last written into `warm_update`.
    pub warm_update: bool,
}

/// A vGPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name, for a mediated device.
    pub uuid: Option<String>,
    /// Its type.
    pub type_id: u32,
    /// The GPU instance that carries it.
    pub gi: Option<u32>,
    /// First unit of memory, or 0 in a GPU instance.
    pub place: u32,
    /// Units that it takes.
    pub units: u32,
    /// Plugin parameters.
    pub params: String,
    /// The virtual machine that has it.
    pub vm: Option<Vm>,
}

/// A virtual machine that holds a vGPU open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// Its process.
    pub pid: u32,
    /// Start time of the process where it is a real one: the VM goes with it.
    pub started: Option<u64>,
    /// PID namespace that the id is of.
    pub pid_namespace: Option<u64>,
    /// What it is called.
    pub name: String,
    /// With which error the driver refuses to take its vGPU away: EBUSY, EPERM and EIO were seen.
    pub errno: i32,
}

/// A write that has been answered and takes hold after that many further looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// Looks left.
    pub looks: u32,
    /// The file.
    pub path: String,
    /// The value.
    pub value: Vec<u8>,
}

impl Vgpu {
    /// The GPUs of a machine as they come up: without virtual functions. `None` for a machine whose driver offers
    /// no vGPUs.
    #[must_use]
    pub fn new(spec: &'static MachineSpec) -> Option<Self> {
        types::framework(spec).and_then(|framework| Self::with(spec, framework))
    }

    /// The same with another framework, as an older driver or kernel has it.
    #[must_use]
    pub fn with(spec: &'static MachineSpec, framework: Framework) -> Option<Self> {
        let product = spec.nvidia()?;
        let functions = spec.functions();
        let gpus = functions.iter().filter_map(|function| match function.role {
            Role::Gpu(_) => Some(Gpu {
                bdf: function.bdf.to_string(),
                folder: function.sysfs_folder(),
                node: function.node,
                device_id: product.pci_device(),
                heterogeneous: false,
                mig: Mig::default(),
                functions: match framework {
                    Framework::MdevOnGpu => vec![Function::default()],
                    _ => Vec::new(),
                },
            }),
            _ => None,
        });
        Some(Self {
            machine: spec.name.to_owned(),
            framework,
            gpus: gpus.collect(),
            late: Vec::new(),
            wiped: Vec::new(),
        })
    }

    /// The types of its GPUs.
    #[must_use]
    pub fn types(&self) -> Vec<VgpuType> {
        tables::machine(&self.machine).map_or_else(Vec::new, types)
    }

    /// Takes over what NVML's state says.
    pub fn copy_mig(&mut self, machine: &Machine) {
        for (gpu, known) in self.gpus.iter_mut().zip(&machine.gpus) {
            gpu.mig = Mig::of(known);
        }
    }

    /// Whether NVML's state says something else by now.
    #[must_use]
    pub fn has_other_mig(&self, machine: &Machine) -> bool {
        let mut gpus = self.gpus.iter().zip(&machine.gpus);
        gpus.any(|(gpu, known)| gpu.mig != Mig::of(known))
    }

    /// Whether a write is still to take hold.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.late.is_empty()
    }

    /// A look at what is shown: what was put off comes nearer.
    pub fn look(&mut self) {
        for late in &mut self.late {
            late.looks = late.looks.saturating_sub(1);
        }
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|late| late.looks == 0);
        self.late = later;
        let due: Vec<Late> = due;
        for late in due {
            // It was answered long ago: what has become impossible meanwhile is lost, as with a real driver.
            self.write(&late.path, &late.value, 0);
        }
    }

    /// Every vGPU.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        let functions = self.gpus.iter().flat_map(|gpu| &gpu.functions);
        functions.flat_map(|function| &function.vgpus)
    }

    fn devices_mut(&mut self) -> impl Iterator<Item = &mut Device> {
        let functions = self.gpus.iter_mut().flat_map(|gpu| &mut gpu.functions);
        functions.flat_map(|function| &mut function.vgpus)
    }

    /// Address of the `nth` function of a GPU. Virtual functions begin at device function 4 [general knowledge: so
    /// they do on A100 and H100 boards].
    #[must_use]
    pub fn function_bdf(&self, gpu: &Gpu, nth: usize) -> String {
        if self.framework == Framework::MdevOnGpu {
            return gpu.bdf.clone();
        }
        let bus = gpu.bdf.rsplit_once(':').map_or("", |(bus, _)| bus);
        let number = nth + 4;
        format!("{bus}:{:02x}.{:x}", number / 8, number % 8)
    }

    /// Its folder below `/`.
    pub(super) fn function_folder(&self, gpu: &Gpu, nth: usize) -> String {
        let above = gpu.folder.rsplit_once('/').map_or("", |(above, _)| above);
        format!("{above}/{}", self.function_bdf(gpu, nth))
    }
}

impl Mig {
    fn of(known: &crate::model::gpu::Gpu) -> Self {
        let instances = known.instances.iter().map(|gi| (gi.id, gi.profile));
        let mut instances: Vec<(u32, u32)> = instances.collect();
        instances.sort_unstable();
        Self {
            on: known.mig,
            instances,
            busy: !known.processes.is_empty(),
        }
    }
}

impl Gpu {
    /// How many more of a type it can carry.
    #[must_use]
    pub fn room(&self, kind: &VgpuType) -> u32 {
        let count = |found: usize| u32::try_from(found).unwrap_or(u32::MAX);
        if kind.gi_profile.is_some() {
            return count(self.free_instances(kind).count());
        }
        if self.mig.on {
            return 0;
        }
        let mut vgpus = self.vgpus();
        if !self.heterogeneous && vgpus.any(|device| device.type_id != kind.id) {
            return 0;
        }
        count(self.free_places(kind).count())
    }

    fn vgpus(&self) -> impl Iterator<Item = &Device> {
        self.functions.iter().flat_map(|function| &function.vgpus)
    }

    /// GPU instances that can carry the type and carry nothing yet.
    fn free_instances(&self, kind: &VgpuType) -> impl Iterator<Item = u32> {
        let fits = self.mig.instances.iter();
        let fits = fits.filter(move |(_, profile)| kind.gi_profile == Some(*profile));
        let ids = fits.map(|(id, _)| *id).filter(|_| self.mig.on);
        ids.filter(|id| !self.vgpus().any(|device| device.gi == Some(*id)))
    }

    /// First units at which one of the type can lie.
    fn free_places(&self, kind: &VgpuType) -> impl Iterator<Item = u32> {
        let taken: Vec<(u32, u32)> = self
            .vgpus()
            .filter(|device| device.gi.is_none())
            .map(|device| (device.place, device.place + device.units))
            .collect();
        let units = kind.units.max(1);
        let starts = (0..UNITS / units).map(move |nth| nth * units);
        starts.filter(move |start| {
            let mut taken = taken.iter();
            taken.all(|(from, to)| start + units <= *from || *to <= *start)
        })
    }
}
