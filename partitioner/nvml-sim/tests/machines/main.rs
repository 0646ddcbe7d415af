//! The trees of the simulated machines, read as files by whoever wants to: no module of the simulator takes part in
//! the reading. Device nodes, state and library are tested beside the code that makes them.

mod links;
mod lspci;
mod lstopo;
mod processors;
mod snapshots;
mod world;

use kerf_tests::Capability;
use world::World;

/// Makes each machine once and shows it to every witness.
fn check(which: impl Fn(&str) -> bool) {
    let (lspci, lstopo) = (
        kerf_tests::require(Capability::Lspci),
        kerf_tests::require(Capability::Lstopo),
    );
    let mut checked = 0;
    for name in world::machines().filter(|name| which(name)) {
        let world = World::new(name);
        links::check(&world, name);
        processors::check(&world, name);
        if lspci {
            lspci::check(&world, name);
        }
        if lstopo {
            lstopo::check(&world, name);
        }
        snapshots::check(&world, name);
        checked += 1;
    }
    assert!(checked > 0, "there are such machines");
}

fn is_amd(name: &str) -> bool {
    name.starts_with("mi")
}

/// Of makers whose accelerators have neither a library nor a kernel model.
fn is_other(name: &str) -> bool {
    let stems = ["gaudi", "trn", "tpu", "alveo", "d5005", "max"];
    stems.iter().any(|stem| name.starts_with(stem))
}

#[test]
fn every_machine_with_nvidia_gpus_is_a_machine_to_every_witness() {
    check(|name| !is_amd(name) && !is_other(name));
}

#[test]
fn every_machine_with_amd_gpus_is_a_machine_to_every_witness() {
    check(is_amd);
}

#[test]
fn every_machine_of_another_maker_is_a_machine_to_every_witness() {
    check(is_other);
}
