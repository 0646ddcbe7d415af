//! Hardware that comes and goes under a running kerfd: told to those who watch, and in the inventory, within one look.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use kerf_tests::{poll, process};
use nvidia_ml::control::{FaultRequest, exchange, reset, set_policy};
use nvidia_ml::model::machine::Policy;
use serde_json::Value;

use super::faults::{inject, until_degraded, until_well};
use super::said::kerf;
use super::world::{LIMIT, World};

/// A look at the hardware twice a second.
const LOOKS: &str = "[driver]\nlook_interval_ms = 500\n";

fn told(world: &World, words: &str) {
    let seen = || {
        let events = kerf(world, &["events", "--after", "0"]).ends(0);
        events.contains(words).then_some(())
    };
    poll::until(words, LIMIT, seen).expect("kerfd looks by itself");
}

#[test]
fn a_card_that_is_taken_out_and_put_back_is_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let has = |name: &str| {
        let inventory = world.client.inventory();
        inventory.nics.iter().any(|nic| nic.name == name)
    };
    assert!(has("mlx5_7"));
    let class = world.kerfd.sysroot().join("sys/class/infiniband/mlx5_7");
    let device = fs::read_link(&class).expect("a link of the class");
    fs::remove_file(&class).expect("ours");
    told(&world, "mlx5_7: is gone");
    assert!(!has("mlx5_7") && has("mlx5_6"));
    symlink(&device, &class).expect("ours");
    told(&world, "mlx5_7: has come");
    assert!(has("mlx5_7"));
}

/// What another client of the driver does, such as `nvidia-smi`: it sets the MIG mode of a GPU.
fn another_sets_mig(world: &World, index: u32, on: bool) {
    let script = "import ctypes, sys\n\
                  nvml = ctypes.CDLL(sys.argv[1])\n\
                  gpu, status = ctypes.c_void_p(), ctypes.c_uint()\n\
                  steps = [lambda: nvml.nvmlInit_v2(),\n\
                  lambda: nvml.nvmlDeviceGetHandleByIndex_v2(int(sys.argv[2]), ctypes.byref(gpu)),\n\
                  lambda: nvml.nvmlDeviceSetMigMode(gpu, int(sys.argv[3]), ctypes.byref(status))]\n\
                  sys.exit(next((code for code in (step() for step in steps) if code), 0))\n";
    let library = world.kerfd.machine().join("libnvidia-ml.so.1");
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(library);
    python.args([index.to_string(), u32::from(on).to_string()]);
    process::run(&mut python).expect("the driver does it");
}

fn mode(world: &World, at: usize) -> String {
    let inventory = kerf(world, &["inventory", "-o", "json"]).ends(0);
    let inventory: Value = serde_json::from_str(&inventory).expect("JSON");
    inventory["gpus"][at]["mig_mode"]
        .as_str()
        .unwrap_or("")
        .to_owned()
}

#[test]
fn a_mode_that_another_client_changes_is_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let before = mode(&world, 2);
    another_sets_mig(&world, 2, true);
    told(&world, "MIG mode is on");
    // The picture follows what is told.
    world.until("the mode in the inventory", || mode(&world, 2) != before);
    another_sets_mig(&world, 2, false);
    told(&world, "MIG mode is off");
    world.until("the mode as it was", || mode(&world, 2) == before);
    assert_eq!(
        mode(&world, 3),
        before,
        "of its neighbour nobody said anything"
    );
}

#[test]
fn a_gpu_that_is_reset_is_told_with_the_mode_that_waited_for_it() {
    let Some(world) = World::bare("a100x8", LOOKS) else {
        return;
    };
    let machine = world.kerfd.machine();
    let held = |persistence_daemon| Policy {
        persistence_daemon,
        ..Policy::default()
    };
    // What holds the GPUs keeps the mode from changing at once.
    set_policy(&machine, held(true)).expect("the machine takes it");
    another_sets_mig(&world, 1, true);
    told(&world, "MIG mode is on after a reset");
    inject(&world, FaultRequest::ResetRequired { gpu: 1 });
    until_degraded(&world, &["gpu 1 ", "reset"]);
    set_policy(&machine, held(false)).expect("the machine takes it");
    reset(&machine, 1).expect("nobody uses it");
    until_well(&world);
    world.until("the mode", || mode(&world, 1) == "enabled");
    let events = kerf(&world, &["events", "--after", "0"]).ends(0);
    let now = |line: &str| line.contains("MIG mode is on") && !line.contains("after a reset");
    assert!(events.lines().any(now), "{events}");
}

/// After a reload the kernel may number the bus anew: a board is at another address, and at its own there is nothing.
#[test]
fn a_board_that_is_at_another_address_is_there_alone() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let before = world.client.looked().gpus;
    inject(&world, FaultRequest::Gone { gpu: 7 });
    until_degraded(&world, &["gpu 7 ", "lost"]);
    exchange(&world.kerfd.machine(), 3, 7).expect("two boards");
    let (moved, left) = (&before[7], &before[3]);
    told(
        &world,
        &format!("{} is at its place, was {}", moved.uuid, left.uuid),
    );
    told(&world, &format!("it is at {} now", left.pci));
    until_well(&world);
    let now = world.client.inventory().gpus;
    assert_eq!(now.len(), 7, "{now:?}");
    let at: Vec<_> = now.iter().filter(|gpu| gpu.uuid == moved.uuid).collect();
    assert_eq!(at.len(), 1);
    assert_eq!(at[0].pci, left.pci);
    // It can be asked for by its name, which means one GPU again.
    let ask = format!("gpu,include={}", moved.uuid);
    let lease = world.client.lease(&ask, "", "").expect("it is free");
    world.client.release(&lease.id).expect("nobody has it");
    // The other comes back where this one was.
    inject(&world, FaultRequest::Clear { gpu: 7 });
    told(&world, &format!("({}) found", left.uuid));
    let all = || world.client.inventory().gpus.len() == 8;
    world.until("all in the inventory", all);
}
