//! What is true of a simulated machine, from the simulator's own tables and state: none of it went
//! through kerf.

use std::path::Path;

use nvidia_ml::control::{GpuShown, show};
use nvidia_ml::model::gpu::Gpu;
use nvidia_ml::model::machine::{Machine, Nodes, functions};
use nvidia_ml::model::product::Product;
use nvidia_ml::model::spec::{MachineSpec, PciFunction, Role};
use nvidia_ml::model::tables;
use nvidia_ml::model::walk::common_ancestor;

use crate::world::SEED;

/// A machine as it came out of the box, and as it is cut now.
pub struct Known {
    pub spec: &'static MachineSpec,
    pub gpus: Vec<Gpu>,
    pub shown: Vec<GpuShown>,
}

impl Known {
    pub fn new(dir: &Path) -> Self {
        let shown = show(dir).expect("a machine");
        let spec = tables::machine(&shown.name).expect("a known machine");
        let nodes = Nodes {
            real: false,
            frontend: 0,
            uvm: 0,
            caps: 0,
            imex: 0,
        };
        let fresh = Machine::new(spec, SEED, nodes, 0);
        Self {
            spec,
            gpus: fresh.gpus,
            shown: shown.gpus,
        }
    }

    pub fn product(&self) -> &'static Product {
        self.spec.nvidia().expect("a machine with GPUs of NVIDIA")
    }

    /// GPUs and interfaces in the order of the matrix.
    pub fn devices(&self) -> Vec<&'static PciFunction> {
        let all = functions(self.spec).iter();
        let gpus = all.clone().filter(|at| matches!(at.role, Role::Gpu(_)));
        gpus.chain(all.filter(|at| matches!(at.role, Role::Nic(_))))
            .collect()
    }

    pub fn has_switches(&self) -> bool {
        let mut all = functions(self.spec).iter();
        all.any(|at| matches!(at.role, Role::NvSwitch(_)))
    }

    /// The word of the matrix for two devices.
    pub fn level(&self, a: &PciFunction, b: &PciFunction) -> String {
        let between_gpus = matches!((a.role, b.role), (Role::Gpu(_), Role::Gpu(_)));
        if between_gpus && a.bdf != b.bdf && self.has_switches() {
            return format!("NV{}", self.product().nvlink.links);
        }
        let word = match common_ancestor(a, b) {
            0 => " X ",
            10 => "PIX",
            20 => "PXB",
            30 => "PHB",
            40 => "NODE",
            _ => "SYS",
        };
        word.to_owned()
    }

    /// MiB in use on a whole GPU: the cost of its slices and what processes hold.
    pub fn used_mib(&self, gpu: &GpuShown) -> u64 {
        let profiles = gpu.instances.iter().map(|gi| self.profile(&gi.profile));
        let slices = profiles.map(|profile| u64::from(profile.slices)).sum();
        let held = gpu.processes.iter().map(|process| process.memory_bytes);
        self.overhead_mib(slices) + (held.sum::<u64>() >> 20)
    }

    /// Whether the driver lists profiles of it now: some tell none while MIG is off.
    pub fn tells_profiles(&self, gpu: &GpuShown) -> bool {
        gpu.mig.0 || self.product().mig_query_without_mode
    }

    /// A GPU instance profile by name.
    pub fn profile(&self, name: &str) -> &'static nvidia_ml::model::profile::GiProfile {
        let mut all = self.product().gi_profiles.iter();
        all.find(|profile| profile.name == name).expect("a profile")
    }

    /// MiB that so many compute slices cost.
    pub fn overhead_mib(&self, slices: u64) -> u64 {
        (slices * self.product().slice_overhead_kib).div_ceil(1024)
    }
}
