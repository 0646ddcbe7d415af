//! The documents of `kerf sim`. They are the simulator's and no part of kerfd's API.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use nvidia_ml::MachineInfo;
use nvidia_ml::control::{GpuInstanceShown, GpuShown, MachineShown};
use nvidia_ml::machine::machines;
use nvidia_ml::model::gpu::Fault;
use nvidia_ml::model::load::Process;
use serde::Serialize;

use kerf_types::Bytes;

/// `kerf sim machines`
#[derive(Debug, Serialize)]
pub struct SimMachines {
    schema: &'static str,
    pub machines: Vec<Known>,
}

/// A machine that can be made.
#[derive(Debug, Serialize)]
pub struct Known {
    pub name: &'static str,
    pub summary: &'static str,
}

/// `kerf sim create`
#[derive(Debug, Serialize)]
pub struct SimMachine {
    schema: &'static str,
    pub name: String,
    pub dir: String,
    pub library: String,
    pub sysroot: String,
    pub real_nodes: bool,
}

/// `kerf sim mount`
#[derive(Debug, Serialize)]
pub struct SimMount {
    schema: &'static str,
    pub dir: String,
    pub mountpoint: String,
}

/// `kerf sim mps-client`
#[derive(Debug, Serialize)]
pub struct SimMpsClient {
    schema: &'static str,
    pub pid: u32,
    pub server: u32,
}

/// `kerf sim show`
#[derive(Debug, Serialize)]
pub struct SimState {
    schema: &'static str,
    pub name: String,
    pub driver_hung: bool,
    pub refusals: BTreeMap<String, u32>,
    pub misbehaviours: Vec<String>,
    pub real_nodes: bool,
    pub gpus: Vec<SimGpu>,
}

/// A GPU.
#[derive(Debug, Serialize)]
pub struct SimGpu {
    pub index: u32,
    pub uuid: String,
    pub pci: String,
    pub fault: &'static str,
    pub mig: bool,
    pub mig_pending: bool,
    pub instances: Vec<SimInstance>,
    pub processes: Vec<SimProcess>,
}

/// A GPU instance.
#[derive(Debug, Serialize)]
pub struct SimInstance {
    pub gi: u32,
    pub profile: String,
    pub start: u32,
    pub size: u32,
    pub uuids: Vec<String>,
}

/// A process.
#[derive(Debug, Serialize)]
pub struct SimProcess {
    pub pid: u32,
    pub gi: Option<u32>,
    pub ci: Option<u32>,
    pub sm_percent: u32,
    pub memory_bytes: u64,
}

impl SimMachines {
    /// All that there are.
    pub fn new() -> Self {
        let known = |(name, summary)| Known { name, summary };
        let machines = machines().into_iter().map(known).collect();
        Self {
            schema: "kerf.v1.SimMachines",
            machines,
        }
    }
}

impl SimMount {
    /// The machine in that folder, mounted there.
    pub fn new(dir: &Path, mountpoint: &Path) -> Self {
        Self {
            schema: "kerf.v1.SimMount",
            dir: dir.display().to_string(),
            mountpoint: mountpoint.display().to_string(),
        }
    }
}

impl SimMpsClient {
    /// This process, as a client of that server.
    pub fn new(server: u32) -> Self {
        Self {
            schema: "kerf.v1.SimMpsClient",
            pid: std::process::id(),
            server,
        }
    }
}

impl From<&MachineInfo> for SimMachine {
    fn from(info: &MachineInfo) -> Self {
        Self {
            schema: "kerf.v1.SimMachine",
            name: info.name.clone(),
            dir: info.dir.display().to_string(),
            library: match info.has_library {
                true => info.library.display().to_string(),
                false => "none".to_owned(),
            },
            sysroot: info.sysroot.display().to_string(),
            real_nodes: info.real_nodes,
        }
    }
}

impl From<&MachineShown> for SimState {
    fn from(shown: &MachineShown) -> Self {
        Self {
            schema: "kerf.v1.SimState",
            name: shown.name.clone(),
            driver_hung: shown.driver_hung,
            refusals: shown.refusals.clone(),
            misbehaviours: shown.misbehaviours.clone(),
            real_nodes: shown.real_nodes,
            gpus: shown.gpus.iter().map(Into::into).collect(),
        }
    }
}

impl From<&GpuShown> for SimGpu {
    fn from(gpu: &GpuShown) -> Self {
        Self {
            index: gpu.index,
            uuid: gpu.uuid.clone(),
            pci: gpu.pci.clone(),
            fault: match gpu.fault {
                Fault::None => "none",
                Fault::Lost => "lost",
                Fault::Hung => "hung",
                Fault::Gone => "gone",
                Fault::ResetRequired => "reset-required",
            },
            mig: gpu.mig.0,
            mig_pending: gpu.mig.1,
            instances: gpu.instances.iter().map(Into::into).collect(),
            processes: gpu.processes.iter().map(Into::into).collect(),
        }
    }
}

impl From<&GpuInstanceShown> for SimInstance {
    fn from(instance: &GpuInstanceShown) -> Self {
        let (start, size) = instance.placement;
        let uuids = instance
            .compute
            .iter()
            .map(|compute| compute.uuid.clone())
            .collect();
        Self {
            gi: instance.id,
            profile: instance.profile.clone(),
            start,
            size,
            uuids,
        }
    }
}

impl fmt::Display for SimInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}@{}:{}",
            self.gi, self.profile, self.start, self.size
        )
    }
}

impl From<&Process> for SimProcess {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid,
            gi: process.gi,
            ci: process.ci,
            sm_percent: process.sm_percent,
            memory_bytes: process.memory_bytes,
        }
    }
}

impl fmt::Display for SimProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)?;
        if let Some(gi) = self.gi {
            write!(f, " on gi {gi}")?;
        }
        write!(f, " {}% {}", self.sm_percent, Bytes(self.memory_bytes))
    }
}
