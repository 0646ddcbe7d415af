//! From the vocabulary's GPUs to the document's.

use kerf_types::ask::Feature;
use kerf_types::inventory as facts;

use super::gpu::{
    ComputeInstance, ComputeProfile, Engines, Gpu, GpuInstance, GpuProcess, Health, MigMode,
    NvLink, NvLinkRemote, PcieLink, Profile,
};
use crate::convert::architecture_number;
use crate::json::time;

impl From<&facts::Gpu> for Gpu {
    fn from(gpu: &facts::Gpu) -> Self {
        let (pci_device_id, pci_vendor_id) = pci_ids(gpu.pci_device_id);
        let (pci_subsystem_device_id, pci_subsystem_vendor_id) = pci_ids(gpu.pci_subsystem_id);
        let (major, minor) = gpu.compute_capability;
        Self {
            index: gpu.index,
            uuid: gpu.uuid.to_string(),
            pci: gpu.pci.to_string(),
            minor: gpu.minor.0,
            name: gpu.name.clone(),
            pci_vendor_id,
            pci_device_id,
            pci_subsystem_vendor_id,
            pci_subsystem_device_id,
            serial: gpu.serial.clone(),
            architecture: architecture_word(gpu.architecture),
            compute_capability: format!("{major}.{minor}"),
            features: features(gpu),
            memory_bytes: gpu.memory.0,
            numa_node: gpu.numa_node,
            pcie: (&gpu.pcie).into(),
            nvlinks: gpu.nvlinks.iter().map(Into::into).collect(),
            fabric: gpu.fabric.as_ref().map(Into::into),
            c2c: gpu.c2c.iter().map(Into::into).collect(),
            mig_mode: gpu.mig_mode.into(),
            profiles: gpu.profiles.iter().map(Into::into).collect(),
            instances: gpu.instances.iter().map(Into::into).collect(),
            processes: gpu.processes.iter().map(Into::into).collect(),
            health: (&gpu.health).into(),
        }
    }
}

/// Device and vendor of an id pair as sysfs writes them, without the `0x`.
fn pci_ids(pair: u32) -> (String, String) {
    (
        format!("{:04x}", pair >> 16),
        format!("{:04x}", pair & 0xffff),
    )
}

/// The name that NVML's header gives an architecture (`NVML_DEVICE_ARCH_…`), in lower case.
pub fn architecture_word(architecture: facts::Architecture) -> String {
    match architecture_number(architecture) {
        2 => "kepler".to_owned(),
        3 => "maxwell".to_owned(),
        4 => "pascal".to_owned(),
        5 => "volta".to_owned(),
        6 => "turing".to_owned(),
        7 => "ampere".to_owned(),
        8 => "ada".to_owned(),
        9 => "hopper".to_owned(),
        10 => "blackwell".to_owned(),
        other => format!("nvml-{other}"),
    }
}

fn features(gpu: &facts::Gpu) -> Vec<String> {
    let all = [Feature::Bf16, Feature::Fp8, Feature::Fp4];
    let has = all.into_iter().filter(|feature| feature.is_on(gpu));
    has.map(|feature| feature.as_str().to_owned()).collect()
}

impl From<kerf_types::MigMode> for MigMode {
    fn from(mode: kerf_types::MigMode) -> Self {
        match mode {
            kerf_types::MigMode::Unsupported => Self::Unsupported,
            kerf_types::MigMode::Disabled => Self::Disabled,
            kerf_types::MigMode::Enabled => Self::Enabled,
            kerf_types::MigMode::EnablePending => Self::EnablePending,
            kerf_types::MigMode::DisablePending => Self::DisablePending,
        }
    }
}

impl From<&facts::Health> for Health {
    fn from(health: &facts::Health) -> Self {
        match health {
            facts::Health::Ok => Self::Ok,
            facts::Health::Lost { since } => Self::Lost {
                since_at: time(since.0),
            },
            facts::Health::Unresponsive { since, operation } => Self::Unresponsive {
                since_at: time(since.0),
                operation: operation.clone(),
            },
            facts::Health::ResetRequired { since } => Self::ResetRequired {
                since_at: time(since.0),
            },
            facts::Health::Xid { since, code } => Self::Xid {
                since_at: time(since.0),
                code: *code,
            },
            facts::Health::Maintenance { since } => Self::Maintenance {
                since_at: time(since.0),
            },
        }
    }
}

impl From<&facts::PcieLink> for PcieLink {
    fn from(link: &facts::PcieLink) -> Self {
        let facts::PcieLink {
            max_generation,
            max_width,
            current_generation,
            current_width,
        } = *link;
        Self {
            max_generation,
            max_width,
            current_generation,
            current_width,
        }
    }
}

impl From<&facts::NvLink> for NvLink {
    fn from(link: &facts::NvLink) -> Self {
        let remote = match link.remote {
            facts::NvLinkRemote::Gpu(pci) => NvLinkRemote::Gpu {
                pci: pci.to_string(),
            },
            facts::NvLinkRemote::Switch(pci) => NvLinkRemote::Switch {
                pci: pci.map(|pci| pci.to_string()),
            },
            facts::NvLinkRemote::Unknown => NvLinkRemote::Unknown,
        };
        Self {
            link: link.link,
            active: link.active,
            version: link.version,
            remote,
        }
    }
}

impl From<&kerf_types::Profile> for Profile {
    fn from(profile: &kerf_types::Profile) -> Self {
        let kerf_types::Engines {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        } = profile.engines;
        Self {
            id: profile.id.0,
            name: profile.name.to_string(),
            slices: profile.slices,
            memory_bytes: profile.memory.0,
            sm_count: profile.sm_count,
            engines: Engines {
                copy,
                decoder,
                encoder,
                jpeg,
                ofa,
            },
            max_count: profile.max_count,
            placements: profile
                .placements
                .iter()
                .map(|place| (*place).into())
                .collect(),
            full_compute_profile: profile.full_compute_profile.map(|id| id.0),
            compute: profile.compute.iter().map(Into::into).collect(),
        }
    }
}

impl From<&kerf_types::ComputeProfile> for ComputeProfile {
    fn from(part: &kerf_types::ComputeProfile) -> Self {
        let places = part.placements.iter().map(|place| (*place).into());
        Self {
            id: part.id.0,
            slices: part.slices,
            max_count: part.max_count,
            sm_count: part.sm_count,
            placements: places.collect(),
        }
    }
}

impl From<&kerf_types::GpuInstance> for GpuInstance {
    fn from(instance: &kerf_types::GpuInstance) -> Self {
        Self {
            id: instance.id.0,
            profile: instance.profile.0,
            placement: instance.placement.into(),
            capability_minor: instance.capability_minor.map(|minor| minor.0),
            compute: instance.compute.iter().map(Into::into).collect(),
        }
    }
}

impl From<&kerf_types::ComputeInstance> for ComputeInstance {
    fn from(compute: &kerf_types::ComputeInstance) -> Self {
        Self {
            id: compute.id.0,
            profile: compute.profile.0,
            placement: compute.placement.map(Into::into),
            uuid: compute.uuid.to_string(),
            capability_minor: compute.capability_minor.map(|minor| minor.0),
        }
    }
}

impl From<&facts::GpuProcess> for GpuProcess {
    fn from(process: &facts::GpuProcess) -> Self {
        Self {
            pid: process.pid,
            memory_bytes: process.memory.map(|memory| memory.0),
            gi: process.gi.map(|gi| gi.0),
            ci: process.ci.map(|ci| ci.0),
        }
    }
}
