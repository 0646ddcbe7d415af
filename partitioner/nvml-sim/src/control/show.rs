//! What is set on a machine, for people: faults, MIG layout, processes. Owns a view of the state
//! that does not change with the state's own format.

use std::collections::BTreeMap;
use std::path::Path;

use super::ControlError;
use crate::model::capacity::ci_profile;
use crate::model::gpu::{Fault, Gpu};
use crate::model::load::Process;
use crate::model::machine::{Machine, Policy};
use crate::model::product::Product;
use crate::model::status::Status;
use crate::store::Store;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineShown {
    /// Name, such as `h100x8`.
    pub name: String,
    /// Whether every call blocks.
    pub driver_hung: bool,
    /// Functions that answer with a code and do nothing.
    pub refusals: BTreeMap<String, u32>,
    /// What else goes wrong with calls and with tools, in words.
    pub misbehaviours: Vec<String>,
    /// Whether the device nodes are real.
    pub real_nodes: bool,
    /// Behaviours chosen.
    pub policy: Policy,
    /// GPUs by index.
    pub gpus: Vec<GpuShown>,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuShown {
    /// Place on the bus: the NVML index while no GPU is gone.
    pub index: u32,
    /// `GPU-…`.
    pub uuid: String,
    /// `0000:0f:00.0`.
    pub pci: String,
    /// What is wrong with it.
    pub fault: Fault,
    /// MIG mode now and after a reset.
    pub mig: (bool, bool),
    /// GPU instances in order of creation.
    pub instances: Vec<GpuInstanceShown>,
    /// Processes.
    pub processes: Vec<Process>,
}

/// A GPU instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuInstanceShown {
    /// Id.
    pub id: u32,
    /// Profile, such as `1g.10gb`.
    pub profile: String,
    /// First placement unit and size.
    pub placement: (u32, u32),
    /// Compute instances in order of creation.
    pub compute: Vec<ComputeInstanceShown>,
}

/// A compute instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputeInstanceShown {
    /// Id.
    pub id: u32,
    /// Profile, such as `1c.3g.40gb`.
    pub profile: String,
    /// `MIG-…`.
    pub uuid: String,
}

/// Reads what is set on the machine in `dir`. It answers whatever is broken.
///
/// # Errors
/// `Store` without a machine in `dir`.
pub fn show(dir: &Path) -> Result<MachineShown, ControlError> {
    let machine = Store::new(dir).read()?;
    let gpus = machine.gpus.iter().map(|gpu| {
        let pci = machine.site(gpu.index)?.bdf.to_string();
        Ok(show_gpu(machine.product()?, gpu, pci))
    });
    Ok(MachineShown {
        name: machine.name.clone(),
        driver_hung: machine.driver_hung,
        refusals: refusals(&machine),
        misbehaviours: misbehaviours(&machine),
        real_nodes: machine.nodes.real,
        policy: machine.policy,
        gpus: gpus.collect::<Result<_, Status>>()?,
    })
}

fn refusals(machine: &Machine) -> BTreeMap<String, u32> {
    let refused = machine.mischief.iter();
    let refused = refused.filter_map(|armed| Some((armed.function.clone(), armed.refusal()?)));
    refused.collect()
}

fn misbehaviours(machine: &Machine) -> Vec<String> {
    let armed = machine.mischief.iter();
    let armed = armed.filter(|armed| armed.refusal().is_none());
    let armed = armed.map(ToString::to_string);
    let every = machine
        .delay
        .iter()
        .map(|delay| format!("every call {delay}"));
    let single = machine.delays.iter();
    let single = single.map(|(function, delay)| format!("{function} {delay}"));
    let tools = machine.tool_faults.iter().map(ToString::to_string);
    armed.chain(every).chain(single).chain(tools).collect()
}

fn show_gpu(product: &Product, gpu: &Gpu, pci: String) -> GpuShown {
    let instances = gpu.instances.iter().filter_map(|gi| {
        let profile = gi.profile(product)?;
        let compute = gi.compute.iter().filter_map(|ci| {
            Some(ComputeInstanceShown {
                id: ci.id,
                profile: ci_profile(product, gi, ci.profile)?.name(profile),
                uuid: format!("MIG-{}", ci.uuid),
            })
        });
        Some(GpuInstanceShown {
            id: gi.id,
            profile: profile.name.to_owned(),
            placement: (gi.start, profile.size),
            compute: compute.collect(),
        })
    });
    GpuShown {
        index: gpu.index,
        uuid: format!("GPU-{}", gpu.uuid),
        pci,
        fault: gpu.fault,
        mig: (gpu.mig, gpu.mig_pending),
        instances: instances.collect(),
        processes: gpu.processes.clone(),
    }
}
