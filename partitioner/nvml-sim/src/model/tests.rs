//! The model, driven as the C ABI drives it. Shared here: a machine to start from and the way its
//! layout is written down.

mod grid;
mod identity;
mod load;
mod meter;
mod mode;
mod order;
mod share;
mod space;
mod topology;

use super::machine::{Machine, Nodes};
use super::mig::InstanceRef;
use super::status::Status;
use super::tables;

/// The time at which every test begins, µs.
const START_US: u64 = 1_000_000_000_000_000;
const SECOND_US: u64 = 1_000_000;

/// A machine of that name with seed 1.
fn machine(name: &str) -> Machine {
    let spec = tables::machine(name).expect("a known machine");
    let nodes = Nodes {
        real: false,
        frontend: 600,
        uvm: 601,
        caps: 602,
        imex: 0,
    };
    Machine::new(spec, 1, nodes, START_US)
}

/// The same with GPU 0 in MIG mode.
fn mig_machine(name: &str) -> Machine {
    let mut machine = machine(name);
    machine
        .set_mig_mode(0, true, START_US)
        .expect("an idle GPU");
    machine
}

/// Creates on GPU 0; `start` is `None` for the driver's choice.
fn create(machine: &mut Machine, profile: u32, start: Option<u32>) -> Result<InstanceRef, Status> {
    let serial = machine.create_gi(0, profile, start, START_US)?;
    Ok(InstanceRef { gpu: 0, serial })
}

/// Creates an instance that its one compute instance fills.
fn create_full(
    machine: &mut Machine,
    profile: u32,
    start: Option<u32>,
) -> (InstanceRef, InstanceRef) {
    let gi = create(machine, profile, start).expect("room for the instance");
    let product = machine.product().expect("a product");
    let slices = product.gi_profile(profile).expect("a profile").slices;
    let ci = super::profile::CI_PROFILES
        .iter()
        .find(|ci| ci.slices == slices)
        .expect("a profile");
    let serial = machine
        .create_ci(gi, ci.id, None, START_US)
        .expect("an empty instance");
    (gi, InstanceRef { gpu: 0, serial })
}

/// GPU 0's layout: `profile@start#id`, in order of creation.
fn layout(machine: &Machine) -> String {
    let gis = machine.gpus[0].instances.iter();
    let gis: Vec<String> = gis
        .map(|gi| format!("{}@{}#{}", gi.profile, gi.start, gi.id))
        .collect();
    gis.join(" ")
}
