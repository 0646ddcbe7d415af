//! A machine as it comes out of the box. Owns the identities that follow from the seed.

use std::collections::{BTreeMap, VecDeque};

use uuid::Builder;

use super::fabric::FabricFault;
use super::gpu::{Ecc, Fault, Gpu, Settings};
use super::imported::Imported;
use super::machine::{FORMAT, Machine, Nodes, Policy, functions};
use super::meter::Meter;
use super::mix;
use super::product::Product;
use super::spec::{MachineSpec, Role};

impl Machine {
    /// A fresh machine: no MIG, nothing running. The seed gives UUIDs and serial numbers.
    #[must_use]
    pub fn new(spec: &'static MachineSpec, seed: u64, nodes: Nodes, now_us: u64) -> Self {
        let gpus = functions(spec)
            .iter()
            .filter_map(|function| match function.role {
                Role::Gpu(index) => Some(gpu(spec.nvidia()?, index, seed, now_us)),
                _ => None,
            });
        Self {
            format: FORMAT,
            name: spec.name.to_owned(),
            imported: Imported::of_spec(spec),
            generation: 0,
            next_serial: 0,
            next_event: 1,
            created_us: now_us,
            nodes,
            policy: Policy::default(),
            driver_hung: false,
            mischief: Vec::new(),
            delay: None,
            delays: BTreeMap::new(),
            tool_faults: Vec::new(),
            gpus: gpus.collect(),
            events: VecDeque::new(),
        }
    }
}

fn gpu(product: &Product, index: u32, seed: u64, now_us: u64) -> Gpu {
    let draw = |nth: u64| mix(mix(seed ^ nth << 40) ^ u64::from(index));
    let uuid =
        Builder::from_random_bytes((u128::from(draw(1)) << 64 | u128::from(draw(2))).to_be_bytes());
    Gpu {
        index,
        minor: index,
        uuid: uuid.into_uuid(),
        serial: format!("16{:011}", draw(3) % 100_000_000_000),
        fault: Fault::None,
        mig: false,
        mig_pending: false,
        instances: Vec::new(),
        processes: Vec::new(),
        meter: Meter::starting(now_us, product.thermal.idle_c * 1_000),
        settings: Settings {
            persistence: true,
            compute_mode: 0,
            time_slice: 0,
            power_limit_mw: product.power.max_limit_mw,
            locked_clocks_mhz: None,
        },
        ecc: Ecc::default(),
        fabric: FabricFault::None,
        vgpus: Vec::new(),
    }
}
