//! One GPU as it is now, and what the driver says of itself.

use std::rc::Rc;

use kerf_types::inventory::{Driver, Gpu, Health};
use kerf_types::{Bytes, MigMode, PciAddress, Profile};
use nvml_wrapper::{Device, Nvml};

use super::error::{NvmlError, ReturnCode, called, optional};
use super::ffi::InstanceProfile;
use super::instances::{ComputeProfiles, ToldCompute};
use super::known::{Known, KnownGpus};
use super::{fabric, ffi, identity, instances, links, processes, profiles};
use crate::in_words;
use crate::sysfs::capabilities::{CapabilityCache, CapabilityTable};
use crate::sysfs::{Reader, Root, numa, pci};

/// How a GPU is named in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuAccess {
    /// By NVML index, which changes when a GPU drops out.
    Index(u32),
    /// By address.
    Pci(PciAddress),
}

impl GpuAccess {
    /// The driver's handle of it.
    pub(super) fn device(self, nvml: &Nvml) -> Result<Device<'_>, NvmlError> {
        match self {
            Self::Index(index) => {
                called("nvmlDeviceGetHandleByIndex_v2", nvml.device_by_index(index))
            }
            Self::Pci(address) => called(
                "nvmlDeviceGetHandleByPciBusId_v2",
                nvml.device_by_pci_bus_id(address.to_string()),
            ),
        }
    }
}

/// Versions of driver and library.
pub fn driver(nvml: &Nvml) -> Result<Driver, NvmlError> {
    let cuda = called(
        "nvmlSystemGetCudaDriverVersion_v2",
        nvml.sys_cuda_driver_version(),
    );
    Ok(Driver {
        version: called("nvmlSystemGetDriverVersion", nvml.sys_driver_version())?,
        nvml_version: called("nvmlSystemGetNVMLVersion", nvml.sys_nvml_version())?,
        // 13010 is 13.1.
        cuda_version: optional(cuda)?
            .map(|number| format!("{}.{}", number / 1_000, number % 1_000 / 10)),
    })
}

/// Number of GPUs that the driver counts; indices are below it.
pub fn gpu_count(nvml: &Nvml) -> Result<u32, NvmlError> {
    called("nvmlDeviceGetCount_v2", nvml.device_count())
}

/// Where observations are made: the driver, the tree beside it, the tree's table of minors, and what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The driver.
    pub nvml: &'a Nvml,
    /// The folder that stands for `/`.
    pub root: &'a Root,
    /// Minors of capability nodes.
    pub capabilities: &'a CapabilityCache,
    /// What stays the same of GPUs that were observed.
    pub known: &'a KnownGpus,
}

/// Everything about one GPU, all of it asked of the driver.
pub fn observe(site: Site<'_>, access: GpuAccess) -> Result<Gpu, NvmlError> {
    let known = whole(site, access)?;
    let gpu = known.gpu.clone();
    site.known.put(known);
    Ok(gpu)
}

fn whole(site: Site<'_>, access: GpuAccess) -> Result<Known, NvmlError> {
    let root = site.root;
    let device = access.device(site.nvml)?;
    let identity = identity::identity(&device)?;
    let mig_mode = mig_mode(&device)?;
    let (raw, profiles) = described_profiles(&device, mig_mode, identity.memory)?;
    let gpu = Gpu {
        index: called("nvmlDeviceGetIndex", device.index())?,
        numa_node: pci::numa_node(root, identity.pci, &numa::near(&Reader::new(root))),
        pcie: identity::pcie_link(&device)?,
        nvlinks: links::nvlinks(&device)?,
        fabric: fabric::fabric(&device)?,
        c2c: fabric::c2c_links(&device)?,
        mig_mode,
        profiles,
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
        uuid: identity.uuid,
        pci: identity.pci,
        minor: identity.minor,
        name: identity.name,
        pci_device_id: identity.pci_device_id,
        pci_subsystem_id: identity.pci_subsystem_id,
        serial: identity.serial,
        architecture: identity.architecture,
        compute_capability: identity.compute_capability,
        memory: identity.memory,
    };
    let mut known = Known {
        gpu,
        raw,
        compute: ComputeProfiles::new(),
        told: ToldCompute::new(),
    };
    read_back(site, &device, &mut known)?;
    Ok(known)
}

/// What a step may change, and what anybody may who uses the GPU: all instances with their UUIDs, and processes.
pub(super) fn read_back(
    site: Site<'_>,
    device: &Device<'_>,
    known: &mut Known,
) -> Result<(), NvmlError> {
    let Known {
        gpu,
        raw,
        compute,
        told,
    } = known;
    gpu.instances.clear();
    if gpu.mig_mode.is_on() {
        let found = instances::walk(device, raw, compute)?;
        instances::learn_compute(&mut gpu.profiles, compute, told, &found)?;
        gpu.instances = instances::described(&found, gpu.minor, &capabilities(site));
    }
    gpu.processes = processes::processes(device)?;
    Ok(())
}

/// What stays the same of a GPU with this UUID, in this mode: from the last look, else from one now.
pub(super) fn known(
    site: Site<'_>,
    (access, pci): (GpuAccess, PciAddress),
    device: &Device<'_>,
    mode: MigMode,
) -> Result<Known, NvmlError> {
    match site.known.take(pci, &identity::uuid(device)?, mode) {
        Some(known) => Ok(known),
        None => whole(site, access),
    }
}

/// The profiles, as the driver and as kerf writes them. Instances are found by their profiles, so with MIG
/// on a GPU that does not tell them all is not observed: "no instances" would be a place to cut.
fn described_profiles(
    device: &Device<'_>,
    mode: MigMode,
    memory: Bytes,
) -> Result<(Vec<InstanceProfile>, Vec<Profile>), NvmlError> {
    if mode == MigMode::Unsupported {
        return Ok(Default::default());
    }
    let described = ffi::instance_profiles(device).and_then(|raw| {
        let profiles = profiles::profiles(device, &raw, memory)?;
        Ok((raw, profiles))
    });
    match described {
        Ok((raw, _)) if raw.is_empty() && mode.is_on() => Err(NvmlError::NoProfiles {
            call: "nvmlDeviceGetGpuInstanceProfileInfo",
        }),
        Err(error) if !mode.is_on() && error.is_untold() => Ok(Default::default()),
        described => described,
    }
}

/// MIG mode now and after the next reset, as one state.
pub(super) fn mig_mode(device: &Device<'_>) -> Result<MigMode, NvmlError> {
    let mode = match called("nvmlDeviceGetMigMode", device.mig_mode()) {
        Ok(mode) => mode,
        Err(NvmlError::Missing { .. }) => {
            return Ok(MigMode::Unsupported);
        }
        Err(error) if error.code() == Some(ReturnCode::NOT_SUPPORTED) => {
            return Ok(MigMode::Unsupported);
        }
        Err(error) => return Err(error),
    };
    Ok(match (mode.current != 0, mode.pending != 0) {
        (false, false) => MigMode::Disabled,
        (true, true) => MigMode::Enabled,
        (false, true) => MigMode::EnablePending,
        (true, false) => MigMode::DisablePending,
    })
}

/// A table that cannot be read leaves every minor unknown, and so nothing can be handed out by it.
fn capabilities(site: Site<'_>) -> Rc<CapabilityTable> {
    site.capabilities.read(site.root).unwrap_or_else(|error| {
        tracing::error!(error = in_words(&error), "capability minors not readable");
        Rc::default()
    })
}
