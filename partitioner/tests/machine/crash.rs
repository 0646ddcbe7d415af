//! Workers killed at any moment: the step is done or not done, and doing it again makes it done.

use std::time::Duration;

use kerf_partitioner::client::Client;
use kerf_types::{Gpu, Step};

use crate::world::{Asks, PATIENCE, World, create, fill, mig};

/// A linear congruential sequence (Knuth's constants): enough to spread moments, and reproducible.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Starts `step` and kills the worker some time later. The simulated driver's state outlives it.
fn cut_short(world: &World, step: &Step, micros: u64) {
    let mut client = world.worker();
    let pid = client.pid().expect("a process");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(micros));
        let pid = nix::unistd::Pid::from_raw(pid.try_into().expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("our own child");
    });
    drop(client.apply(step, PATIENCE));
    killer.join().expect("no panic");
}

fn after(world: &World, state: &mut u64, step: &Step) -> (Client, Gpu) {
    cut_short(world, step, next(state) % 30_000);
    let mut client = world.worker();
    let gpu = client.step(step);
    (client, gpu)
}

#[test]
fn a_step_cut_short_is_done_by_doing_it_again() {
    let world = World::new("h100x1");
    let pci = world.worker().gpu(0).pci;
    let mut state = 1;
    for _ in 0..5 {
        for step in [mig(pci, true), create(pci, 14, 2, 2), fill(pci, 2, 2, 1)] {
            after(&world, &mut state, &step);
        }
        let gpu = world.worker().gpu(0);
        let [gi] = gpu.instances.as_slice() else {
            panic!("{:?}", gpu.instances)
        };
        let [ci] = gi.compute.as_slice() else {
            panic!("{:?}", gi.compute)
        };
        let end_compute = Step::DestroyComputeInstance {
            gpu: pci,
            gi: gi.id,
            ci: ci.id,
            uuid: ci.uuid.clone(),
        };
        let end = Step::DestroyGpuInstance {
            gpu: pci,
            gi: gi.id,
            profile: gi.profile,
            placement: gi.placement,
        };
        after(&world, &mut state, &end_compute);
        let (_, gpu) = after(&world, &mut state, &end);
        assert!(gpu.instances.is_empty(), "{:?}", gpu.instances);
    }
}
