//! A physical GPU: what it is, how it is linked, who uses it and how it is.

use kerf_types::fabric::{C2cLink, Fabric};
use kerf_types::inventory::{Architecture, GpuProcess, NvLink, NvLinkRemote, PcieLink};
use kerf_types::{
    Bytes, CiId, DeviceMinor, GiId, Gpu, GpuInstance, Health, PciAddress, Profile, Timestamp,
};

use super::mig::mig_mode;
use super::{
    At, ConvertError, GRID_LIMIT, NAME_LIMIT, NVLINK_LIMIT, PROCESS_LIMIT, PROFILE_LIMIT,
    TEXT_LIMIT, distinct, each, optional_text, parse, required, text,
};
use crate::v1;

/// NVML's number of an architecture (`nvmlDeviceArchitecture_t` in nvml.h).
pub fn architecture_number(architecture: Architecture) -> u32 {
    match architecture {
        Architecture::Ampere => 7,
        Architecture::Hopper => 9,
        Architecture::Blackwell => 10,
        Architecture::Other(number) => number,
    }
}

/// The architecture with this NVML number.
pub fn architecture(number: u32) -> Architecture {
    match number {
        7 => Architecture::Ampere,
        9 => Architecture::Hopper,
        10 => Architecture::Blackwell,
        other => Architecture::Other(other),
    }
}

impl From<&Gpu> for v1::Gpu {
    fn from(gpu: &Gpu) -> Self {
        Self {
            index: gpu.index,
            uuid: gpu.uuid.to_string(),
            pci: gpu.pci.to_string(),
            minor: gpu.minor.0,
            name: gpu.name.clone(),
            pci_device_id: gpu.pci_device_id,
            pci_subsystem_id: gpu.pci_subsystem_id,
            serial: gpu.serial.clone(),
            architecture: architecture_number(gpu.architecture),
            compute_capability_major: gpu.compute_capability.0,
            compute_capability_minor: gpu.compute_capability.1,
            memory_bytes: gpu.memory.0,
            numa_node: gpu.numa_node,
            pcie: Some((&gpu.pcie).into()),
            nvlinks: gpu.nvlinks.iter().map(Into::into).collect(),
            mig_mode: v1::MigMode::from(gpu.mig_mode).into(),
            profiles: gpu.profiles.iter().map(Into::into).collect(),
            instances: gpu.instances.iter().map(Into::into).collect(),
            processes: gpu.processes.iter().map(Into::into).collect(),
            health: Some((&gpu.health).into()),
            fabric: gpu.fabric.as_ref().map(Into::into),
            c2c: gpu.c2c.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Gpu> for Gpu {
    type Error = ConvertError;

    fn try_from(gpu: v1::Gpu) -> Result<Self, ConvertError> {
        let profiles = each("profiles", gpu.profiles, PROFILE_LIMIT, Profile::try_from)?;
        distinct("profiles", profiles.iter().map(|profile| profile.id))?;
        let instances = each(
            "instances",
            gpu.instances,
            GRID_LIMIT,
            GpuInstance::try_from,
        )?;
        distinct("instances", instances.iter().map(|instance| instance.id))?;
        let nvlinks = each("nvlinks", gpu.nvlinks, NVLINK_LIMIT, NvLink::try_from)?;
        distinct("nvlinks", nvlinks.iter().map(|link| link.link))?;
        let c2c = each("c2c", gpu.c2c, NVLINK_LIMIT, |link| {
            Ok::<C2cLink, ConvertError>(link.into())
        })?;
        distinct("c2c", c2c.iter().map(|link| link.link))?;
        Ok(Self {
            index: gpu.index,
            uuid: parse("uuid", &gpu.uuid)?,
            pci: parse("pci", &gpu.pci)?,
            minor: DeviceMinor(gpu.minor),
            name: text("name", gpu.name, NAME_LIMIT)?,
            pci_device_id: gpu.pci_device_id,
            pci_subsystem_id: gpu.pci_subsystem_id,
            serial: optional_text("serial", gpu.serial, NAME_LIMIT)?,
            architecture: architecture(gpu.architecture),
            compute_capability: (gpu.compute_capability_major, gpu.compute_capability_minor),
            memory: Bytes(gpu.memory_bytes),
            numa_node: gpu.numa_node,
            pcie: required("pcie", gpu.pcie)?.into(),
            nvlinks,
            fabric: gpu.fabric.map(Fabric::try_from).transpose().at("fabric")?,
            c2c,
            mig_mode: mig_mode("mig_mode", gpu.mig_mode)?,
            profiles,
            instances,
            processes: processes(gpu.processes)?,
            health: Health::try_from(required("health", gpu.health)?).at("health")?,
        })
    }
}

/// The field `processes` of a message.
pub(crate) fn processes(values: Vec<v1::GpuProcess>) -> Result<Vec<GpuProcess>, ConvertError> {
    each("processes", values, PROCESS_LIMIT, |process| {
        Ok::<_, ConvertError>(process.into())
    })
}

impl From<&PcieLink> for v1::PcieLink {
    fn from(link: &PcieLink) -> Self {
        let PcieLink {
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

impl From<v1::PcieLink> for PcieLink {
    fn from(link: v1::PcieLink) -> Self {
        let v1::PcieLink {
            max_generation,
            max_width,
            current_generation,
            current_width,
        } = link;
        Self {
            max_generation,
            max_width,
            current_generation,
            current_width,
        }
    }
}

/// A switch's address; empty for one that has none on this host.
pub(super) fn switch_text(pci: Option<PciAddress>) -> String {
    pci.map_or_else(String::new, |pci| pci.to_string())
}

/// The switch of such a text.
pub(super) fn switch(field: &str, text: &str) -> Result<Option<PciAddress>, ConvertError> {
    if text.is_empty() {
        return Ok(None);
    }
    parse(field, text).map(Some)
}

impl From<&NvLink> for v1::NvLink {
    fn from(link: &NvLink) -> Self {
        let remote = match link.remote {
            NvLinkRemote::Gpu(pci) => Some(v1::nv_link::Remote::RemoteGpu(pci.to_string())),
            NvLinkRemote::Switch(pci) => Some(v1::nv_link::Remote::RemoteSwitch(switch_text(pci))),
            NvLinkRemote::Unknown => None,
        };
        Self {
            link: link.link,
            active: link.active,
            version: link.version,
            remote,
        }
    }
}

impl TryFrom<v1::NvLink> for NvLink {
    type Error = ConvertError;

    fn try_from(link: v1::NvLink) -> Result<Self, ConvertError> {
        let remote = match link.remote {
            Some(v1::nv_link::Remote::RemoteGpu(pci)) => {
                NvLinkRemote::Gpu(parse("remote_gpu", &pci)?)
            }
            Some(v1::nv_link::Remote::RemoteSwitch(pci)) => {
                NvLinkRemote::Switch(switch("remote_switch", &pci)?)
            }
            None => NvLinkRemote::Unknown,
        };
        Ok(Self {
            link: link.link,
            active: link.active,
            version: link.version,
            remote,
        })
    }
}

impl From<&GpuProcess> for v1::GpuProcess {
    fn from(process: &GpuProcess) -> Self {
        Self {
            pid: process.pid,
            memory_bytes: process.memory.map(|memory| memory.0),
            gi: process.gi.map(|gi| gi.0),
            ci: process.ci.map(|ci| ci.0),
        }
    }
}

impl From<v1::GpuProcess> for GpuProcess {
    fn from(process: v1::GpuProcess) -> Self {
        Self {
            pid: process.pid,
            memory: process.memory_bytes.map(Bytes),
            gi: process.gi.map(GiId),
            ci: process.ci.map(CiId),
        }
    }
}

impl From<&Health> for v1::Health {
    fn from(health: &Health) -> Self {
        use v1::health::{Lost, Maintenance, Ok, ResetRequired, State, Unresponsive, Xid};
        let state = match health {
            Health::Ok => State::Ok(Ok {}),
            Health::Lost { since } => State::Lost(Lost { since_ms: since.0 }),
            Health::Unresponsive { since, operation } => State::Unresponsive(Unresponsive {
                since_ms: since.0,
                operation: operation.clone(),
            }),
            Health::ResetRequired { since } => {
                State::ResetRequired(ResetRequired { since_ms: since.0 })
            }
            Health::Xid { since, code } => State::Xid(Xid {
                since_ms: since.0,
                code: *code,
            }),
            Health::Maintenance { since } => State::Maintenance(Maintenance { since_ms: since.0 }),
        };
        Self { state: Some(state) }
    }
}

impl TryFrom<v1::Health> for Health {
    type Error = ConvertError;

    fn try_from(health: v1::Health) -> Result<Self, ConvertError> {
        use v1::health::State;
        Ok(match required("state", health.state)? {
            State::Ok(_) => Self::Ok,
            State::Lost(lost) => Self::Lost {
                since: Timestamp(lost.since_ms),
            },
            State::Unresponsive(hung) => Self::Unresponsive {
                since: Timestamp(hung.since_ms),
                operation: text("operation", hung.operation, TEXT_LIMIT)?,
            },
            State::ResetRequired(sick) => Self::ResetRequired {
                since: Timestamp(sick.since_ms),
            },
            State::Xid(xid) => Self::Xid {
                since: Timestamp(xid.since_ms),
                code: xid.code,
            },
            State::Maintenance(work) => Self::Maintenance {
                since: Timestamp(work.since_ms),
            },
        })
    }
}
