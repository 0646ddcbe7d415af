//! vGPUs of GPU 0 and the records of them, read from the kernel's state and the store's file and never from kerfd.

use std::fmt::Write as _;

use nvidia_ml::kernel::Kernel;
use nvidia_ml::kernel::vgpu::{Device, Gpu};
use rusqlite::Connection;
use serde_json::Value;

use crate::judge::{Picture as Everything, documents};
use crate::lane::Lane;

/// What is there.
pub struct Picture {
    gpu: Gpu,
    /// Address of each function with a vGPU.
    pub vgpus: Vec<(String, Device)>,
    pub records: Vec<Value>,
    /// The slices that the GPU is cut into.
    slices: String,
}

impl Picture {
    /// Reads it; nothing runs meanwhile.
    pub fn take(lane: &Lane) -> Self {
        let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
        let state = kernel.state().expect("its state");
        let all = state.vgpu.expect("vGPUs");
        let gpu = all.gpus[0].clone();
        let functions = gpu.functions.iter().enumerate();
        let vgpus = functions.flat_map(|(nth, function)| {
            let bdf = all.function_bdf(&gpu, nth);
            function
                .vgpus
                .iter()
                .map(move |one| (bdf.clone(), one.clone()))
        });
        let vgpus = vgpus.collect();
        let path = lane.config.paths.state_dir.join("state.db");
        // Before the first kerfd there is no store.
        let (records, slices) = match path.exists() {
            true => {
                let store = Connection::open(path).expect("the store");
                (documents(&store, "vgpus"), Everything::take(lane).shape())
            }
            false => (Vec::new(), String::new()),
        };
        Self {
            gpu,
            vgpus,
            records,
            slices,
        }
    }

    /// How many virtual functions there are.
    pub fn functions(&self) -> usize {
        self.gpu.functions.len()
    }

    /// The virtual functions and every vGPU, by what two runs have in common.
    pub fn shape(&self) -> String {
        let mut text = format!("{}; {} functions", self.slices, self.functions());
        for (function, one) in &self.vgpus {
            let (kind, gi, place) = (one.type_id, one.gi, one.place);
            write!(text, "; {function}: type {kind} gi {gi:?} place {place}").expect("text");
        }
        text
    }

    /// What must hold whenever nothing is under way.
    pub fn faults(&self, strangers: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        for (function, device) in &strangers.vgpus {
            if !self.vgpus.contains(&(function.clone(), device.clone())) {
                faults.push(format!("the stranger's on {function} was touched"));
            }
        }
        let ours = self
            .vgpus
            .iter()
            .filter(|one| !strangers.vgpus.contains(one));
        let ours: Vec<&(String, Device)> = ours.collect();
        if ours.len() != self.records.len() {
            let records = &self.records;
            faults.push(format!("vGPUs {ours:?}, and records {records:?}"));
        }
        for ((function, device), record) in ours.iter().zip(&self.records) {
            let is_same = record["state"] == "made"
                && record["function"] == function.as_str()
                && record["type_id"] == device.type_id
                && record["uuid"].as_str() == device.uuid.as_deref()
                && record["gpu_instance"].as_u64() == device.gi.map(u64::from)
                // A mediated device tells no place.
                && (device.uuid.is_some()
                    || record["placement"].as_u64() == Some(device.place.into()));
            if !is_same {
                faults.push(format!(
                    "{function} has {device:?}, and its record {record}"
                ));
            }
        }
        faults
    }
}
